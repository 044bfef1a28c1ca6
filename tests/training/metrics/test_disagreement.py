"""Vote fraction, pixel variance and the share of empty masks."""

from __future__ import annotations

import numpy as np
import pytest

from training.errors import DataFormatError
from training.metrics import empty_share, pixel_variance, vote_fraction

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
