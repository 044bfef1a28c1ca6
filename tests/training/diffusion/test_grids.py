"""Grids: their definitions, and that no two calls of one fall together."""

import pytest
import torch

from training.diffusion.grids import HIGH, LOW, MAX_STEPS, grid_times
from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule
from training.errors import ConfigError

GRIDS = ["trailing", "uniform", "log-snr"]
KINDS = [CosineSchedule, LinearSchedule, SigmoidSchedule]


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 20])
def test_the_trailing_grid_is_the_papers(n_steps):
    times = grid_times("trailing", n_steps, CosineSchedule(0.1))
    expected = torch.tensor([1 - i / n_steps for i in range(n_steps)] + [0], dtype=torch.float64)
    torch.testing.assert_close(times, expected, atol=1e-15, rtol=0)


def test_the_uniform_grid_calls_evenly_down_to_the_high_end():
    schedule = CosineSchedule(0.1)
    calls = grid_times("uniform", 8, schedule)[:-1]
    torch.testing.assert_close(calls.diff(), calls.diff()[:1].expand(7))
    assert calls[0] == 1
    assert float(schedule.log_snr(calls[-1])) == pytest.approx(HIGH)


def test_the_log_snr_grid_calls_in_the_middles_of_equal_parts():
    schedule = CosineSchedule(0.1)
    calls = grid_times("log-snr", 6, schedule)[:-1]
    middles = torch.tensor([LOW + (HIGH - LOW) * part for part in (0.1, 0.3, 0.5, 0.7, 0.9)], dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(calls[1:]), middles)
    assert calls[0] == 1


@pytest.mark.parametrize("grid", GRIDS)
def test_one_step_is_one_call_at_pure_noise(grid):
    assert grid_times(grid, 1, CosineSchedule(0.1)).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("b", [0.01, 0.1, 1.0, 10.0])
def test_no_two_calls_fall_together(grid, kind, limit, b):
    """In time, and in clamped log SNR, which is all that the network's input and the sampler's weights depend on."""
    schedule = kind(b, limit)
    for n_steps in (1, 2, 3, 10, 50, 1000):
        times = grid_times(grid, n_steps, schedule)
        assert times.shape == (n_steps + 1,)
        assert times.dtype == torch.float64
        assert (times[0], times[-1]) == (1, 0)
        assert (times.diff() < 0).all()
        assert (schedule.log_snr(times[:-1]).diff() > 0).all()


@pytest.mark.parametrize("grid", GRIDS)
def test_the_longest_grid_is_strict_too(grid):
    schedule = CosineSchedule(0.1)
    times = grid_times(grid, MAX_STEPS, schedule)
    assert (times.diff() < 0).all()
    assert (schedule.log_snr(times[:-1]).diff() > 0).all()


@pytest.mark.parametrize("n_steps", [-1, 0, MAX_STEPS + 1])
def test_a_grid_needs_a_step(n_steps):
    with pytest.raises(ConfigError, match=f"at least 1 step and at most {MAX_STEPS}, got {n_steps}"):
        grid_times("trailing", n_steps, CosineSchedule(0.1))
