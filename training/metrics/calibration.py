"""Whether the shares of masks mean what they say: of pixels, of lesions seen, of areas.

If 30 % of the drawn masks mark a pixel, 30 % of the experts should.  p is the share of the N masks, y_j the
0 or 1 of expert j of K.  All sums are of integers; each score is one quotient at the end.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np

from training.errors import ConfigError
from training.metrics.counts import CaseCounts, SetCounts
from training.metrics.overlap import Counts
from training.records import BoolArray

Region = Literal["image", "union"]

#: Equal bins of [0, 1] that `expected_calibration_error` sums over.
N_BINS = 10


def expected_calibration_error(samples: BoolArray, annotations: BoolArray, region: Region = "image") -> float:
    """How far the share of masks is from the share of experts at pixels of like share, in [0, 1].

    ECE = sum_b (|B_b| / P) |mean_{B_b} p - mean_{B_b, j} y_j| over ten bins B_b of pixels,
    [0, 0.1), [0.1, 0.2), ... [0.9, 1].  Pixel by pixel, i masks of N belong to bin min(floor(10 i / N), 9), of
    integers, so that no share falls on the wrong side of a border.  Pixels of share 0 are kept.

    Parameters
    ----------
    samples : (N, H, W) bool, the drawn masks
    annotations : (K, H, W) bool, the experts' masks
    region : whose P pixels; "image" is all, "union" those that any sample or any expert marks.  An empty
        union has the error 0.

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.
    ConfigError
        On another region.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """
    return ece_of(CaseCounts.of_masks(samples, annotations).first(), region)


def ece_of(sets: SetCounts, region: Region) -> float:
    """`expected_calibration_error` of counted masks."""
    return ece_of_votes(sets.votes, region)


def ece_of_votes(votes: Counts, region: Region) -> float:
    """`expected_calibration_error` from how many pixels i masks and j experts mark, (N + 1, K + 1), of any cases."""
    n, n_experts = (size - 1 for size in votes.shape)
    # By the samples' votes: K i - N j summed over pixels, so N K times the difference of the two shares.
    excess = n_experts * np.arange(n + 1) * votes.sum(axis=1) - n * (votes @ np.arange(n_experts + 1))
    error = int(np.abs(np.add.reduceat(excess, _bin_starts(n))).sum())
    return _per_pixel(error, n * n_experts, votes, region)


@cache
def _bin_starts(n: int) -> Counts:
    """First number of votes in each bin that occurs."""
    bins = np.minimum(N_BINS * np.arange(n + 1) // n, N_BINS - 1)
    return np.flatnonzero(np.diff(bins, prepend=-1))


def brier_score(samples: BoolArray, annotations: BoolArray, region: Region = "image") -> float:
    """Mean over pixels and experts of (p - y_j)^2, in [0, 1].

    It is proper: on average it is least for the p that the experts have.  For experts who disagree its least
    value is above 0.

    Parameters, errors as in `expected_calibration_error`.

    References
    ----------
    Gneiting & Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 2007.
    """
    return brier_of(CaseCounts.of_masks(samples, annotations).first(), region)


def brier_of(sets: SetCounts, region: Region) -> float:
    """`brier_score` of counted masks."""
    n, n_experts = sets.n, sets.n_experts
    error = int((sets.votes * _squared_errors(n, n_experts)).sum())
    return _per_pixel(error, n * n * n_experts, sets.votes, region)


@cache
def _squared_errors(n: int, n_experts: int) -> Counts:
    """(n + 1, K + 1): N^2 times the sum over experts of (p - y_j)^2, where i masks and j experts vote."""
    votes, experts = np.arange(n + 1)[:, None], np.arange(n_experts + 1)
    errors: Counts = experts * (n - votes) ** 2 + (n_experts - experts) * votes**2
    return errors


def _per_pixel(error: int, unit: int, votes: Counts, region: Region) -> float:
    """An error summed over pixels, in units of 1 / unit, as a mean over the region.

    The pixels that nobody marks have no error, so that the two regions differ by the divisor alone.
    """
    if region not in ("image", "union"):
        raise ConfigError(f"unknown region {region!r}; choose one of: image, union")
    n_pixels = int(votes.sum()) - (int(votes[0, 0]) if region == "union" else 0)
    return error / (unit * n_pixels) if n_pixels else 0.0


def presence_error(samples: BoolArray, annotations: BoolArray) -> float:
    """|share of samples that are not empty - share of experts' masks that are not|, in [0, 1].

    Parameters
    ----------
    samples : (N, H, W) bool, the drawn masks
    annotations : (K, H, W) bool, the experts' masks

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.
    """
    return presence_error_of(CaseCounts.of_masks(samples, annotations).first())


def presence_error_of(sets: SetCounts) -> float:
    """`presence_error` of counted masks."""
    seen, seen_by_experts = _seen(sets.areas), _seen(sets.expert_areas)
    return abs(sets.n_experts * seen - sets.n * seen_by_experts) / (sets.n * sets.n_experts)


def presence_brier(samples: BoolArray, annotations: BoolArray) -> float:
    """Mean over experts of (q - 0 or 1)^2, in [0, 1]: q is the share of samples that are not empty.

    1 stands for an expert who marks something.  Proper, as `brier_score` is.

    Parameters, errors as in `presence_error`.
    """
    return presence_brier_of(CaseCounts.of_masks(samples, annotations).first())


def presence_brier_of(sets: SetCounts) -> float:
    """`presence_brier` of counted masks."""
    seen, seen_by_experts, n, n_experts = _seen(sets.areas), _seen(sets.expert_areas), sets.n, sets.n_experts
    return (seen_by_experts * (n - seen) ** 2 + (n_experts - seen_by_experts) * seen**2) / (n * n * n_experts)


def _seen(areas: Counts) -> int:
    return int(np.count_nonzero(areas))


def area_crps(samples: BoolArray, annotations: BoolArray) -> float:
    """Continuous ranked probability score of the drawn areas, in pixels; 0 is best.

    The mean over experts of E|A - a_j| - 1/2 E|A - A'|, A and A' the areas of samples, a sample with itself
    included.  It equals the integral, over areas x, of the squared difference between the share of samples
    and that of expert j (0 or 1) with an area of at most x.  Of one sample it is the mean error of its area.

    Parameters, errors as in `presence_error`.

    References
    ----------
    Gneiting & Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 2007, Sec. 4.2.
    """
    return area_crps_of(CaseCounts.of_masks(samples, annotations).first())


def area_crps_of(sets: SetCounts) -> float:
    """`area_crps` of counted masks."""
    n, n_experts = sets.n, sets.n_experts
    error = int(np.abs(sets.areas[:, None] - sets.expert_areas).sum())
    # The k-th smallest of n areas is the larger one of k pairs and the smaller one of n - 1 - k.
    spread = int((np.sort(sets.areas) * np.arange(1 - n, n, 2)).sum())
    return error / (n * n_experts) - spread / (n * n)
