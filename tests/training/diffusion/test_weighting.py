"""The weightings: the paper's forms, their printed values, and the factor that each puts on the network's own error."""

import pytest
import torch

from training.diffusion.objective import Objective
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule
from training.diffusion.weighting import (
    SigmoidAsPrintedWeighting,
    SigmoidWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
)

from .weightings import WEIGHTINGS

PREDICTIONS = {"x": XPrediction(), "eps": EpsPrediction(), "v": VPrediction()}
ENDS = torch.tensor([0.0, 1e-6, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weights_have_their_closed_form(name):
    weighting, closed_form = WEIGHTINGS[name]
    log_snr = torch.linspace(-12, 12, 97, dtype=torch.float64)
    torch.testing.assert_close(weighting.log_weight(log_snr).exp(), closed_form(log_snr.exp()))


def table_3(signal, noise):
    """Factor of the network's own squared error, given alpha^2 and sigma^2, by weighting and prediction type."""
    one, snr = torch.ones_like(signal), signal / noise
    return {
        "snr": {"x": snr, "eps": one, "v": signal},
        "truncated": {"x": snr.clamp(min=1), "eps": (1 / snr).clamp(min=1), "v": torch.maximum(signal, noise)},
        "snr+1": {"x": 1 / noise, "eps": 1 / signal, "v": one},
        "uniform": {"x": one, "eps": 1 / snr, "v": noise},
    }


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["snr", "truncated", "snr+1", "uniform"])
def test_factors_in_the_networks_space_have_their_closed_form(name, prediction):
    """All twelve cells of the paper's Table 3."""
    schedule, t = CosineSchedule(0.1), torch.linspace(0.002, 0.98, 50, dtype=torch.float64)
    weight = Objective(WEIGHTINGS[name][0]).network_weight(PREDICTIONS[prediction], schedule, t)
    closed_form = table_3(schedule.alpha(t) ** 2, schedule.sigma(t) ** 2)[name][prediction]
    torch.testing.assert_close(weight, closed_form)


@pytest.mark.parametrize("kind", [CosineSchedule, LinearSchedule, SigmoidSchedule])
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weights_are_finite_at_both_ends_of_time(name, prediction, derivative, kind):
    objective = Objective(WEIGHTINGS[name][0], derivative=derivative)
    weight = objective.network_weight(PREDICTIONS[prediction], kind(0.1), ENDS)
    assert weight.float().isfinite().all()
    assert (weight.float() > 0).all()


@pytest.mark.parametrize(
    ("bias", "expected", "digits"),
    [
        (-6.0, [100, 20, 7.3, 5.0, 4.0, 1.9], [0.5, 0.5, 0.05, 0.05, 0.05, 0.05]),
        (2.0, [58, 1.0, 0.040, 0.0085, 0.0027, 0.0007], [0.5, 0.05, 5e-4, 5e-5, 5e-5, 5e-5]),
    ],
)
def test_sigmoid_weights_with_the_derivative_over_time(bias, expected, digits):
    """At b = 0.1: a bias of -6 weighs the noisy half of time, one of 2 hardly anything but the clean end."""
    t = torch.tensor([0.02, 0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
    objective = Objective(SigmoidWeighting(bias), derivative=True)
    weight = objective.network_weight(XPrediction(), CosineSchedule(0.1), t)
    assert weight.tolist() == [pytest.approx(value, abs=digit) for value, digit in zip(expected, digits, strict=True)]


@pytest.mark.parametrize("kind", [CosineSchedule, LinearSchedule, SigmoidSchedule])
@pytest.mark.parametrize("bias", [-6.0, 2.0])
def test_with_the_derivative_a_loss_does_not_depend_on_the_schedule(kind, bias):
    """The integral over time of w -d(log SNR)/dt is that of w over log SNR; of the sigmoid, softplus."""
    schedule = kind(0.1)
    clean, noisy = schedule.time(torch.tensor([3.0, -8.0])).tolist()
    n = 200_000
    t = noisy + (clean - noisy) * (torch.arange(n, dtype=torch.float64) + 0.5) / n
    weight = Objective(SigmoidWeighting(bias), derivative=True).network_weight(XPrediction(), schedule, t)
    exact = torch.nn.functional.softplus(torch.tensor([3.0 - bias, -8.0 - bias], dtype=torch.float64))
    assert float(weight.mean()) * (noisy - clean) == pytest.approx(float(exact[0] - exact[1]), rel=1e-4)


def test_the_derivative_is_a_factor_of_the_schedules_slope():
    t = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    schedule = SigmoidSchedule(0.1)
    with_it, without = (
        Objective(TruncatedSnrWeighting(), derivative=derivative).network_weight(VPrediction(), schedule, t)
        for derivative in (True, False)
    )
    torch.testing.assert_close(with_it, without * schedule.slope(t))


def test_truncated_snr_of_the_paper_is_one_but_for_the_cleanest_times():
    """At b = 0.1: 1 above t = 0.0635, about 0.00405 / t^2 below."""
    t = torch.tensor([0.01, 0.02, 0.0634, 0.0636, 0.5, 0.9], dtype=torch.float64)
    weight = Objective(TruncatedSnrWeighting()).network_weight(XPrediction(), CosineSchedule(0.1), t)
    torch.testing.assert_close(weight[:2], 0.00405 / t[:2] ** 2, rtol=2e-3, atol=0)
    assert weight[2] > 1
    assert weight[3:].tolist() == [1, 1, 1]


def test_the_weight_is_taken_at_clamped_log_snr():
    weight = Objective(SnrWeighting(), log_snr_limit=5.0).network_weight(XPrediction(), CosineSchedule(0.1), ENDS)
    torch.testing.assert_close(weight, torch.tensor([5.0, 5.0, -5.0]).double().exp())


def test_v_with_truncated_snr_stays_between_a_half_and_one():
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)
    weight = Objective(TruncatedSnrWeighting()).network_weight(VPrediction(), CosineSchedule(0.1), t)
    assert weight.min() == pytest.approx(0.5, abs=0.01)
    assert weight.max() == pytest.approx(1, abs=1e-6)


def test_a_smaller_sigmoid_bias_favours_the_noisy_end():
    """What the paper says of its weighting, and the opposite of what its printed sign does."""
    noisy, clean = torch.tensor([-6.0, 0.0], dtype=torch.float64)

    def favour(weighting, bias):
        return float(weighting(bias).log_weight(noisy) - weighting(bias).log_weight(clean))

    assert favour(SigmoidWeighting, -6.0) > favour(SigmoidWeighting, 2.0)
    assert favour(SigmoidAsPrintedWeighting, -6.0) < favour(SigmoidAsPrintedWeighting, 2.0)


def test_a_sigmoid_bias_of_two_resembles_snr():
    log_snr = torch.linspace(-12, -1, 23, dtype=torch.float64)
    shape = SigmoidWeighting(2.0).log_weight(log_snr) - SnrWeighting().log_weight(log_snr)
    assert shape.max() - shape.min() < 0.05
