"""Everybody who trains on the same slices: our engine, the plain loop on its network, the peers' networks in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.bench.entrants import OURS, PLAIN, Entrant
from training.bench.outcome import Fact
from training.bench.peers import Peer, build_peer
from training.bench.plain import PlainStep, host_batches
from training.bench.roofline import count_gflop
from training.build import build_objective
from training.config import Config
from training.data.dataset import SliceArrays
from training.data.phantom import phantom_case
from training.diffusion.denoiser import IMAGE_MEAN, IMAGE_STD, Denoiser
from training.fit.batches import Batch, Batches
from training.fit.graph import WARM_UP
from training.fit.numerics import numerics
from training.fit.processes import Processes
from training.fit.step import TrainingStep
from training.precision import Precision, autocast, exactly

LOSS_ERROR = "relative error of the loss"
# Steps whose losses are compared, before anything is timed.
COMPARED = 3
# After so many steps one is captured on a GPU.
_SETTLED = max(COMPARED, WARM_UP + 1)

PlainBatch = tuple[Tensor, Tensor, Tensor, Tensor]


class Training:
    """Some steps on phantoms, without augmentation: what each entrant does again and again.

    Parameters
    ----------
    config : of the model and its training
    denoiser : its network, of which copies are trained
    steps : of one call
    device : where
    slices : how many there are
    """

    def __init__(self, config: Config, denoiser: Denoiser, steps: int, device: torch.device, slices: int) -> None:
        self.config, self.steps, self.device = config, steps, device
        self._denoiser, self._processes = denoiser.to(device), Processes(device=device)
        self._slices = _phantoms(slices, config.image_size)
        self._batches = Batches([self._slices], config, device)
        with exactly(device, "fp32"):
            plain, losses = self._plain(), []
            for step in range(COMPARED):
                batch = self._batches.at(step)
                losses.append(plain(step, (batch.x0, batch.image, batch.t, batch.eps)))
        self._losses = losses

    def own_entrants(self, precisions: Sequence[Precision]) -> Iterator[Entrant]:
        """Our engine's steps and batches."""
        gflop = self._own_gflop()
        # All steps first: while one is captured on a GPU, no other's batches may be made in the background.
        for precision, (step, error) in [(precision, self._own_step(precision)) for precision in precisions]:
            call = partial(self._train, step, self._ahead())
            yield self._entrant(f"{OURS}-{precision}", step.denoiser, gflop, call, {LOSS_ERROR: error})

    def plain_entrant(self) -> Entrant:
        """The same network and loss in the plain loop, on batches made by the host."""
        plain, gflop = self._plain(), self._own_gflop()
        return self._entrant(f"{PLAIN}-fp32", plain.network, gflop, self._loop(plain), {LOSS_ERROR: 0.0})

    def peer_entrant(self, owner: str, precision: Precision) -> Entrant:
        """Another library's network in the plain loop, with its own scheduler's noise and target."""
        peer = build_peer(owner, self.config)
        peer.network.to(self.device).train()
        loss = partial(_peer_loss, peer, self.config, precision)
        gflop = self._gflop(lambda batch: loss(*batch).backward())
        plain = PlainStep(peer.network, loss, self.config.fit)
        return self._entrant(f"{owner}-{precision}", peer.network, gflop, self._loop(plain), {LOSS_ERROR: None})

    @property
    def images(self) -> int:
        """That one call trains on."""
        return self.steps * self.config.fit.batch_size

    def _entrant(
        self, name: str, network: nn.Module, gflop: float, call: Callable[[], object], facts: dict[str, Fact]
    ) -> Entrant:
        call()
        return Entrant(name, network, gflop * self.steps, call, facts)

    def _own_step(self, precision: Precision) -> tuple[TrainingStep, float]:
        """A step that is warm, and the largest relative error of its first losses."""
        fit = self.config.fit.model_copy(update={"precision": precision})
        step = TrainingStep(copy.deepcopy(self._denoiser), build_objective(self.config), fit, self._processes)
        losses = []
        with numerics(fit):
            for number in range(_SETTLED):
                step.forget_loss()
                step(number, self._batches.at(number))
                if number < COMPARED:
                    losses.append(float(step.counters["loss_sum"]))
        return step, max(abs(ours - plain) / abs(plain) for ours, plain in zip(losses, self._losses, strict=True))

    def _train(self, step: TrainingStep, batches: Iterator[tuple[int, Batch]]) -> None:
        with numerics(self.config.fit):
            for number, batch in islice(batches, self.steps):
                step(number, batch)

    def _plain(self) -> PlainStep:
        network, objective = copy.deepcopy(self._denoiser), build_objective(self.config)
        return PlainStep(network, lambda *batch: objective(network, *batch).mean(), self.config.fit)

    def _loop(self, plain: PlainStep) -> Callable[[], None]:
        batches = enumerate(host_batches(self._slices, self.config, self.device))

        def train() -> None:
            for number, batch in islice(batches, self.steps):
                plain(number, batch)

        return train

    def _ahead(self) -> Iterator[tuple[int, Batch]]:
        """Our batches, as the training loop asks for them: a generator that begins when the first one is asked for."""
        yield from zip(count(_SETTLED), self._batches.ahead(range(_SETTLED, self.config.fit.steps)), strict=False)

    def _own_gflop(self) -> float:
        network, objective = copy.deepcopy(self._denoiser), build_objective(self.config)
        return self._gflop(lambda batch: objective(network, *batch).mean().backward())

    def _gflop(self, step: Callable[[PlainBatch], object]) -> float:
        batch = next(host_batches(self._slices, self.config, self.device))
        return count_gflop(lambda: step(batch))


def _peer_loss(
    peer: Peer, config: Config, precision: Precision, x0: Tensor, image: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    """The mean squared error of what the peer predicts."""
    timesteps = (t * len(peer.scheduler.alphas_cumprod)).long()
    x_t = peer.scheduler.add_noise(x0, eps, timesteps)
    grey = ((image - IMAGE_MEAN) / IMAGE_STD).repeat(1, config.network.image_channels, 1, 1)
    with autocast(x_t.device, precision):
        output = peer.predict(peer.network, torch.cat([x_t, grey], dim=1), timesteps)
    if config.diffusion.prediction == "v":
        target = peer.scheduler.get_velocity(x0, eps, timesteps)
    else:
        target = x0 if config.diffusion.prediction == "x" else eps
    return F.mse_loss(output.float(), target)


def _phantoms(slices: int, size: int) -> SliceArrays:
    cases = [phantom_case(index, 0, size).slice for index in range(slices)]
    images = np.stack([(case.image * 255).round().astype(np.uint8) for case in cases])
    return SliceArrays(images, np.stack([case.masks for case in cases]))
