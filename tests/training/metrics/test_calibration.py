"""Calibration of pixels, presence and areas: toy arrays with exact values, conventions, and properness."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from training.errors import ConfigError, DataFormatError
from training.metrics import area_crps, brier_score, expected_calibration_error, presence_brier, presence_error


def masks(*rows):
    """One mask of a single row of pixels for each argument."""
    return np.array([[list(row)] for row in rows], bool)


NOTHING = masks([0, 0, 0, 0])


def test_a_toy_case_has_its_exact_calibration():
    # Share of masks 1, 1/2, 0, 0; of experts 1/2, 1/2, 1/2, 0.
    samples, experts = masks([1, 1, 0, 0], [1, 0, 0, 0]), masks([1, 1, 1, 0], [0, 0, 0, 0])
    # Three bins are met: 1, 1/2 and 0, with gaps 1/2 over one pixel, 0 over one, 1/4 over two.
    assert expected_calibration_error(samples, experts) == (1 / 2 + 0 + 2 * 1 / 4) / 4
    assert expected_calibration_error(samples, experts, region="union") == pytest.approx((1 / 2 + 1 / 2) / 3)
    # Per pixel: (0 + 1) / 2, (1/4 + 1/4) / 2, (1 + 0) / 2, 0.
    assert brier_score(samples, experts) == (1 / 2 + 1 / 4 + 1 / 2) / 4
    assert brier_score(samples, experts, region="union") == pytest.approx((1 / 2 + 1 / 4 + 1 / 2) / 3)


@pytest.mark.parametrize("n", [3, 7, 10, 20, 30, 49, 100])
def test_a_share_that_is_the_border_of_two_bins_belongs_to_the_upper_one(n):
    # One pixel for every number of votes, a pixel on each border: in floating point 0.3 is no border of 3 / 10.
    samples = np.array([[[i < votes for votes in range(n + 1)]] for i in range(n)])
    experts = np.zeros((1, 1, n + 1), bool)
    experts[0, 0, ::2] = True
    gaps = {}
    for votes in range(n + 1):
        share = Fraction(votes, n)
        in_bin = next(b for b in range(10) if share < Fraction(b + 1, 10) or b == 9)
        gaps[in_bin] = gaps.get(in_bin, 0) + share - (votes % 2 == 0)
    expected = sum(abs(gap) for gap in gaps.values()) / (n + 1)
    assert expected_calibration_error(samples, experts) == pytest.approx(float(expected), abs=1e-15)


def test_pixels_that_no_mask_marks_are_counted_in_the_calibration_error():
    assert expected_calibration_error(NOTHING, masks([1, 0, 0, 0])) == 1 / 4


def test_an_empty_union_has_no_error():
    for region in ("image", "union"):
        assert expected_calibration_error(NOTHING, NOTHING, region=region) == 0
        assert brier_score(NOTHING, NOTHING, region=region) == 0


def test_one_empty_set_has_the_full_error_over_the_union():
    lesion = masks([1, 1, 0, 0])
    for samples, experts in ((NOTHING, lesion), (lesion, NOTHING)):
        assert expected_calibration_error(samples, experts, region="union") == 1
        assert brier_score(samples, experts, region="union") == 1
        assert brier_score(samples, experts) == 1 / 2


def test_brier_is_least_for_the_share_that_the_experts_have():
    experts = masks([1], [1], [1], [0])
    scores = {i: brier_score(masks(*[[int(k < i)] for k in range(8)]), experts) for i in range(9)}
    assert min(scores, key=scores.get) == 6  # 6 of 8 is 3 of 4
    assert scores[6] == 3 / 16


def test_an_unknown_region_is_named():
    for score in (expected_calibration_error, brier_score):
        with pytest.raises(ConfigError, match="'lesion'; choose one of: image, union"):
            score(NOTHING, NOTHING, region="lesion")


def test_presence_of_a_toy_case():
    samples, experts = masks([1, 0], [0, 0], [0, 0], [1, 1]), masks([1, 1], [0, 1], [1, 0], [0, 0])
    assert presence_error(samples, experts) == 3 / 4 - 2 / 4
    assert presence_brier(samples, experts) == (3 * (1 / 2) ** 2 + (1 / 2) ** 2) / 4
    assert presence_error(samples[:1], experts) == 1 / 4
    assert presence_brier(samples[:1], experts) == 1 / 4


def test_presence_of_empty_sets():
    lesion = masks([1, 1, 0, 0])
    for score in (presence_error, presence_brier):
        assert score(NOTHING, NOTHING) == score(lesion, lesion) == 0
        assert score(NOTHING, lesion) == score(lesion, NOTHING) == 1


def test_area_crps_of_a_toy_case_by_hand():
    samples, experts = masks([1, 1, 1, 0], [1, 0, 0, 0]), masks([1, 1, 0, 0], [0, 0, 0, 0])
    # E|A - a|: to 2, 1; to 0, 2.  E|A - A'| = 1 with self-pairs.
    assert area_crps(samples, experts) == (1 + 2) / 2 - 1 / 2
    assert area_crps(samples[:1], experts) == (1 + 3) / 2
    assert area_crps(samples, samples) == 1 - 1 / 2
    assert area_crps(NOTHING, NOTHING) == 0
    assert area_crps(NOTHING, experts) == 1


def test_area_crps_does_not_look_at_where_the_area_is():
    assert area_crps(masks([1, 1, 0, 0]), masks([0, 0, 1, 1])) == 0


@pytest.mark.parametrize("score", [expected_calibration_error, brier_score, presence_error, presence_brier, area_crps])
def test_sets_that_cannot_be_compared_are_refused_by_name(score):
    good = np.ones((2, 4, 4), bool)
    with pytest.raises(DataFormatError, match=r"samples: .*float64"):
        score(np.ones((2, 4, 4)), good)
    with pytest.raises(DataFormatError, match=r"annotations: .*\(0, 4, 4\)"):
        score(good, good[:0])
    with pytest.raises(DataFormatError, match=r"\(2, 4, 4\) and bool \(2, 4, 1\)"):
        score(good, good[:, :, :1])
