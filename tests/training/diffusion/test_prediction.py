"""The three prediction types are three views of one x0, and the weightings of one error."""

import pytest
import torch

from training.diffusion.denoiser import Denoiser, signal_and_noise
from training.diffusion.objective import Objective
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.schedule import CosineSchedule
from training.diffusion.weighting import (
    SigmoidWeighting,
    SnrPlusOneWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
)

PREDICTIONS = [XPrediction(), EpsPrediction(), VPrediction()]
WEIGHTINGS = {
    "snr": (SnrWeighting(), lambda snr: snr),
    "truncated": (TruncatedSnrWeighting(), lambda snr: snr.clamp(min=1)),
    "snr+1": (SnrPlusOneWeighting(), lambda snr: snr + 1),
    "uniform": (UniformWeighting(), torch.ones_like),
    "sigmoid": (SigmoidWeighting(-2.0), lambda snr: 1 / (1 + (-2.0 - snr.log()).exp())),
}


def case(t):
    torch.manual_seed(0)
    schedule = CosineSchedule(0.1)
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    x0, eps = torch.randn(2, len(t), 7, dtype=torch.float64)
    return schedule, x0, eps, alpha, sigma


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
def test_the_target_leads_back_to_x0(prediction):
    t = torch.tensor([0.0, 1e-6, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    _, x0, eps, alpha, sigma = case(t)
    x_t = alpha * x0 + sigma * eps
    torch.testing.assert_close(
        prediction.to_x0(prediction.target(x0, eps, alpha, sigma), x_t, alpha, sigma), x0, atol=1e-6, rtol=1e-6
    )


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
def test_the_error_ratio_is_what_it_says(prediction):
    """ln(|output error|^2 / |x0 error|^2), from an output that is wrong on purpose."""
    t = torch.tensor([0.01, 0.1, 0.5, 0.9, 0.99], dtype=torch.float64)
    schedule, x0, eps, alpha, sigma = case(t)
    x_t = alpha * x0 + sigma * eps
    target = prediction.target(x0, eps, alpha, sigma)
    output = target + torch.randn_like(target)
    in_output = (output - target).square().sum(1)
    in_x0 = (prediction.to_x0(output, x_t, alpha, sigma) - x0).square().sum(1)
    torch.testing.assert_close(prediction.log_error_ratio(schedule.log_snr(t)), (in_output / in_x0).log())


class Answer(torch.nn.Module):
    """A backbone that gives a fixed answer."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x_t, t, image):
        return self.answer


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_the_loss_in_the_networks_space_is_the_weighted_error_in_x0(name, prediction):
    """Objective against w(SNR) * mean (x0 - x0_hat)^2 taken literally, where that is well-conditioned."""
    torch.manual_seed(1)
    weighting, closed_form = WEIGHTINGS[name]
    schedule = CosineSchedule(0.5)
    t = torch.tensor([0.05, 0.2, 0.5, 0.8])
    x0, eps, answer = torch.randn(3, 4, 1, 5, 6)
    alpha, sigma = signal_and_noise(schedule, t)
    x0_hat = prediction.to_x0(answer, alpha * x0 + sigma * eps, alpha, sigma)
    literal = closed_form(schedule.log_snr(t).exp()) * (x0 - x0_hat).double().square().mean((1, 2, 3))
    loss = Objective(weighting)(Denoiser(Answer(answer), schedule, prediction), x0, torch.zeros_like(x0), t, eps)
    torch.testing.assert_close(loss.double(), literal, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weights_are_finite_at_both_ends_of_time(name, prediction):
    schedule = CosineSchedule(0.1)
    weight = Objective(WEIGHTINGS[name][0]).network_weight(prediction, schedule.log_snr(torch.tensor([0.0, 1e-6, 1.0])))
    assert weight.isfinite().all()
    assert (weight > 0).all()


def test_v_with_snr_plus_one_is_the_plain_error_in_v():
    weight = Objective(SnrPlusOneWeighting()).network_weight(VPrediction(), torch.linspace(-20, 20, 41).double())
    torch.testing.assert_close(weight, torch.ones(41).double())


def test_v_with_truncated_snr_stays_between_a_half_and_one():
    weight = Objective(TruncatedSnrWeighting()).network_weight(VPrediction(), torch.linspace(-15, 15, 301).double())
    assert weight.min() == pytest.approx(0.5)
    assert weight.max() == pytest.approx(1, abs=1e-6)


def test_a_smaller_sigmoid_bias_favours_the_noisy_end():
    noisy, clean = torch.tensor([-6.0, 0.0]).double()
    ratio = {b: (SigmoidWeighting(b).log_weight(noisy) - SigmoidWeighting(b).log_weight(clean)) for b in (-6.0, 2.0)}
    assert ratio[-6.0] > ratio[2.0]


def test_the_denoiser_clips_its_answer():
    denoiser = Denoiser(Answer(torch.full((1, 1, 2, 2), 5.0)), CosineSchedule(0.1), XPrediction())
    x = torch.zeros(1, 1, 2, 2)
    assert (denoiser(x, torch.tensor([0.5]), x) == 1).all()
