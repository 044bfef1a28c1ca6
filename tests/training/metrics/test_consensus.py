"""Soft dice and consensus dice: toy arrays, levels that are hit exactly, and empty maps."""

from __future__ import annotations

import numpy as np
import pytest

from training.errors import DataFormatError
from training.metrics import consensus_dice, dice, soft_dice


def masks(*rows):
    """One mask of a single row of pixels for each argument."""
    return np.array([[list(row)] for row in rows], bool)


NOTHING, LESION = masks([0, 0, 0]), masks([1, 1, 0])


def test_a_toy_case_has_its_exact_soft_dice():
    # Shares of masks 1, 1/2, 0; of experts 1/2, 1/2, 1/2.
    samples, experts = masks([1, 1, 0], [1, 0, 0]), masks([1, 1, 1], [0, 0, 0])
    # Above 0.1 and 0.3: two pixels against three.  Above 0.5, 0.7, 0.9: one against none.
    assert soft_dice(samples, experts) == pytest.approx((4 / 5 + 4 / 5 + 0 + 0 + 0) / 5)


def test_a_share_of_exactly_the_level_is_not_above_it():
    # Ten times 0.1 in float32 exceeds 1, and 3 times 0.1 exceeds 0.3: such sums would cross the level.
    three_of_ten = masks(*[[i < 3] for i in range(10)])
    one_of_ten = masks(*[[i < 1] for i in range(10)])
    assert soft_dice(three_of_ten, masks([1])) == (1 + 0 + 0 + 0 + 0) / 5
    assert soft_dice(one_of_ten, masks([1])) == 0
    assert soft_dice(one_of_ten, masks([0])) == 1


@pytest.mark.parametrize("score", [soft_dice, consensus_dice])
def test_empty_sets_and_single_masks(score):
    assert score(NOTHING, NOTHING) == 1
    assert score(NOTHING, LESION) == score(LESION, NOTHING) == 0
    assert score(LESION, masks([0, 1, 1])) == dice(LESION[0], masks([0, 1, 1])[0]) == 1 / 2


def test_half_of_the_masks_is_no_majority():
    assert consensus_dice(masks([1], [0]), masks([0])) == 1
    assert consensus_dice(masks([1], [0]), masks([1])) == 0
    assert consensus_dice(masks([1], [1], [0]), masks([1], [1], [1], [0])) == 1
    assert consensus_dice(masks([1, 1], [1, 0]), masks([1, 0], [1, 1], [0, 1])) == 2 / 3


@pytest.mark.parametrize("score", [soft_dice, consensus_dice])
def test_sets_that_cannot_be_compared_are_refused_by_name(score):
    with pytest.raises(DataFormatError, match=r"samples: .*uint8"):
        score(LESION.astype(np.uint8), LESION)
    with pytest.raises(DataFormatError, match=r"annotations: .*\(0, 1, 3\)"):
        score(LESION, LESION[:0])
    with pytest.raises(DataFormatError, match=r"\(1, 1, 3\) and bool \(1, 1, 2\)"):
        score(LESION, LESION[:, :, :2])
