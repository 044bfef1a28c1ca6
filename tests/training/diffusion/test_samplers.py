"""Reverse steps against Bayes' rule, and walks with an oracle that knows x0."""

import math

import pytest
import torch

from training.diffusion.denoiser import Denoiser
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.samplers import Ddim, Ddpm
from training.diffusion.schedule import CosineSchedule
from training.diffusion.walk import uniform_times, walk
from training.errors import ConfigError

STEPS = [(1.0, 0.9), (0.5, 0.2), (0.2, 0.1), (0.1, 0.001)]
SAMPLERS = {"ddpm": Ddpm("small"), "ddpm-large": Ddpm("large"), "ddim": Ddim(), "ddim-half": Ddim(0.5)}


def times(t, s):
    return torch.tensor(t).double(), torch.tensor(s).double()


def coefficients(sampler, schedule, t, s):
    """Weights of x_t, x0_hat and noise in a step: it is linear, so unit inputs pin them."""
    one, zero = torch.ones(1).double(), torch.zeros(1).double()
    return [
        float(sampler.step(schedule, a, b, t, s, c))
        for a, b, c in [(one, zero, zero), (zero, one, zero), (zero, zero, one)]
    ]


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("b", [0.1, 1.0])
def test_ddpm_is_the_gaussian_posterior(t, s, b):
    """Brute force: condition the joint Gaussian of (x_s, x_t) given x0 on x_t."""
    schedule, (t, s) = CosineSchedule(b), times(t, s)
    alpha_s, sigma_s, alpha_t, sigma_t = (float(f(u)) for u in (s, t) for f in (schedule.alpha, schedule.sigma))
    a = alpha_t / alpha_s  # x_t = a x_s + noise of variance sigma_t^2 - a^2 sigma_s^2
    covariance = a * sigma_s**2
    gain = covariance / sigma_t**2
    on_x_t, on_x0, on_noise = coefficients(Ddpm("small"), schedule, t, s)
    assert on_x_t == pytest.approx(gain, rel=1e-9)
    assert on_x0 == pytest.approx(alpha_s - gain * alpha_t, rel=1e-9)
    assert on_noise**2 == pytest.approx(sigma_s**2 - gain * covariance, rel=1e-6)


@pytest.mark.parametrize("name", ["ddpm", "ddim", "ddim-half"])
@pytest.mark.parametrize(("t", "s"), STEPS)
def test_a_step_with_the_true_x0_keeps_the_forward_marginal(name, t, s):
    schedule, (t, s) = CosineSchedule(input_scale=0.1), times(t, s)
    on_x_t, on_x0, on_noise = coefficients(SAMPLERS[name], schedule, t, s) if name != "ddim" else ddim(schedule, t, s)
    assert on_x_t * schedule.alpha(t) + on_x0 == pytest.approx(float(schedule.alpha(s)), rel=1e-9)
    variance = (on_x_t * schedule.sigma(t)) ** 2 + on_noise**2
    assert float(variance) == pytest.approx(float(schedule.sigma(s)) ** 2, rel=1e-9)


def ddim(schedule, t, s):
    one, zero = torch.ones(1).double(), torch.zeros(1).double()
    sampler = Ddim()
    return (
        float(sampler.step(schedule, one, zero, t, s, None)),
        float(sampler.step(schedule, zero, one, t, s, None)),
        0.0,
    )


def test_large_variance_inflates_the_last_but_one_step_as_measured():
    """Standard deviations of the paper's grid, small against large: .738 and .834 from 0.2 to 0.1."""
    schedule, (t, s) = CosineSchedule(0.1), times(0.2, 0.1)
    small, large = (coefficients(Ddpm(v), schedule, t, s)[2] for v in ("small", "large"))
    assert small == pytest.approx(0.738, abs=5e-4)
    assert large == pytest.approx(0.834, abs=1e-3)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_ddim_with_eta_one_is_ddpm(t, s):
    schedule, (t, s) = CosineSchedule(0.1), times(t, s)
    assert coefficients(Ddim(1.0), schedule, t, s) == pytest.approx(
        coefficients(Ddpm("small"), schedule, t, s), rel=1e-6
    )


def test_two_ddim_steps_with_the_true_x0_equal_one():
    schedule = CosineSchedule(0.1)
    t, u, s = torch.tensor([0.8, 0.5, 0.2]).double()
    x_t, x0 = torch.randn(2, 50).double()
    twice = Ddim().step(schedule, Ddim().step(schedule, x_t, x0, t, u, None), x0, u, s, None)
    torch.testing.assert_close(twice, Ddim().step(schedule, x_t, x0, t, s, None))


class Oracle(torch.nn.Module):
    """A backbone that knows the clean mask and answers in whatever the prediction type asks for."""

    def __init__(self, x0, schedule, prediction):
        super().__init__()
        self.x0, self.schedule, self.prediction = x0, schedule, prediction

    def forward(self, x_t, t, image):
        alpha, sigma = (f(t.double())[:, None, None, None] for f in (self.schedule.alpha, self.schedule.sigma))
        eps = (x_t - alpha * self.x0) / sigma
        return self.prediction.target(self.x0, eps, alpha, sigma)


@pytest.mark.parametrize("b", [0.1, 1.0])
@pytest.mark.parametrize("n_steps", [1, 2, 10])
@pytest.mark.parametrize("prediction", [XPrediction(), EpsPrediction(), VPrediction()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("name", SAMPLERS)
def test_an_oracle_recovers_x0(name, prediction, n_steps, b):
    """For every prediction type, sampler and number of steps, the calls at t = 1 and the last one included."""
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(2, 1, 8, 8, generator=generator).sign()
    # At log SNR = -20, float32 leaves nothing of x0 in eps; -10 is where eps-prediction becomes possible.
    schedule = CosineSchedule(b, log_snr_limit=10.0)
    denoiser = Denoiser(Oracle(x0, schedule, prediction), schedule, prediction)
    image = torch.zeros_like(x0)
    states = list(
        walk(
            lambda x, t: denoiser(x, t[None], image),
            SAMPLERS[name],
            schedule,
            uniform_times(n_steps),
            lambda _: torch.randn(x0.shape, generator=generator),
        )
    )
    tolerance = 2e-3 if isinstance(prediction, EpsPrediction) else 1e-4
    torch.testing.assert_close(states[-1].x_t, x0, atol=tolerance, rtol=0)
    assert [float(state.t) for state in states] == pytest.approx([1 - i / n_steps for i in range(n_steps)] + [0])


def test_the_walk_is_lazy_and_calls_the_network_once_per_step():
    calls = []

    def denoise(x, t):
        calls.append(float(t))
        return torch.zeros_like(x)

    states = walk(denoise, Ddim(), CosineSchedule(0.1), uniform_times(5), lambda _: torch.zeros(1, 1, 2, 2))
    assert calls == []
    next(states)
    assert calls == [1.0]
    assert len(list(states)) == 5
    assert calls == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_the_last_state_is_the_last_prediction():
    predictions = []

    def denoise(x, t):
        predictions.append(torch.full_like(x, math.cos(len(predictions))))
        return predictions[-1]

    *_, last = walk(denoise, Ddpm(), CosineSchedule(0.1), uniform_times(3), lambda _: torch.randn(1, 1, 2, 2))
    assert last.x_t is predictions[-1]
    assert last.x0_hat is predictions[-1]


def test_a_walk_needs_a_step():
    with pytest.raises(ConfigError, match="at least 1 step and at most 100000, got 0"):
        uniform_times(0)
