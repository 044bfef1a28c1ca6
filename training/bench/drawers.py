"""Everybody who draws the masks of one slice from the same noise: our segmenter, the plain loop, the peers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from training.bench.accuracy import Cost, cost_against
from training.bench.entrants import OURS, PLAIN, Built, Entrant, arithmetic, entered
from training.bench.outcome import Fact
from training.bench.peers import build_peer, sample_with
from training.bench.plain import plain_sampling
from training.bench.roofline import count_gflop
from training.build import build_sampler
from training.config import Config
from training.diffusion.denoiser import IMAGE_MEAN, IMAGE_STD, Denoiser
from training.diffusion.grids import grid_times
from training.precision import Precision
from training.records import FloatArray, SampleSet
from training.segmenters.diffusion import DiffusionSegmenter

FLIPS = "flips per million"
_SEED = 0


class Task:
    """N masks for one slice by DDIM on the trailing grid, with our own network.

    Parameters
    ----------
    denoiser : our network, of which copies are used
    picture : (H, W) the slice
    samples, steps : N, and network calls for each
    device : where
    """

    def __init__(self, denoiser: Denoiser, picture: FloatArray, samples: int, steps: int, device: torch.device) -> None:
        self.denoiser = copy.deepcopy(denoiser).eval().to(device)
        self.picture, self.samples, self.steps, self.device = picture, samples, steps, device
        self.times = grid_times("trailing", steps, denoiser.schedule).tolist()
        first = next(self.segmenter("fp32").walk(picture, samples, _SEED))
        self.noise = _tensor(first.x_t[:, None], device)
        self.image = _tensor(picture[None, None], device)
        with arithmetic(device, "fp32"):
            self.reference = _array(self.plain(self.denoiser))

    def segmenter(self, precision: Precision) -> DiffusionSegmenter:
        """Ours, on a copy of the network: it changes the order of its memory."""
        network = copy.deepcopy(self.denoiser)
        return DiffusionSegmenter(network, build_sampler("ddim"), self.steps, precision=precision, device=self.device)

    def plain(self, denoiser: Denoiser) -> Tensor:
        """The plain loop's answer, (N, 1, H, W)."""
        return plain_sampling(denoiser, self.noise, self.image, self.times)

    def own_cost(self, segmenter: DiffusionSegmenter) -> Cost:
        """What our speed costs: the masks are those of `draw`, which is what is timed; predictions show on the walk."""
        *_, last = segmenter.walk(self.picture, self.samples, _SEED)
        if self.device.type == "cuda":
            self._drawn(segmenter)  # the second walk is captured, and what is captured is timed
        return cost_against(self._drawn(segmenter).masks, last.x0_hat, self.reference)

    def own_entrant(self, precision: Precision) -> Entrant:
        """Ours, as a user calls it."""

        def build() -> Built:
            segmenter = self.segmenter(precision)
            accuracy = _columns(self.own_cost(segmenter))
            return self.denoiser, partial(self._drawn, segmenter), accuracy

        return self._entrant(f"{OURS}-{precision}", self._own_gflop(), build)

    def plain_entrant(self) -> Entrant:
        """Our network in the plain loop."""

        def build() -> Built:
            network = copy.deepcopy(self.denoiser)
            return _warm(network, partial(self.plain, network), self.reference)

        return self._entrant(f"{PLAIN}-fp32", self._own_gflop(), build)

    def peer_entrants(self, owner: str, config: Config, precisions: Sequence[Precision]) -> Iterator[Entrant]:
        """Another library's network with its own sampler, from the same noise."""
        peer = build_peer(owner, config)
        peer.network.to(self.device)
        grey = ((self.image - IMAGE_MEAN) / IMAGE_STD).repeat(self.samples, config.network.image_channels, 1, 1)
        seen, t = torch.cat([self.noise[:1], grey[:1]], dim=1), torch.ones(1, device=self.device)
        with torch.no_grad():
            gflop = count_gflop(lambda: peer.predict(peer.network, seen, t))
        with arithmetic(self.device, "fp32"):
            reference = _array(sample_with(peer, self.noise, grey, self.steps, "fp32"))

        def build(precision: Precision) -> Built:
            own = replace(peer, network=copy.deepcopy(peer.network))
            return _warm(own.network, partial(sample_with, own, self.noise, grey, self.steps, precision), reference)

        for precision in precisions:
            yield self._entrant(f"{owner}-{precision}", gflop, partial(build, precision))

    def _drawn(self, segmenter: DiffusionSegmenter) -> SampleSet:
        return segmenter.draw(self.picture, self.samples, _SEED)

    def _entrant(self, name: str, gflop: float, build: Callable[[], Built]) -> Entrant:
        return entered(name, self.device, gflop * self.samples * self.steps, build)

    def _own_gflop(self) -> float:
        t = torch.ones(1, device=self.device)
        with torch.no_grad():
            return count_gflop(lambda: self.denoiser(self.noise[:1], t, self.image))


def _warm(network: nn.Module, call: Callable[[], Tensor], reference: FloatArray) -> Built:
    """A loop that has run once, and what came out of it beside the reference."""
    x0_hat = _array(call())
    return network, call, _columns(cost_against(x0_hat > 0, x0_hat, reference))


def _columns(cost: Cost) -> dict[str, Fact]:
    return {"max |dx0|": cost.max_delta, FLIPS: cost.flips_per_million}


def _tensor(array: FloatArray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array)).to(device)


def _array(x0_hat: Tensor) -> FloatArray:
    array: FloatArray = x0_hat[:, 0].float().cpu().numpy()
    return array
