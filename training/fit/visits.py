"""The plan of a training step: a pure function of (seed, step), in NumPy and without a pixel.

A *visit* is one place in the endless sequence of slices that training walks through; step ``s`` of batch size B makes
the visits ``s B ... s B + B - 1``, whichever process makes which.  Each choice has its own stream of random numbers,
named by the visit or the step, so that what one setting adds changes nothing of what the others draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training import rng
from training.config import Config
from training.errors import DataFormatError
from training.fit.augment import Augmentation
from training.records import BoolArray
from training.rng import Purpose

IntArray = NDArray[np.int64]

# How often a self-conditioned network sees its own estimate in training (Chen et al. 2023, "Analog bits", Sec. 3.2).
SELF_CONDITIONED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Plan:
    """What n visits see.

    Parameters
    ----------
    visits : (n,) their numbers
    indices : (n,) which slices, counted over all sources
    sources, rows : (n,) which source, and which slice of it
    experts : (n,) whose mask
    corners : (n, 2) first row and column of the crop
    augmentation : of the n slices, each as a whole; None changes nothing
    t : (n,) float64 times, stratified over each step's batch
    self_conditioned : (n,) whether the network sees its own estimate; None for a network that never does
    imageless : (n,) whether the image is withheld; None where it never is
    """

    visits: IntArray
    indices: IntArray
    sources: IntArray
    rows: IntArray
    experts: IntArray
    corners: IntArray
    augmentation: Augmentation | None
    t: NDArray[np.float64]
    self_conditioned: BoolArray | None
    imageless: BoolArray | None

    def __len__(self) -> int:
        return len(self.visits)


class Visits:
    """The endless sequence of visits.

    Each epoch is a fresh permutation of all slices.  Each visit of a slice draws one of its experts uniformly
    (Sec. 4.1), a change of the whole slice where augmentation is asked for and, where slices are larger than
    ``image_size``, a uniform crop of what comes out.  Times are stratified over the batch of a step:
    ``t_i = (pi(i) + U_i) / B`` with a random permutation pi, each uniform on its own.

    Parameters
    ----------
    shapes : (N, K, H, W) of each source: slices, experts, pixels
    config : image size, batch size, seed and what is drawn

    Raises
    ------
    DataFormatError
        If there is no slice, one that nobody annotated, or one smaller than ``image_size``.
    """

    def __init__(self, shapes: Sequence[tuple[int, int, int, int]], config: Config) -> None:
        size = config.image_size
        for _, k, h, w in shapes:
            if min(h, w) < size:
                raise DataFormatError(
                    f"training slices of {h} x {w} pixels are smaller than image_size = {size}; "
                    f"set image_size to at most {min(h, w)}"
                )
            if k == 0:
                raise DataFormatError("training slices without masks; give at least one expert's masks")
        self._counts = np.array([k for _, k, _, _ in shapes])
        self._room = np.array([(h - size + 1, w - size + 1) for _, _, h, w in shapes])
        self._ends = np.cumsum([n for n, _, _, _ in shapes], dtype=np.int64)
        self._config = config
        self._epoch_order: tuple[int, IntArray] | None = None
        if len(self) == 0:
            raise DataFormatError("there are no training slices")

    def __len__(self) -> int:
        """Slices in one epoch."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def indices(self, visits: IntArray) -> IntArray:
        """Which slices these visits are of, counted over all sources."""
        return np.array([self._order(int(visit) // len(self))[visit % len(self)] for visit in visits], np.int64)

    def plan(self, steps: range, part: slice) -> Plan:
        """The plan of some steps one after the other: of each the same ``part`` of its batch.

        The plan of several steps, or of a part of one, is made of the same numbers as that of each whole step.
        """
        fit, diffusion = self._config.fit, self._config.diffusion
        of_step = range(fit.batch_size)[part]
        visits = np.array([step * fit.batch_size + i for step in steps for i in of_step], np.int64)
        indices = self.indices(visits)
        sources = np.searchsorted(self._ends, indices, side="right")
        first = np.concatenate([[0], self._ends[:-1]])
        choices = np.array([self._choices(int(v), int(s)) for v, s in zip(visits, sources, strict=True)])
        return Plan(
            visits=visits,
            indices=indices,
            sources=sources,
            rows=indices - first[sources],
            experts=choices[:, 0],
            corners=choices[:, 1:],
            augmentation=(
                None if fit.augment.changes_nothing else Augmentation.draw(fit.augment, fit.seed, visits.tolist())
            ),
            t=np.concatenate([self._times(step)[part] for step in steps]),
            self_conditioned=(
                self._coins(Purpose.SELF_CONDITIONING, visits, SELF_CONDITIONED_SHARE)
                if diffusion.self_conditioning
                else None
            ),
            imageless=(
                self._coins(Purpose.IMAGE_DROPOUT, visits, diffusion.image_dropout) if diffusion.image_dropout else None
            ),
        )

    def _order(self, epoch: int) -> IntArray:
        """The permutation of an epoch.  The last one is kept; threads that want different ones only lose time."""
        kept = self._epoch_order
        if kept is None or kept[0] != epoch:
            order = rng.generator(self._config.fit.seed, Purpose.TRAINING_ORDER, id_=epoch).permutation(len(self))
            self._epoch_order = kept = epoch, order
        return kept[1]

    def _choices(self, visit: int, source: int) -> tuple[int, int, int]:
        """Expert, and first row and column of the crop."""
        choice = rng.generator(self._config.fit.seed, Purpose.TRAINING_EXPERT, id_=visit)
        expert = int(choice.integers(self._counts[source]))
        top, left = (int(choice.integers(room)) for room in self._room[source])
        return expert, top, left

    def _times(self, step: int) -> NDArray[np.float64]:
        """(B,) the times of a whole step: stratified over all processes."""
        batch = self._config.fit.batch_size
        stream = rng.generator(self._config.fit.seed, Purpose.TRAINING_TIMES, step=step)
        return (stream.permutation(batch) + stream.random(batch)) / batch

    def _coins(self, purpose: Purpose, visits: IntArray, share: float) -> BoolArray:
        """One coin per visit that shows True with this probability."""
        seed = self._config.fit.seed
        return np.array([rng.generator(seed, purpose, id_=int(visit)).random() < share for visit in visits])
