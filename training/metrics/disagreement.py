"""Where a set of masks disagrees, pixel by pixel, and how often it says "nothing here"."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from training.metrics.counts import CaseCounts, SetCounts
from training.metrics.overlap import Counts
from training.records import BoolArray, FloatArray, require_masks


def vote_fraction(masks: BoolArray) -> FloatArray:
    """Share of the masks (M, H, W) that mark each pixel: (H, W) float32 in [0, 1].

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "masks")
    fraction: FloatArray = masks.mean(axis=0, dtype=np.float32)
    return fraction


def pixel_variance(masks: BoolArray) -> FloatArray:
    """Variance of the masks (M, H, W) at each pixel: (H, W) float32 in [0, 0.25].

    The variance of these M masks as they are, f (1 - f) with f the `vote_fraction`: 0 where all agree, 0.25
    where half of them mark the pixel.

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    fraction = vote_fraction(masks)
    return fraction * (1 - fraction)


def empty_share(masks: BoolArray) -> float:
    """Share of the masks (M, H, W) without a single pixel, in [0, 1]: how often "no lesion here" was said.

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "masks")
    return float((~masks.any(axis=(1, 2))).mean())


def normalized_cross_correlation(samples: BoolArray, annotations: BoolArray) -> float:
    """Whether samples disagree with each other where they disagree with the experts (S_NCC), in [-1, 1].

    The mean over experts j of corr(E_i CE(m, s_i), E_i CE(y_j, s_i)) over the pixels of the slice: m is the
    share of samples, CE(a, b) = -a log(b + 1e-8) - (1 - a) log(1 - b + 1e-8), and corr the correlation with
    population standard deviations.

    For masks of 0 and 1 the two maps are affine in p (1 - p) and |p - y_j|, p the share of samples, with
    factors of one sign; so the 1e-8 drops out, and what is computed is corr(p (1 - p), |p - y_j|), of integers.

    Parameters
    ----------
    samples : (N, H, W) bool, the drawn masks
    annotations : (K, H, W) bool, the experts' masks

    Returns
    -------
    float, NaN where any of the maps is constant: samples that are all alike have no place where they
    disagree, and a single sample never has

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.

    References
    ----------
    Baumgartner et al., "PHiSeg: Capturing Uncertainty in Medical Image Segmentation", MICCAI 2019,
    arXiv:1906.04045.
    """
    return ncc_of(CaseCounts.of_masks(samples, annotations).first())


def ncc_of(sets: SetCounts) -> float:
    """`normalized_cross_correlation` of counted masks."""
    n, n_pixels = sets.n, sets.n_pixels
    # In units of 1 / n^2 and 1 / n: u = i (n - i) is the samples' disagreement where i of them vote, and
    # w = i + y (n - 2 i) that with an expert.  Since y is 0 or 1, w^2 = i^2 + y n (n - 2 i).
    powers = _disagreements(n)
    everywhere = (sets.votes.sum(axis=1) @ powers).tolist()
    marked = (sets.votes_by_expert @ powers).tolist()
    # Python's integers from here on: the products need more than 64 bits.
    sum_i, sum_ii, sum_u, sum_uu, sum_ui, _, _ = everywhere
    spread_u = n_pixels * sum_uu - sum_u**2
    total = 0.0
    for *_, turned, turned_u in marked:
        sum_w, sum_ww, sum_uw = sum_i + turned, sum_ii + n * turned, sum_ui + turned_u
        spread_w = n_pixels * sum_ww - sum_w**2
        if spread_u == 0 or spread_w == 0:
            return math.nan
        total += (n_pixels * sum_uw - sum_u * sum_w) / math.sqrt(spread_u) / math.sqrt(spread_w)
    return total / sets.n_experts


@cache
def _disagreements(n: int) -> Counts:
    """(n + 1, 7): i, i^2, u, u^2, u i, n - 2 i and u (n - 2 i), with u = i (n - i)."""
    i = np.arange(n + 1)
    u = i * (n - i)
    return np.stack([i, i**2, u, u**2, u * i, n - 2 * i, u * (n - 2 * i)], axis=1)
