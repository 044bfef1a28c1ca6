"""Vote fraction, pixel variance and the share of empty masks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.errors import DataFormatError
from training.metrics import empty_share, normalized_cross_correlation, pixel_variance, vote_fraction

MASKS = np.array([[[1, 1, 0]], [[1, 0, 0]], [[1, 1, 0]], [[1, 0, 0]]], bool)


def test_votes_are_counted_pixel_by_pixel():
    np.testing.assert_array_equal(vote_fraction(MASKS), [[1, 0.5, 0]])
    np.testing.assert_array_equal(vote_fraction(MASKS[:3]), np.float32([[1, 2 / 3, 0]]))
    assert vote_fraction(MASKS).dtype == np.float32


def test_variance_is_a_quarter_at_most_and_nothing_where_all_agree():
    np.testing.assert_array_equal(pixel_variance(MASKS), [[0, 0.25, 0]])
    assert pixel_variance(MASKS).dtype == np.float32


def test_variance_is_that_of_zeros_and_ones():
    masks = np.random.default_rng(0).random((7, 9, 9)) < 0.3
    np.testing.assert_allclose(pixel_variance(masks), masks.astype(float).var(axis=0), atol=1e-6)


def test_one_mask_does_not_disagree_with_itself():
    assert not pixel_variance(MASKS[:1]).any()


def test_a_mask_is_empty_only_without_any_pixel():
    assert empty_share(np.stack([*MASKS, np.zeros((1, 3), bool)])) == pytest.approx(1 / 5)
    assert empty_share(MASKS) == 0
    assert empty_share(np.zeros((2, 1, 3), bool)) == 1


@pytest.mark.parametrize("function", [vote_fraction, pixel_variance, empty_share])
def test_probabilities_are_refused(function):
    with pytest.raises(DataFormatError, match="float64"):
        function(np.full((2, 3, 3), 0.5))
    with pytest.raises(DataFormatError, match=r"\(0, 3, 3\)"):
        function(np.zeros((0, 3, 3), bool))


def row(*pixels):
    return np.array([pixels], bool)


def test_ncc_of_a_toy_case_by_hand():
    # Shares 1, 1/2, 0, 0: samples disagree 0, 1/4, 0, 0; with the expert 0, 1/2, 1, 0.
    samples, expert = np.stack([row(1, 1, 0, 0), row(1, 0, 0, 0)]), np.stack([row(1, 1, 1, 0)])
    expected = np.corrcoef([0, 1 / 4, 0, 0], [0, 1 / 2, 1, 0])[0, 1]
    assert normalized_cross_correlation(samples, expert) == pytest.approx(expected, abs=1e-12)


def test_ncc_is_one_where_samples_disagree_with_each_other_as_with_the_experts():
    samples, experts = np.stack([row(1, 1, 0), row(1, 0, 0)]), np.stack([row(1, 1, 0), row(1, 0, 0)])
    assert normalized_cross_correlation(samples, experts) == pytest.approx(1, abs=1e-12)


def test_ncc_is_undefined_where_a_map_is_constant():
    nothing, lesion = np.zeros((3, 1, 4), bool), np.stack([row(1, 1, 0, 0), row(1, 0, 0, 0)])
    everywhere_half = np.stack([row(1, 1, 1, 1), row(0, 0, 0, 0)])
    assert math.isnan(normalized_cross_correlation(nothing, lesion))
    assert math.isnan(normalized_cross_correlation(lesion[:1], lesion))  # one sample
    assert math.isnan(normalized_cross_correlation(np.stack([lesion[0]] * 3), lesion))  # all alike
    assert math.isnan(normalized_cross_correlation(everywhere_half, lesion))
    assert math.isfinite(normalized_cross_correlation(lesion, nothing))
    assert math.isnan(normalized_cross_correlation(np.ones((1, 1, 1), bool), np.ones((1, 1, 1), bool)))


def test_ncc_is_exact_where_the_sums_need_more_than_64_bits():
    # 2^18 pixels, 240 samples: the square of the sum of u, each near 120^2, is above 2^63.
    rng = np.random.default_rng(0)
    samples = np.stack([rng.random((512, 512), np.float32) < 0.5 for _ in range(240)])
    expert = rng.random((1, 512, 512)) < 0.5
    share = samples.mean(axis=0)
    expected = np.corrcoef((share * (1 - share)).ravel(), np.abs(share - expert[0]).ravel())[0, 1]
    assert normalized_cross_correlation(samples, expert) == pytest.approx(expected, abs=1e-9)


def test_ncc_refuses_what_cannot_be_compared():
    good = np.ones((2, 4, 4), bool)
    with pytest.raises(DataFormatError, match=r"samples: .*float64"):
        normalized_cross_correlation(np.ones((2, 4, 4)), good)
    with pytest.raises(DataFormatError, match=r"\(2, 4, 4\) and bool \(2, 4, 1\)"):
        normalized_cross_correlation(good, good[:, :, :1])
