"""An engine whose sampling process is played by the test."""

import numpy as np

from napari_ambiseg.messages import Devices, Finished, Loaded, Stepped

STEPS = 4


class PlayedEngine:
    """Answers with what the test told it to; drops stale answers like the real one."""

    def __init__(self):
        self.requests, self.cancelled, self.stopped, self._answers = [], [], False, []

    def start(self, request):
        self.requests.append(request)

    def cancel(self):
        self.cancelled.append(len(self.requests))

    def ask_devices(self):
        self._answers.append(Devices(("cpu", "cuda:0")))

    def stop(self):
        self.stopped = True

    def poll(self):
        answers, self._answers = self._answers, []
        return answers

    def answer(self, *answers):
        self._answers += answers

    def load(self, n_steps=STEPS):
        self.answer(Loaded(len(self.requests), "demo", "cpu", n_steps, tuple(range(n_steps + 1))))

    def step(self, *indices):
        masks = self.masks()
        for index in indices:
            share = index / STEPS
            x0_hat = np.where(masks, share, -share)
            shown = masks if index == STEPS else np.roll(masks, STEPS - index, axis=1)
            self.answer(
                Stepped(
                    len(self.requests), index, 1 - share, masks.astype(np.float16), x0_hat.astype(np.float16), shown
                )
            )

    def finish(self):
        self.answer(Finished(len(self.requests), self.masks(), 1.0, {"model": "demo", "seed": self.requests[-1].seed}))

    def masks(self):
        """Squares of growing size, the first one empty: (N, H, W), as the last request wants them."""
        wish = self.requests[-1]
        masks = np.zeros((wish.n, *wish.case.image.shape), bool)
        for i, mask in enumerate(masks):
            mask[10 : 10 + 2 * i, 10 : 10 + 2 * i] = True
        return masks


def draw(controller, engine):
    """A whole drawing."""
    controller.generate()
    engine.load()
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()
