"""Closed forms of the schedules, their inverses and slopes, at both ends of time too."""

import math

import pytest
import torch

from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule

TIMES = torch.tensor([0.0, 1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.9999, 1.0], dtype=torch.float64)
INTERIOR = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
KINDS = [CosineSchedule, LinearSchedule, SigmoidSchedule]


def gamma(schedule, t):
    """The paper's and Chen's gamma: the share of the variance that is signal."""
    return schedule.alpha(t) ** 2


def chen_sigmoid(t, start, end):
    """Chen 2023, Algorithm 1, at temperature 1, as it is written there."""
    v_start, v_end = torch.tensor([start, end]).double().sigmoid()
    return (v_end - (t * (end - start) + start).sigmoid()) / (v_end - v_start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("b", [0.01, 0.1, 1.0])
def test_signal_and_noise_keep_the_variance(kind, b):
    schedule = kind(b)
    torch.testing.assert_close(schedule.alpha(TIMES) ** 2 + schedule.sigma(TIMES) ** 2, torch.ones_like(TIMES))


def test_without_input_scale_alpha_of_the_cosine_schedule_is_a_cosine():
    torch.testing.assert_close(CosineSchedule().alpha(INTERIOR), (math.pi / 2 * INTERIOR).cos())


def test_without_input_scale_gamma_of_the_linear_schedule_is_linear():
    torch.testing.assert_close(gamma(LinearSchedule(), INTERIOR), 1 - INTERIOR)


@pytest.mark.parametrize("k", [0.5, 3.0, 8.0])
def test_gamma_of_the_sigmoid_schedule_is_chens(k):
    torch.testing.assert_close(gamma(SigmoidSchedule(steepness=k), INTERIOR), chen_sigmoid(INTERIOR, -k, k))


def test_the_linear_schedule_is_the_sigmoid_schedule_without_steepness():
    flat, linear = SigmoidSchedule(0.1, steepness=1e-4), LinearSchedule(0.1)
    torch.testing.assert_close(flat.log_snr(INTERIOR), linear.log_snr(INTERIOR), atol=1e-7, rtol=0)
    torch.testing.assert_close(flat.slope(INTERIOR), linear.slope(INTERIOR))
    levels = torch.linspace(-15, 15, 31)
    torch.testing.assert_close(flat.time(levels), linear.time(levels), atol=1e-8, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("b", [0.03, 0.1, 0.5])
def test_input_scale_is_gamma_b_of_equation_7(kind, b):
    """gamma_b = b^2 gamma / ((b^2 - 1) gamma + 1), Eq. 7, against the shift of log SNR by 2 ln b."""
    unscaled = gamma(kind(), INTERIOR)
    torch.testing.assert_close(gamma(kind(b), INTERIOR), b**2 * unscaled / ((b**2 - 1) * unscaled + 1))


def test_the_shifted_cosine_of_simple_diffusion_is_an_input_scale():
    """Hoogeboom et al. 2023: log SNR = -2 ln tan(pi t / 2) + 2 ln(64 / d)."""
    expected = -2 * (math.pi / 2 * INTERIOR).tan().log() + 2 * math.log(64 / 256)
    torch.testing.assert_close(CosineSchedule(64 / 256).log_snr(INTERIOR), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("b", [0.01, 0.1, 1.0, 4.0])
def test_time_is_the_inverse_of_log_snr(kind, b):
    schedule = kind(b)
    levels = torch.linspace(-19, 19, 77, dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(schedule.time(levels)), levels, atol=1e-6, rtol=0)
    inside = schedule.log_snr(INTERIOR).abs() < 19
    torch.testing.assert_close(schedule.time(schedule.log_snr(INTERIOR))[inside], INTERIOR[inside])


@pytest.mark.parametrize("k", [1e-6, 1.0, 20.0])
def test_the_inverse_holds_for_flat_and_for_steep_sigmoids(k):
    """At k = 20 the textbook form, an inverse hyperbolic tangent, is infinite from log SNR -17 on."""
    schedule = SigmoidSchedule(steepness=k, log_snr_limit=30.0)
    levels = torch.linspace(-25, 25, 51, dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(schedule.time(levels)), levels, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("b", [0.1, 1.0])
def test_slope_is_the_derivative_of_log_snr(kind, b):
    """Against central differences of the schedule, whose error is of the order of h^2."""
    schedule, t, h = kind(b, log_snr_limit=60.0), INTERIOR, 1e-5
    difference = -(schedule.log_snr(t + h) - schedule.log_snr(t - h)) / (2 * h)
    torch.testing.assert_close(schedule.slope(t), difference, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_slope_is_finite_at_both_ends(kind):
    slope = kind(0.1).slope(TIMES)
    assert slope.isfinite().all()
    assert (slope > 0).all()


def test_the_ten_step_grid_of_the_paper_has_these_log_snrs():
    t = torch.arange(10, 0, -1) / 10
    expected = torch.tensor([-20, -8.29, -6.85, -5.95, -5.24, -4.61, -3.97, -3.26, -2.36, -0.92]).double()
    torch.testing.assert_close(CosineSchedule(0.1).log_snr(t), expected, atol=0.005, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("b", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_both_ends_are_finite_and_clamped(kind, b, dtype):
    schedule = kind(b)
    t = torch.tensor([0.0, 1e-6, 1.0], dtype=dtype)
    for values in (schedule.log_snr(t), schedule.alpha(t), schedule.sigma(t)):
        assert values.dtype == torch.float64
        assert values.isfinite().all()
    assert schedule.log_snr(t)[0] == 20
    assert schedule.log_snr(t)[-1] == -20
    assert (schedule.alpha(t) > 0).all()
    assert (schedule.sigma(t) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_noise_grows_with_time(kind):
    log_snr = kind(0.1).log_snr(torch.linspace(0, 1, 1001))
    assert (log_snr[1:-1].diff() < 0).all()
    assert log_snr[0] >= log_snr[1]
    assert log_snr[-1] <= log_snr[-2]
