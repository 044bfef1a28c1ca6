"""How well the network under training draws: its GED on some cases of the val split."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch

from training.build import build_sampler
from training.config import Config
from training.data.crops import Cropped
from training.data.dataset import SliceDataset
from training.diffusion.denoiser import Denoiser
from training.errors import DataFormatError
from training.fit.numerics import training_precision
from training.metrics import generalized_energy_distance
from training.records import AnnotatedSlice
from training.rng import case_seed
from training.segmenters.diffusion import DiffusionSegmenter

# Cases that are drawn together.  One at a time keeps a CPU, where each takes a second, ready to stop.
_CPU_CASES, _GPU_CASES = 1, 64


class Validation:
    """Scores a network on always the same cases with always the same noise, and leaves no trace in it.

    The cases are spread evenly over the split and read when this is made.  Where slices are larger than
    ``image_size``, a case is its slice's own crop of that size.  Masks are drawn as `Config.sampling` says.

    Parameters
    ----------
    slices : the val split
    config : how many cases and masks for each, how to draw, and the seed
    device : where to draw
    rank, processes : this process's number among all that share the cases

    Raises
    ------
    DataFormatError
        If the split is empty, or a slice cannot be read.
    """

    def __init__(
        self, slices: SliceDataset, config: Config, device: torch.device, rank: int = 0, processes: int = 1
    ) -> None:
        if len(slices) == 0:
            raise DataFormatError("there are no val slices to validate on; set fit.validate_every = 0 to train without")
        size = config.image_size
        first = slices[0].image.shape
        if min(first) >= size and first != (size, size):
            slices = Cropped(slices, size, config.fit.seed)
        places = spread(len(slices), config.fit.validation_cases)[rank::processes]
        self._cases = [slices[place] for place in places]
        # As an evaluation with that seed gives them: each case its own, whichever cases and processes are beside it.
        self._seeds = [case_seed(config.fit.seed, case.key) for case in self._cases]
        self._config, self._device = config, device

    def score(self, denoiser: Denoiser, should_stop: Callable[[], bool] = lambda: False) -> tuple[float, int] | None:
        """The sum of the U-statistic GED over this process's cases, and how many they are.

        The masks are drawn with a copy: weights, gradients, mode and place in memory of ``denoiser`` stay as they are.
        ``should_stop`` is asked between cases, on a GPU between every 64 of them; None where it said so.

        Raises
        ------
        DeviceError
            If the device has too little memory for one mask.
        """
        fit, sampling = self._config.fit, self._config.sampling
        segmenter = DiffusionSegmenter(
            copy.deepcopy(denoiser),
            build_sampler(sampling.sampler, sampling.eta),
            sampling.steps,
            grid=sampling.grid,
            guidance=sampling.guidance,
            precision=training_precision(fit, self._device),
            device=self._device,
        )
        total = 0.0
        for members in _alike(self._cases, _CPU_CASES if self._device.type == "cpu" else _GPU_CASES):
            if should_stop():
                return None
            drawn = segmenter.draw_many(
                [self._cases[i].image for i in members], fit.validation_samples, [self._seeds[i] for i in members]
            )
            for i, samples in zip(members, drawn, strict=True):
                total += generalized_energy_distance(samples.masks, self._cases[i].masks, "U")
        return total, len(self._cases)


def spread(n: int, count: int) -> list[int]:
    """``count`` of the numbers 0 ... n - 1 at even distances; all of them where there are no more."""
    count = min(n, count)
    return [(2 * i + 1) * n // (2 * count) for i in range(count)]


def _alike(cases: Sequence[AnnotatedSlice], most: int) -> list[list[int]]:
    """The numbers of cases of one image size, which go through the network together, at most so many."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, case in enumerate(cases):
        groups.setdefault(case.image.shape, []).append(i)
    return [group[start : start + most] for group in groups.values() for start in range(0, len(group), most)]
