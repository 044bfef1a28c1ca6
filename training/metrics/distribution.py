"""How well a set of drawn masks matches the set that the experts drew.

Notation: drawn samples s_1..s_N, experts' masks y_1..y_K, distance d = 1 - IoU.  Everything here follows from
the pairwise overlaps, which `compare` counts once; the functions below it answer one question each.
"""

from __future__ import annotations

from training.metrics.comparison import Comparison, Estimator, GedTerms, without_self_pairs
from training.metrics.counts import CaseCounts
from training.metrics.overlap import mean, pairwise_iou
from training.records import BoolArray


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
    return CaseCounts.of_masks(samples, annotations).first().pairs


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
    return without_self_pairs(1 - mean(pairwise_iou(masks, masks)), len(masks))
