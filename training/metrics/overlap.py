"""How much two masks overlap: IoU and dice, one pair at a time or all pairs of two sets.

Conventions (Sec. 2 of the paper): two empty masks agree perfectly, so both scores are 1; one empty mask
beside a non-empty one scores 0.  The distance between two masks is 1 - IoU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataFormatError
from training.records import BoolArray, require_masks

Scores = NDArray[np.float64]
Counts = NDArray[np.int64]

# Words handled at once when pairs are counted (8 bytes each): stays in the cache, and memory stays flat for
# thousands of masks.
_BLOCK_WORDS = 2**17


def require_same_grid(a: BoolArray, b: BoolArray) -> None:
    """Refuse masks on different pixel grids (NumPy would broadcast a side of 1 in silence).

    Raises
    ------
    DataFormatError
        Unless both are bool arrays of shape (..., H, W) with the same H and W.
    """
    are_masks = all(isinstance(m, np.ndarray) and m.dtype == np.bool_ and m.ndim >= 2 for m in (a, b))
    if not are_masks or a.shape[-2:] != b.shape[-2:]:
        raise DataFormatError(
            f"masks to compare must be bool arrays (..., H, W) of one height and width, "
            f"got {_described(a)} and {_described(b)}"
        )


def _described(masks: object) -> str:
    return f"{masks.dtype} {masks.shape}" if isinstance(masks, np.ndarray) else type(masks).__name__


def _require_pairs(a: BoolArray, b: BoolArray) -> None:
    require_same_grid(a, b)
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise DataFormatError(
            f"masks to compare must have leading axes that broadcast, got {_described(a)} and {_described(b)}; "
            f"for all pairs of two sets use pairwise_iou"
        ) from None


def iou(a: BoolArray, b: BoolArray) -> Scores:
    """Intersection over union, TP / (TP + FP + FN); two empty masks score 1.

    Parameters
    ----------
    a, b : (..., H, W) bool; the leading axes broadcast

    Returns
    -------
    (...) float64 in [0, 1]; a scalar for two single masks

    Raises
    ------
    DataFormatError
        On another dtype, different H, W, or leading axes that do not broadcast.
    """
    _require_pairs(a, b)
    return ratio((a & b).sum((-2, -1)), (a | b).sum((-2, -1)))


def dice(a: BoolArray, b: BoolArray) -> Scores:
    """Dice coefficient, 2 TP / (2 TP + FP + FN); two empty masks score 1.

    Parameters, returns and errors as in `iou`.
    """
    _require_pairs(a, b)
    return ratio(2 * (a & b).sum((-2, -1)), a.sum((-2, -1)) + b.sum((-2, -1)))


def ratio(part: Counts, whole: Counts) -> Scores:
    """part / whole, where nothing out of nothing is everything: 1."""
    return np.where(whole == 0, 1.0, part / np.maximum(whole, 1))[()]


def mean(scores: Scores) -> float:
    """Mean of all scores of an array that is not empty."""
    # A third of the time of `ndarray.mean`, which matters for arrays of a few numbers.
    return float(np.add.reduce(scores, axis=None)) / scores.size


@dataclass(frozen=True, eq=False)
class PairCounts:
    """The pixel counts of all pairs of two sets of masks, exact integers: all that IoU and dice need.

    Parameters
    ----------
    shared : (N, K) int64, pixels that lie in both masks of a pair
    area_a, area_b : (N,) and (K,) int64, pixels in each mask
    """

    shared: Counts
    area_a: Counts
    area_b: Counts

    @property
    def iou(self) -> Scores:
        """(N, K) float64."""
        return ratio(self.shared, self.area_a[:, None] + self.area_b - self.shared)

    @property
    def dice(self) -> Scores:
        """(N, K) float64."""
        return ratio(2 * self.shared, self.area_a[:, None] + self.area_b)


def count_pairs(a: BoolArray, b: BoolArray) -> PairCounts:
    """Count the shared pixels of every pair of masks, 64 pixels per machine word.

    Parameters
    ----------
    a, b : (N, H, W) and (K, H, W) bool

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.
    """
    require_masks(a, "first set of masks")
    require_masks(b, "second set of masks")
    require_same_grid(a, b)
    words_a = _packed(a)
    words_b = words_a if b is a else _packed(b)
    rows = max(1, _BLOCK_WORDS // words_b.size)
    shared = [
        np.bitwise_count(words_a[start : start + rows, None] & words_b).sum(-1, dtype=np.int64)
        for start in range(0, len(words_a), rows)
    ]
    return PairCounts(np.concatenate(shared), _areas(words_a), _areas(words_b))


def _packed(masks: BoolArray) -> NDArray[np.uint64]:
    """(N, H, W) bool to (N, words) uint64, the last word filled up with zeros."""
    packed = np.packbits(masks.reshape(len(masks), -1), axis=1)
    whole_words = np.zeros((len(masks), -(-packed.shape[1] // 8) * 8), np.uint8)
    whole_words[:, : packed.shape[1]] = packed
    return whole_words.view(np.uint64)


def _areas(words: NDArray[np.uint64]) -> Counts:
    areas: Counts = np.bitwise_count(words).sum(-1, dtype=np.int64)
    return areas


def pairwise_iou(a: BoolArray, b: BoolArray) -> Scores:
    """IoU of every mask of ``a`` (N, H, W) with every mask of ``b`` (K, H, W): (N, K) float64.

    Raises `DataFormatError` as `count_pairs` does.
    """
    return count_pairs(a, b).iou


def pairwise_dice(a: BoolArray, b: BoolArray) -> Scores:
    """Dice of every mask of ``a`` (N, H, W) with every mask of ``b`` (K, H, W): (N, K) float64.

    Raises `DataFormatError` as `count_pairs` does.
    """
    return count_pairs(a, b).dice


def pairwise_distance(masks: BoolArray) -> Scores:
    """1 - IoU between the masks (M, H, W) of one set: (M, M) float64, symmetric, zero on the diagonal.

    Raises `DataFormatError` as `count_pairs` does.
    """
    return 1 - count_pairs(masks, masks).iou
