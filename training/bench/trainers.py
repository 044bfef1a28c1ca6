"""Everybody who trains on the same slices: our engine, the plain loop on its network, the peers' networks in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from itertools import count, islice

import torch
import torch.nn.functional as F
from torch import Tensor

from training.bench.entrants import OURS, PLAIN, Built, Entrant, arithmetic, entered
from training.bench.peers import Peer, build_peer
from training.bench.phantoms import phantom_arrays
from training.bench.plain import PlainStep, host_batches
from training.bench.roofline import count_gflop
from training.build import build_objective
from training.config import Config
from training.diffusion.denoiser import IMAGE_MEAN, IMAGE_STD, Denoiser
from training.fit.batches import Batches
from training.fit.graph import WARM_UP
from training.fit.numerics import numerics
from training.fit.step import TrainingStep
from training.precision import Precision, autocast
from training.processes import Processes

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
        self._slices = phantom_arrays(slices, config.image_size)
        self._batches = Batches([self._slices], config, device)
        with arithmetic(device, "fp32"):
            plain, losses = self._plain(), []
            for step in range(COMPARED):
                batch = self._batches.at(step)
                losses.append(plain(step, (batch.x0, batch.image, batch.t, batch.eps)))
        self._losses = losses

    def own_entrant(self, precision: Precision) -> Entrant:
        """Our engine's steps and batches."""

        def build() -> Built:
            step, error = self._own_step(precision)
            starts = count(_SETTLED, self.steps)

            def train() -> None:
                self._train(step, precision, next(starts))

            train()
            return step.denoiser, train, {LOSS_ERROR: error}

        return self._entrant(f"{OURS}-{precision}", self._own_gflop, build)

    def plain_entrant(self) -> Entrant:
        """The same network and loss in the plain loop, on batches made by the host."""
        return self._entrant(f"{PLAIN}-fp32", self._own_gflop, lambda: self._warm(self._plain(), 0.0))

    def peer_entrant(self, owner: str, precision: Precision) -> Entrant:
        """Another library's network in the plain loop, with its own scheduler's noise and target."""
        peer = build_peer(owner, self.config)
        peer.network.to(self.device).train()
        gflop = self._gflop(lambda batch: _peer_loss(peer, self.config, precision, *batch).backward())
        peer.network.zero_grad()

        def build() -> Built:
            own = replace(peer, network=copy.deepcopy(peer.network))
            loss = partial(_peer_loss, own, self.config, precision)
            return self._warm(PlainStep(own.network, loss, self.config.fit), None)

        return self._entrant(f"{owner}-{precision}", gflop, build)

    @property
    def images(self) -> int:
        """That one call trains on."""
        return self.steps * self.config.fit.batch_size

    def _entrant(self, name: str, gflop: float, build: Callable[[], Built]) -> Entrant:
        return entered(name, self.device, gflop * self.steps, build)

    def _own_step(self, precision: Precision) -> tuple[TrainingStep, float]:
        """A step that is warm, and the largest relative error of its first losses."""
        fit = self.config.fit.model_copy(update={"precision": precision})
        step = TrainingStep(copy.deepcopy(self._denoiser), build_objective(self.config), fit, self._processes)
        losses = []
        with self._numerics(precision):
            for number in range(_SETTLED):
                step.forget_loss()
                step(number, self._batches.at(number))
                if number < COMPARED:
                    losses.append(float(step.counters["loss_sum"]))
        return step, max(abs(ours - plain) / abs(plain) for ours, plain in zip(losses, self._losses, strict=True))

    def _train(self, step: TrainingStep, precision: Precision, first: int) -> None:
        """One call: whatever is made ahead is made within it, and none of it for the next."""
        numbers = range(first, first + self.steps)
        with self._numerics(precision), closing(self._batches.ahead(numbers)) as batches:
            for number, batch in zip(numbers, batches, strict=True):
                step(number, batch)

    @contextmanager
    def _numerics(self, precision: Precision) -> Iterator[None]:
        """The engine's own switches, but for TF32, which the plain loop does not have."""
        with numerics(self.config.fit), arithmetic(self.device, precision):
            yield

    def _plain(self) -> PlainStep:
        network, objective = copy.deepcopy(self._denoiser), build_objective(self.config)
        return PlainStep(network, lambda *batch: objective(network, *batch).mean(), self.config.fit)

    def _warm(self, plain: PlainStep, error: float | None) -> Built:
        """The plain loop, run once."""
        batches = enumerate(host_batches(self._slices, self.config, self.device))

        def train() -> None:
            for number, batch in islice(batches, self.steps):
                plain(number, batch)

        train()
        return plain.network, train, {LOSS_ERROR: error}

    @cached_property
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
