"""The three prediction types are three views of one x0, at both ends of time too."""

import pytest
import torch

from training.diffusion.denoiser import signal_and_noise
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule

PREDICTIONS = [XPrediction(), EpsPrediction(), VPrediction()]
SCALES = [0.01, 0.1, 0.5, 1.0]


def name(value):
    return type(value).__name__


def case(t, schedule, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(len(t), 1, 3, 3, generator=generator).sign().to(dtype)
    eps = torch.randn(len(t), 1, 3, 3, generator=generator).to(dtype)
    alpha, sigma = (f(t)[:, None, None, None].to(dtype) for f in (schedule.alpha, schedule.sigma))
    return x0, eps, alpha, sigma


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("b", SCALES)
def test_the_target_leads_back_to_x0(prediction, b):
    t = torch.tensor([0.0, 1e-6, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    x0, eps, alpha, sigma = case(t, CosineSchedule(b))
    back = prediction.to_x0(prediction.target(x0, eps, alpha, sigma), alpha * x0 + sigma * eps, alpha, sigma)
    torch.testing.assert_close(back, x0, atol=1e-6, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("kind", [CosineSchedule, LinearSchedule, SigmoidSchedule])
@pytest.mark.parametrize("b", SCALES)
def test_round_trips_in_float32_are_exact_away_from_the_clamp(prediction, kind, b):
    """To 1e-5, from log SNR -5 on; eps-prediction divides its rounding by alpha, which is 0.08 there."""
    schedule = kind(b)
    t = schedule.time(torch.linspace(-5, 15, 41))
    x0, eps, _, _ = case(t, schedule, torch.float32)
    alpha, sigma = signal_and_noise(schedule, t)
    back = prediction.to_x0(prediction.target(x0, eps, alpha, sigma), alpha * x0 + sigma * eps, alpha, sigma)
    assert float((back - x0).abs().max()) < 1e-5


@pytest.mark.parametrize("one", PREDICTIONS, ids=name)
@pytest.mark.parametrize("other", PREDICTIONS, ids=name)
@pytest.mark.parametrize("b", SCALES)
def test_an_answer_can_be_read_in_any_type(one, other, b):
    """x0 from one type, the noise that belongs to it, and the other type's answer from both: the same x0 again."""
    schedule = CosineSchedule(b)
    t = schedule.time(torch.linspace(-5, 5, 21))
    x0, eps, alpha, sigma = case(t, schedule)
    x_t = alpha * x0 + sigma * eps
    answer = one.target(x0, eps, alpha, sigma) + 0.1  # wrong on purpose
    read = one.to_x0(answer, x_t, alpha, sigma)
    translated = other.target(read, (x_t - alpha * read) / sigma, alpha, sigma)
    torch.testing.assert_close(other.to_x0(translated, x_t, alpha, sigma), read, atol=1e-10, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("kind", [CosineSchedule, LinearSchedule, SigmoidSchedule])
@pytest.mark.parametrize("b", SCALES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_ends_of_time_are_finite_in_both_precisions(prediction, kind, b, dtype):
    schedule = kind(b)
    t = torch.tensor([0.0, 1e-6, 1.0], dtype=torch.float64)
    x0, eps, alpha, sigma = case(t, schedule, dtype)
    x_t = alpha * x0 + sigma * eps
    target = prediction.target(x0, eps, alpha, sigma)
    for answer in (target, torch.zeros_like(target), target + 1):
        x0_hat = prediction.to_x0(answer, x_t, alpha, sigma)
        assert answer.isfinite().all()
        assert x0_hat.isfinite().all()
        assert x0_hat.dtype == dtype


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_the_error_ratio_is_what_it_says(prediction):
    """ln(|output error|^2 / |x0 error|^2), from an output that is wrong on purpose."""
    schedule, t = CosineSchedule(0.1), torch.tensor([0.01, 0.1, 0.5, 0.9, 0.99], dtype=torch.float64)
    x0, eps, alpha, sigma = case(t, schedule)
    target = prediction.target(x0, eps, alpha, sigma)
    output = target + torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    in_output = (output - target).square().sum((1, 2, 3))
    in_x0 = (prediction.to_x0(output, alpha * x0 + sigma * eps, alpha, sigma) - x0).square().sum((1, 2, 3))
    torch.testing.assert_close(prediction.log_error_ratio(schedule.log_snr(t)), (in_output / in_x0).log())
