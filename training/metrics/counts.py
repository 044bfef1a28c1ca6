"""What is counted of one case: exact integers, from which every score follows.

Nothing but the pixels that somebody marks is kept of the masks: a lesion covers some hundred of a slice's
pixels, and a pixel that nobody marks counts in every score by its number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from training.errors import ConfigError, DataFormatError
from training.metrics.comparison import Comparison
from training.metrics.overlap import Counts, Scores, ratio, require_same_grid
from training.records import BoolArray, require_masks

_WORDS = 2**20  # of 64 pixels, that are looked at together: 8 MiB


@dataclass(frozen=True, eq=False)
class CaseCounts:
    """N drawn masks and K experts' masks of one case, as far as scores depend on them.

    Parameters
    ----------
    marks : (N + K, A) bool, the masks, samples first, at the A pixels that at least one of them marks, in
        the order of rows and columns
    n_samples : N
    n_pixels : H W, all pixels of the slice
    """

    marks: BoolArray
    n_samples: int
    n_pixels: int

    @classmethod
    def of_masks(cls, samples: BoolArray, annotations: BoolArray) -> Self:
        """The counts of two sets of masks.

        Parameters
        ----------
        samples : (N, H, W) bool, the drawn masks
        annotations : (K, H, W) bool, the experts' masks

        Raises
        ------
        DataFormatError
            On an empty set, another dtype or dimension, or different H, W.
        """
        require_masks(samples, "samples")
        require_masks(annotations, "annotations")
        require_same_grid(samples, annotations)
        anybody = (samples.any(axis=0) | annotations.any(axis=0)).ravel()
        active = anybody.nonzero()[0]
        marks = np.concatenate([masks.reshape(len(masks), -1).take(active, axis=1) for masks in (samples, annotations)])
        # Whoever views other bytes as bool has a 2 for True, and bytes are summed below.
        return cls(marks.view(np.uint8) != 0, len(samples), anybody.size)

    @property
    def n_experts(self) -> int:
        """K."""
        return len(self.marks) - self.n_samples

    @property
    def areas(self) -> Counts:
        """(N,) int64, pixels in each drawn mask."""
        return self.all_areas[: self.n_samples]

    @property
    def expert_areas(self) -> Counts:
        """(K,) int64, pixels in each expert's mask."""
        return self.all_areas[self.n_samples :]

    @cached_property
    def all_areas(self) -> Counts:
        """(N + K,) int64."""
        return self.shared.diagonal()

    @cached_property
    def shared(self) -> Counts:
        """(N + K, N + K) int64, pixels that lie in both masks of a pair; areas on the diagonal."""
        n, size = self.marks.shape
        packed = np.zeros((n, -(-size // 64) * 8), np.uint8)
        packed[:, : -(-size // 8)] = np.packbits(self.marks, axis=1)
        words = packed.view(np.uint64)
        shared = np.empty((n, n), np.int64)
        rows = max(1, _WORDS // max(1, words.size))
        # Counted bits, not the matrix product of a BLAS: its threads wait for each other where all cores are busy.
        for first in range(0, n, rows):
            some = slice(first, first + rows)
            np.bitwise_count(words[some, None] & words).sum(axis=-1, dtype=np.int64, out=shared[some])
        return shared

    @cached_property
    def iou(self) -> Scores:
        """(N + K, N + K) float64, of all pairs of masks."""
        return ratio(self.shared, self.all_areas[:, None] + self.all_areas - self.shared)

    @cached_property
    def dice(self) -> Scores:
        """(N, K) float64, of samples and experts."""
        n = self.n_samples
        return ratio(2 * self.shared[:n, n:], self.all_areas[:n, None] + self.all_areas[n:])

    @cached_property
    def expert_votes(self) -> Counts:
        """(A,) int64, how many experts mark each of the pixels."""
        votes: Counts = self.marks[self.n_samples :].sum(axis=0)
        return votes

    def first(self, n: int | None = None, kept: BoolArray | None = None) -> SetCounts:
        """The first ``n`` samples, some of them replaced by empty masks, beside the experts.

        Parameters
        ----------
        n : 1 to N; all samples if left out
        kept : (n,) bool, False for a sample to be emptied, as post-processing does; none is if left out

        Raises
        ------
        ConfigError
            On another ``n``.
        DataFormatError
            On another ``kept``.
        """
        n = self.n_samples if n is None else n
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= self.n_samples:
            raise ConfigError(f"scores of {n} samples are impossible; choose 1 to {self.n_samples}, which were drawn")
        if kept is None:
            return SetCounts(self, n, None)
        if not isinstance(kept, np.ndarray) or kept.dtype != np.bool_ or kept.shape != (n,):
            found = f"{kept.dtype} {kept.shape}" if isinstance(kept, np.ndarray) else type(kept).__name__
            raise DataFormatError(f"which of {n} samples are kept must be a bool array of shape ({n},), got {found}")
        # To empty an empty mask changes nothing, and often nothing else is emptied.
        return SetCounts(self, n, kept if self.areas[:n][~kept].any() else None)


@dataclass(frozen=True, eq=False)
class SetCounts:
    """n drawn masks beside the K experts' masks of a case: what one column of scores is about.

    Parameters
    ----------
    case : whose first n samples these are
    n : how many
    kept : (n,) bool, which of them are not emptied; None if all are as they were drawn
    """

    case: CaseCounts
    n: int
    kept: BoolArray | None

    @property
    def n_experts(self) -> int:
        """K."""
        return self.case.n_experts

    @property
    def n_pixels(self) -> int:
        """H W."""
        return self.case.n_pixels

    @cached_property
    def areas(self) -> Counts:
        """(n,) int64."""
        areas = self.case.all_areas[: self.n]
        return areas if self.kept is None else areas * self.kept

    @property
    def expert_areas(self) -> Counts:
        """(K,) int64."""
        return self.case.expert_areas

    @cached_property
    def pairs(self) -> Comparison:
        """The overlaps of all pairs."""
        case, n, first_expert = self.case, self.n, self.case.n_samples
        expert_iou = case.iou[first_expert:, first_expert:]
        cross_iou, cross_dice, sample_iou = case.iou[:n, first_expert:], case.dice[:n], case.iou[:n, :n]
        if self.kept is not None:
            # An emptied mask agrees with the empty masks, and has nothing in common with the others.
            kept, empty, empty_experts = self.kept[:, None], self.areas == 0, self.expert_areas == 0
            cross_iou = np.where(kept, cross_iou, empty_experts)
            cross_dice = np.where(kept, cross_dice, empty_experts)
            sample_iou = np.where(kept & self.kept, sample_iou, empty[:, None] & empty)
        return Comparison(cross_iou, cross_dice, sample_iou, expert_iou)

    @cached_property
    def _sample_votes(self) -> Counts:
        """(A,) int64, how many of the samples mark each of the pixels that anybody marks."""
        marks = self.case.marks[: self.n]
        # Bytes are summed many times faster than they are widened.
        narrow = np.uint8 if self.n < 256 else np.int64
        votes = (marks if self.kept is None else marks[self.kept]).view(np.uint8).sum(axis=0, dtype=narrow)
        wide: Counts = votes.astype(np.int64)
        return wide

    @cached_property
    def votes(self) -> Counts:
        """(n + 1, K + 1) int64, pixels that i of the n samples and j of the K experts mark."""
        columns = self.n_experts + 1
        cells = self._sample_votes * columns + self.case.expert_votes
        votes = np.bincount(cells, minlength=(self.n + 1) * columns)
        votes[0] += self.n_pixels - cells.size
        return votes.reshape(self.n + 1, columns)

    @cached_property
    def votes_by_expert(self) -> Counts:
        """(K, n + 1) int64, pixels that i of the n samples and the expert mark."""
        columns = self.n + 1
        cells = self._sample_votes + columns * np.arange(self.n_experts)[:, None]
        marked = cells[self.case.marks[self.case.n_samples :]]
        return np.bincount(marked, minlength=self.n_experts * columns).reshape(self.n_experts, columns)
