"""What speed costs."""

import numpy as np
import pytest

from training.bench.accuracy import cost_against, flip_limit
from training.errors import DataFormatError


def test_flips_and_the_largest_difference_on_a_toy_array():
    reference = np.array([[[0.5, -0.5], [1e-6, 0.0]]], np.float32)
    x0_hat = np.array([[[0.25, -0.5], [-1e-6, 0.0]]], np.float32)
    cost = cost_against(x0_hat > 0, x0_hat, reference)
    assert cost.max_delta == 0.25
    assert cost.flips_per_million == 250_000
    assert cost.pixels == 4


def test_equal_masks_cost_nothing():
    x0_hat = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    cost = cost_against(x0_hat > 0, x0_hat, x0_hat)
    assert (cost.max_delta, cost.flips_per_million) == (0, 0)


def test_the_drawn_masks_count_not_the_predictions():
    x0_hat = np.ones((1, 2, 2), np.float32)
    assert cost_against(~(x0_hat > 0), x0_hat, x0_hat).flips_per_million == 1e6


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    x0_hat, broken = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), bad, np.float32)
    for pair in ((x0_hat, broken), (broken, x0_hat)):
        with pytest.raises(DataFormatError, match="finite"):
            cost_against(x0_hat > 0, *pair)


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 2), (0, 2, 2)])
def test_other_shapes_are_refused(shape):
    x0_hat = np.zeros((1, 2, 2), np.float32)
    with pytest.raises(DataFormatError, match="one shape"):
        cost_against(x0_hat > 0, x0_hat, np.zeros(shape, np.float32))
    with pytest.raises(DataFormatError, match="one shape"):
        cost_against(np.zeros((0, 2, 2), bool), *[np.zeros((0, 2, 2), np.float32)] * 2)


def test_one_pixel_may_flip_where_it_is_more_than_the_limit():
    assert flip_limit("fp32", 16 * 128 * 128) == 10
    assert flip_limit("bf16", 16 * 128 * 128) == 500
    assert flip_limit("fp32", 1000) == flip_limit("bf16", 1000) == 1000
