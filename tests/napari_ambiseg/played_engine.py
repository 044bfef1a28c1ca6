"""An engine whose sampling process is played by the test."""

import numpy as np

from napari_ambiseg.messages import Devices, Finished, Loaded, Paused, Stepped
from training.machine import DeviceFact

STEPS = 4
DEVICES = (DeviceFact("cuda:0", "Some GPU", 12 * 10**9, 16 * 10**9), DeviceFact("cpu", "Some CPU", 10**9, 10**10))


class PlayedEngine:
    """Answers with what the test told it to; drops stale answers like the real one.

    ``verbs`` are the names of what was asked of it besides drawings, in order.
    """

    def __init__(self):
        self.requests, self.cancelled, self.stopped, self.pid = [], [], False, 1
        self.verbs, self.estimates, self._answers = [], [], []

    def start(self, request):
        self.requests.append(request)

    def cancel(self):
        self.cancelled.append(len(self.requests))

    def pause(self):
        self.verbs.append("pause")

    def resume(self):
        self.verbs.append("resume")

    def step_once(self):
        self.verbs.append("step once")

    def watch(self, watched):
        self.verbs.append("watch" if watched else "look away")

    def ask_estimate(self, wanted):
        self.estimates.append(wanted)

    def ask_devices(self):
        self._answers.append(Devices(DEVICES))

    def held_bytes(self):
        return 512 * 10**6

    def stop(self):
        self.stopped, self.pid = True, None

    def poll(self):
        answers, self._answers = self._answers, []
        return answers

    def answer(self, *answers):
        self._answers += answers

    def load(self, n_steps=STEPS, device="cpu"):
        self.answer(Loaded(len(self.requests), "demo", device, n_steps, tuple(range(n_steps + 1))))

    def step(self, *indices):
        masks = self.masks()
        for index in indices:
            share = index / STEPS
            x0_hat = np.where(masks, share, -share)
            shown = masks if index == STEPS else np.roll(masks, STEPS - index, axis=1)
            self.answer(
                Stepped(
                    generation=len(self.requests),
                    index=index,
                    t=1 - share,
                    log_snr=10.0 * (2 * share - 1),
                    x_t=masks.astype(np.float16),
                    x0_hat=x0_hat.astype(np.float16),
                    masks=shown,
                )
            )

    def hold(self, index):
        self.answer(Paused(len(self.requests), index))

    def finish(self):
        masks = self.masks()
        provenance = {"model": "demo"}
        x0_hat = np.where(masks, 1, -1).astype(np.float32)
        self.answer(Finished(len(self.requests), masks, 1.0, provenance, x0_hat))

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
    for _ in range(100):  # a tick takes in as much as it has time for
        controller.tick()
        if controller.state.sampling.status == "idle":
            break
    controller.tick()
