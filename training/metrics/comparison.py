"""The overlaps of all pairs of masks of one case, and the scores that follow from them alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment, linprog

from training.errors import ConfigError
from training.metrics.overlap import Scores, mean

Estimator = Literal["V", "U"]

# Copies of masks that are matched one to one; of more, time and memory grow with the square.
_LARGEST_MATCHING = 256


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
    estimator : "V" or "U", see `training.metrics.ged_terms`
    """

    value: float
    cross: float
    within_samples: float
    within_experts: float
    n_samples: int
    n_experts: int
    estimator: Estimator


def require_estimator(estimator: str) -> None:
    """Refuse another estimator than the two that there are."""
    if estimator not in ("V", "U"):
        raise ConfigError(f"unknown GED estimator {estimator!r}; choose one of: V, U")


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
        """See `training.metrics.ged_terms`."""
        n_samples, n_experts = self.cross_iou.shape
        require_estimator(estimator)
        if estimator == "U" and n_samples < 2:
            raise ConfigError(f"the U estimator of GED compares different samples: needs n >= 2, got {n_samples}")
        cross, within_experts = 1 - self.iou, self.expert_distance
        within_samples = self.sample_distance if estimator == "V" else self.sample_diversity
        value = 2 * cross - within_samples - within_experts
        return GedTerms(value, cross, within_samples, within_experts, n_samples, n_experts, estimator)

    @property
    def iou(self) -> float:
        """Mean IoU over all N x K pairs."""
        return mean(self.cross_iou)

    @property
    def dice(self) -> float:
        """Mean dice over all N x K pairs, the paper's "dice"."""
        return mean(self.cross_dice)

    @property
    def sample_distance(self) -> float:
        """Mean distance between two samples, a sample with itself included."""
        return 1 - mean(self.sample_iou)

    @property
    def expert_distance(self) -> float:
        """Mean distance between two experts, an expert with himself included."""
        return 1 - mean(self.expert_iou)

    @property
    def hungarian_iou(self) -> float:
        """See the function `training.metrics.hungarian_iou`."""
        n_samples, n_experts = self.cross_iou.shape
        size = math.lcm(n_samples, n_experts)
        if size > _LARGEST_MATCHING:
            return _transported(self.cross_iou)
        copies = self.cross_iou
        if size > n_samples:
            copies = copies.repeat(size // n_samples, axis=0)
        if size > n_experts:
            copies = copies.repeat(size // n_experts, axis=1)
        rows, columns = linear_sum_assignment(copies, maximize=True)
        return mean(copies[rows, columns])

    @property
    def d_max(self) -> float:
        """See the function `training.metrics.d_max`."""
        return mean(self.cross_dice.max(axis=0))

    @property
    def sample_diversity(self) -> float:
        """`training.metrics.diversity` of the samples."""
        return without_self_pairs(self.sample_distance, len(self.sample_iou))

    @property
    def expert_diversity(self) -> float:
        """`training.metrics.diversity` of the experts."""
        return without_self_pairs(self.expert_distance, len(self.expert_iou))


def _transported(iou: Scores) -> float:
    """The best matching of (N, K) IoUs without its copies: optimal transport between two uniform distributions.

    Some best plan sends whole copies, so that the two are one number; this one takes N K variables, the
    matching lcm(N, K)^2.  Exact to the solver's 1e-7.
    """
    n, k = iou.shape
    leaving = sparse.kron(sparse.eye_array(n), np.ones((1, k)))
    arriving = sparse.kron(np.ones((1, n)), sparse.eye_array(k))
    shares = np.concatenate([np.full(n, 1 / n), np.full(k, 1 / k)])
    found = linprog(-iou.ravel(), A_eq=sparse.vstack([leaving, arriving]), b_eq=shares, method="highs")
    return float(-found.fun)


def without_self_pairs(mean_distance: float, m: int) -> float:
    """Mean distance over the pairs of different masks, from that over all m^2 pairs; NaN for m = 1.

    A mask has no distance to itself, so that the two means have the same sum.
    """
    return mean_distance * m / (m - 1) if m > 1 else math.nan
