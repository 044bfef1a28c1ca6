"""Closed forms of the cosine schedule, at both ends of time too."""

import math

import pytest
import torch

from training.diffusion.schedule import CosineSchedule

TIMES = torch.tensor([0.0, 1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.9999, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("b", [0.01, 0.1, 1.0])
def test_signal_and_noise_keep_the_variance(b):
    schedule = CosineSchedule(b)
    torch.testing.assert_close(schedule.alpha(TIMES) ** 2 + schedule.sigma(TIMES) ** 2, torch.ones_like(TIMES))


def test_without_input_scale_alpha_is_a_cosine():
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    torch.testing.assert_close(CosineSchedule(1.0).alpha(t), (math.pi / 2 * t).cos())


@pytest.mark.parametrize("b", [0.03, 0.1, 0.5])
def test_input_scale_is_gamma_b_of_equation_7(b):
    """gamma_b = b^2 gamma / ((b^2 - 1) gamma + 1), Eq. 7, against the shift of log SNR by 2 ln b."""
    t = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    gamma = CosineSchedule(1.0).alpha(t) ** 2
    torch.testing.assert_close(CosineSchedule(b).alpha(t) ** 2, b**2 * gamma / ((b**2 - 1) * gamma + 1))


def test_the_ten_step_grid_of_the_paper_has_these_log_snrs():
    t = torch.arange(10, 0, -1) / 10
    expected = torch.tensor([-20, -8.29, -6.85, -5.95, -5.24, -4.61, -3.97, -3.26, -2.36, -0.92]).double()
    torch.testing.assert_close(CosineSchedule(0.1).log_snr(t), expected, atol=0.005, rtol=0)


@pytest.mark.parametrize("b", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_both_ends_are_finite_and_clamped(b, dtype):
    schedule = CosineSchedule(b)
    t = torch.tensor([0.0, 1e-6, 1.0], dtype=dtype)
    for values in (schedule.log_snr(t), schedule.alpha(t), schedule.sigma(t)):
        assert values.dtype == torch.float64
        assert values.isfinite().all()
    assert schedule.log_snr(t)[0] == 20
    assert schedule.log_snr(t)[-1] == -20
    assert (schedule.alpha(t) > 0).all()
    assert (schedule.sigma(t) > 0).all()


def test_noise_grows_with_time():
    t = torch.linspace(0, 1, 1001)
    log_snr = CosineSchedule(0.1).log_snr(t)
    assert (log_snr.diff() <= 0).all()
    assert (log_snr[1:-1].diff() < 0).all()
