"""How far two curves of losses are apart."""

import numpy as np
import pytest
import torch

from training.bench.fresh import fresh_denoiser
from training.bench.losses import WINDOW, _round_once, bench_losses, difference
from training.errors import ConfigError


def test_means_of_windows_are_compared_and_the_largest_difference_counts():
    curve = np.ones(3 * WINDOW)
    other = curve.copy()
    other[WINDOW] += 0.2  # 1 % of that window's mean
    other[-1] -= 0.1
    assert difference(other, curve) == pytest.approx(0.01)
    assert difference(curve, curve) == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_infinitely_far(wrong):
    curve = np.ones(WINDOW)
    curve[3] = wrong
    assert difference(curve, np.ones(WINDOW)) == float("inf")


def test_one_rounding_moves_every_weight_by_its_last_bit(small):
    plain, moved = fresh_denoiser(small), fresh_denoiser(small)
    _round_once(moved)
    for before, after in zip(plain.parameters(), moved.parameters(), strict=True):
        assert (before != after).all()
        moved = (after - before).abs()
        assert (moved[before != 0] <= 2**-23 * before[before != 0].abs()).all()
        assert (moved[before == 0] == 2**-149).all()  # the smallest number that there is


@pytest.mark.parametrize("steps", [0, WINDOW - 1, WINDOW + 1])
def test_steps_that_make_no_windows_are_refused(small, steps):
    with pytest.raises(ConfigError, match=f"means of 20 steps, got {steps}"):
        bench_losses(small, torch.device("cpu"), steps=steps)
