"""CIMD's scores: toy arrays, and what they are for empty sets and single masks."""

from __future__ import annotations

import numpy as np
import pytest

from training.errors import DataFormatError
from training.metrics import CimdScores, cimd_scores


def masks(*rows):
    """One mask of a single row of pixels for each argument."""
    return np.array([[list(row)] for row in rows], bool)


NOTHING, LESION = masks([0, 0, 0, 0]), masks([1, 1, 0, 0])


def test_a_toy_case_has_its_exact_scores():
    samples, experts = masks([1, 0, 0, 0], [1, 1, 0, 0]), masks([1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0])
    found = cimd_scores(samples, experts)
    assert found.sc == 2 / 4
    # Closest: dice 2 * 2 / 6, 1, 0.
    assert found.d_max == pytest.approx((2 / 3 + 1 + 0) / 3)
    # Widest pair of samples 1 - 1/2, of experts 1; narrowest 0 in both, a mask beside itself.
    assert found.da == 1 - 0.5 / 2
    assert found.ci == pytest.approx(3 * 0.5 * (5 / 9) * 0.75 / (0.5 + 5 / 9 + 0.75))


def test_empty_sets():
    assert cimd_scores(NOTHING, NOTHING) == CimdScores(1, 1, 1)
    assert cimd_scores(LESION, NOTHING) == CimdScores(1, 0, 1)
    assert cimd_scores(NOTHING, LESION) == CimdScores(0, 0, 1)
    assert cimd_scores(NOTHING, LESION).ci == 0
    assert cimd_scores(NOTHING, NOTHING).ci == 1


def test_nothing_times_nothing_is_no_insight_and_no_error():
    assert CimdScores(0, 0, 0).ci == 0


def test_a_single_mask_differs_from_none_so_that_its_agreement_is_that_of_no_range():
    experts = masks([1, 0, 0, 0], [0, 1, 0, 0])
    assert cimd_scores(LESION, experts).da == 1 / 2
    assert cimd_scores(LESION, experts[:1]).da == 1


def test_sets_that_cannot_be_compared_are_refused_by_name():
    with pytest.raises(DataFormatError, match=r"samples: .*uint8"):
        cimd_scores(LESION.astype(np.uint8), LESION)
    with pytest.raises(DataFormatError, match=r"\(1, 1, 4\) and bool \(1, 1, 2\)"):
        cimd_scores(LESION, LESION[:, :, :2])
