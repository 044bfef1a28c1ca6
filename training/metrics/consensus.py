"""How much the masks taken together overlap with the experts taken together."""

from __future__ import annotations

from functools import cache

import numpy as np

from training.metrics.counts import CaseCounts, SetCounts
from training.metrics.overlap import Scores, mean, ratio
from training.records import BoolArray

#: The levels of `soft_dice`, in tenths, so that the comparison with a share of masks is one of integers.
LEVELS_IN_TENTHS = (1, 3, 5, 7, 9)


def soft_dice(samples: BoolArray, annotations: BoolArray) -> float:
    """Dice of the two maps of votes, cut at five levels, in [0, 1].

    The mean over tau = 0.1, 0.3, 0.5, 0.7, 0.9 of dice({mean_i s_i > tau}, {mean_j y_j > tau}).  A level that
    neither map exceeds counts 1.  The comparisons are of integers, 10 i > 10 tau N, so that a share of exactly
    tau is never above it.

    Parameters
    ----------
    samples : (N, H, W) bool, the drawn masks
    annotations : (K, H, W) bool, the experts' masks

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.

    References
    ----------
    Ji et al., "Learning Calibrated Medical Image Segmentation via Multi-rater Agreement Modeling", CVPR 2021.
    """
    return soft_dice_of(level_dice(CaseCounts.of_masks(samples, annotations).first()))


def soft_dice_of(levels: Scores) -> float:
    """`soft_dice` from the dice at each level."""
    return mean(levels)


def consensus_dice(samples: BoolArray, annotations: BoolArray) -> float:
    """Dice of the samples' majority and the experts', in [0, 1].

    A majority is more than half: two of four is none.  Two empty majorities have dice 1.

    Parameters, errors as in `soft_dice`.
    """
    return consensus_dice_of(level_dice(CaseCounts.of_masks(samples, annotations).first()))


def consensus_dice_of(levels: Scores) -> float:
    """`consensus_dice` from the dice at each level."""
    return float(levels[LEVELS_IN_TENTHS.index(5)])


def level_dice(sets: SetCounts) -> Scores:
    """(5,) dice of the two maps of votes cut at each level."""
    of_samples, of_experts = _above(sets.n), _above(sets.n_experts)
    # Rows: the samples' level; columns: by the experts' votes.  Sums of counts, exact in float64.
    votes = of_samples @ sets.votes
    shared = (votes * of_experts).sum(axis=1)
    areas = votes.sum(axis=1) + of_experts @ sets.votes.sum(axis=0)
    return ratio(2 * shared, areas)


@cache
def _above(m: int) -> Scores:
    """(5, m + 1), 1 where that many votes of m are a share above the level, else 0."""
    return (10 * np.arange(m + 1) > m * np.array(LEVELS_IN_TENTHS)[:, None]).astype(np.float64)
