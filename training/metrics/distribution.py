"""How well a set of drawn masks matches the set that the experts drew.

Notation: drawn samples s_1..s_N, experts' masks y_1..y_K, distance d = 1 - IoU.  Everything here follows from
the pairwise overlaps, which `compare` counts once; the functions below it answer one question each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from training.errors import ConfigError
from training.metrics.overlap import (
    Scores,
    count_pairs,
    pairwise_distance,
    require_same_grid,
)
from training.records import BoolArray, require_masks

Estimator = Literal["V", "U"]


@dataclass(frozen=True)
class GedTerms:
    """The squared generalized energy distance and what it is made of.

    Parameters
    ----------
    value : ``2 cross - within_samples - within_experts``, in [0, 2] for "V"; "U" may fall below 0
    cross : mean distance between a sample and an expert, E[d(s, y)]
    within_samples : mean distance between two samples, E[d(s, s')]
    within_experts : mean distance between two experts, E[d(y, y')], an expert with itself included
    n_samples, n_experts : N and K
    estimator : "V" or "U", see `ged_terms`
    """

    value: float
    cross: float
    within_samples: float
    within_experts: float
    n_samples: int
    n_experts: int
    estimator: Estimator


@dataclass(frozen=True, eq=False)
class Comparison:
    """All pairwise overlaps of one case, counted once, and the scores that follow from them.

    Parameters
    ----------
    cross_iou, cross_dice : (N, K) float64, samples against experts
    sample_iou : (N, N) float64, samples against each other
    expert_iou : (K, K) float64, experts against each other
    """

    cross_iou: Scores
    cross_dice: Scores
    sample_iou: Scores
    expert_iou: Scores

    def first(self, n: int) -> Comparison:
        """The comparison of the first ``n`` samples alone."""
        return Comparison(self.cross_iou[:n], self.cross_dice[:n], self.sample_iou[:n, :n], self.expert_iou)

    def ged(self, estimator: Estimator) -> GedTerms:
        """See `ged_terms`."""
        n_samples, n_experts = self.cross_iou.shape
        if estimator not in ("V", "U"):
            raise ConfigError(f"unknown GED estimator {estimator!r}; choose one of: V, U")
        if estimator == "U" and n_samples < 2:
            raise ConfigError(f"the U estimator of GED compares different samples: needs n >= 2, got {n_samples}")
        cross = 1 - float(self.cross_iou.mean())
        within_samples = 1 - float(self.sample_iou.mean()) if estimator == "V" else self.sample_diversity
        within_experts = 1 - float(self.expert_iou.mean())
        value = 2 * cross - within_samples - within_experts
        return GedTerms(value, cross, within_samples, within_experts, n_samples, n_experts, estimator)

    @property
    def iou(self) -> float:
        """Mean IoU over all N x K pairs."""
        return float(self.cross_iou.mean())

    @property
    def dice(self) -> float:
        """Mean dice over all N x K pairs, the paper's "dice"."""
        return float(self.cross_dice.mean())

    @property
    def hungarian_iou(self) -> float:
        """See the function `hungarian_iou`."""
        n_samples, n_experts = self.cross_iou.shape
        size = math.lcm(n_samples, n_experts)
        copies = self.cross_iou.repeat(size // n_samples, axis=0).repeat(size // n_experts, axis=1)
        rows, columns = linear_sum_assignment(copies, maximize=True)
        return float(copies[rows, columns].mean())

    @property
    def d_max(self) -> float:
        """See the function `d_max`."""
        return float(self.cross_dice.max(axis=0).mean())

    @property
    def sample_diversity(self) -> float:
        """`diversity` of the samples."""
        return _mean_over_distinct_pairs(1 - self.sample_iou)

    @property
    def expert_diversity(self) -> float:
        """`diversity` of the experts."""
        return _mean_over_distinct_pairs(1 - self.expert_iou)


def _mean_over_distinct_pairs(distance: Scores) -> float:
    """Mean of a symmetric (M, M) matrix with a zero diagonal, diagonal left out; NaN for M = 1."""
    m = len(distance)
    return float(distance.sum()) / (m * (m - 1)) if m > 1 else math.nan


def compare(samples: BoolArray, annotations: BoolArray) -> Comparison:
    """Count all pairwise overlaps between and within two sets of masks.

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
    # One count over both sets together: packing the bits takes the time, and so each mask is packed once.
    both = np.concatenate([samples, annotations])
    counts = count_pairs(both, both)
    n, pair_iou = len(samples), counts.iou
    return Comparison(
        cross_iou=pair_iou[:n, n:],
        cross_dice=counts.dice[:n, n:],
        sample_iou=pair_iou[:n, :n],
        expert_iou=pair_iou[n:, n:],
    )


def ged_terms(samples: BoolArray, annotations: BoolArray, estimator: Estimator = "V") -> GedTerms:
    """Squared generalized energy distance with its three terms (Sec. 2 of the paper).

    D^2 = 2 E[d(s, y)] - E[d(s, s')] - E[d(y, y')]

    Parameters
    ----------
    samples : (N, H, W) bool
    annotations : (K, H, W) bool
    estimator : how E[d(s, s')] is estimated.
        "V" averages all N^2 ordered pairs, a sample with itself included.  It is the paper's and the field's;
        never negative, and on average too large by E[d(s, s')] / N: values of different N do not compare.
        "U" leaves self-pairs out and has the same mean for every N; it may fall below 0, and needs N >= 2.
        E[d(y, y')] includes self-pairs in both: the K experts are the population, not a sample of one.

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.
    ConfigError
        On another estimator, or "U" with a single sample.
    """
    return compare(samples, annotations).ged(estimator)


def generalized_energy_distance(samples: BoolArray, annotations: BoolArray, estimator: Estimator = "V") -> float:
    """Squared generalized energy distance, lower is better; the value of `ged_terms`.

    It is the square, D^2, that the paper and the field call "GED" and print, not its root.
    """
    return ged_terms(samples, annotations, estimator).value


def hungarian_iou(samples: BoolArray, annotations: BoolArray) -> float:
    """Mean IoU under the best one-to-one matching of samples and experts (HM-IoU), in [0, 1].

    Both sets are first repeated to the least common multiple of N and K masks, so that every sample, and
    every expert, carries the same weight: repeating a set as a whole changes nothing, and the value is that
    of optimal transport between the two.  (Matching the K experts with the best K of N samples would rise
    with N.)

    Parameters
    ----------
    samples : (N, H, W) bool
    annotations : (K, H, W) bool

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.

    References
    ----------
    Kohl et al., "A Hierarchical Probabilistic U-Net for Modeling Multi-Scale Ambiguities", 2019,
    arXiv:1905.13077.
    """
    return compare(samples, annotations).hungarian_iou


def d_max(samples: BoolArray, annotations: BoolArray) -> float:
    """For each expert the dice of the closest sample, averaged over the experts (D_max), in [0, 1].

    Rises with N by itself: print N beside it.

    Parameters
    ----------
    samples : (N, H, W) bool
    annotations : (K, H, W) bool

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.

    References
    ----------
    Rahman et al., "Ambiguous Medical Image Segmentation using Diffusion Models", CVPR 2023, arXiv:2304.04745.
    """
    return compare(samples, annotations).d_max


def diversity(masks: BoolArray) -> float:
    """Mean distance between two different masks of one set (M, H, W), self-pairs left out, in [0, 1].

    Of a well calibrated model it is about that of the experts.  NaN for a single mask, which has no pair.

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    return _mean_over_distinct_pairs(pairwise_distance(masks))
