"""Measured orders of convergence, against probability flows that are known exactly.

Between interior times: over the whole of time the clamp adds an error that no step size removes.
"""

import itertools

import pytest
import torch
from scipy.optimize import brentq
from scipy.special import ndtr

from training.diffusion.samplers import Ddim, Ddpm, DpmSolverPP2M, Heun
from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule
from training.diffusion.walk import walk

ORDERS = [(Ddim(), 1), (DpmSolverPP2M(), 2), (Heun(), 2)]
COUNTS = [32, 64, 128]


def interior(schedule, n_steps, widening=0.0):
    """Times with log SNR from -3 to 2, in even or ever wider steps, and then 0: the last but one is at log SNR 2."""
    share = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
    levels = -3 + 5 * (share + widening * share**2) / (1 + widening)
    return torch.cat([schedule.time(levels), torch.zeros(1)])


def order(errors):
    """Minus the slope of log error over log steps, by least squares."""
    x, y = torch.tensor(COUNTS).double().log(), torch.tensor(errors, dtype=torch.float64).log()
    return -float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def walked(denoise, sampler, times, schedule, start):
    """The state at the last time but one."""
    return list(walk(denoise, sampler, schedule, times, lambda _: start))[-2].x_t


class Gaussian:
    """Data N(mean, variance): the posterior mean is affine, and the flow keeps the number of standard deviations."""

    mean, variance = 0.3, 0.2

    def __init__(self, schedule):
        self.schedule = schedule

    def spread(self, t):
        return (self.variance * self.schedule.alpha(t) ** 2 + self.schedule.sigma(t) ** 2).sqrt()

    def gain(self, t):
        return self.variance * self.schedule.alpha(t) / self.spread(t) ** 2

    def denoise(self, x, t, x0_before=None):
        return self.mean + self.gain(t) * (x - self.schedule.alpha(t) * self.mean)

    def flow(self, x, t, s):
        deviations = (x - self.schedule.alpha(t) * self.mean) / self.spread(t)
        return self.schedule.alpha(s) * self.mean + self.spread(s) * deviations


class TwoGaussians:
    """Data of N(-0.9, 0.3^2) and N(0.9, 0.3^2), evenly: the flow keeps the quantile, as any flow on a line does."""

    centre, width = 0.9, 0.3

    def __init__(self, schedule):
        self.schedule = schedule

    def parts(self, t):
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return alpha * self.centre, (alpha**2 * self.width**2 + sigma**2).sqrt()

    def denoise(self, x, t, x0_before=None):
        alpha, (centre, spread) = self.schedule.alpha(t), self.parts(t)
        gain = alpha * self.width**2 / spread**2
        low, high = (sign * self.centre + gain * (x - sign * centre) for sign in (-1, 1))
        return torch.lerp(low, high, (2 * x * centre / spread**2).sigmoid())

    def quantile(self, t):
        centre, spread = (float(value) for value in self.parts(t))
        return lambda x: (ndtr((x + centre) / spread) + ndtr((x - centre) / spread)) / 2

    def flow(self, x, t, s):
        before, after = self.quantile(t), self.quantile(s)
        ends = [brentq(lambda y, q: after(y) - q, -9, 9, args=(before(float(value)),), xtol=1e-14) for value in x]
        return torch.tensor(ends, dtype=torch.float64)


@pytest.fixture
def start():
    return torch.tensor([-1.7, -0.4, 0.2, 1.1], dtype=torch.float64)


@pytest.mark.parametrize("widening", [0.0, 1.0], ids=["even", "widening"])
@pytest.mark.parametrize("data", [Gaussian, TwoGaussians])
@pytest.mark.parametrize(("sampler", "expected"), ORDERS, ids=[repr(sampler) for sampler, _ in ORDERS])
def test_deterministic_samplers_converge_to_the_probability_flow_with_their_order(
    sampler, expected, data, widening, start
):
    schedule = CosineSchedule(0.5)
    truth = data(schedule)
    exact = truth.flow(start, *schedule.time(torch.tensor([-3.0, 2.0])))
    ends = [walked(truth.denoise, sampler, interior(schedule, n, widening), schedule, start) for n in COUNTS]
    errors = [float((end - exact).square().mean().sqrt()) for end in ends]
    assert order(errors) == pytest.approx(expected, abs=0.2)
    assert errors[-1] < {1: 6e-3, 2: 2e-4}[expected]


@pytest.mark.parametrize("sampler", [sampler for sampler, _ in ORDERS], ids=repr)
def test_the_schedule_is_only_a_way_to_name_log_snrs(sampler, start):
    """Walks through the same log SNRs have the same states, whatever the shape of the schedule and its input scale."""
    schedules = (CosineSchedule(0.5), CosineSchedule(0.1), LinearSchedule(0.5), SigmoidSchedule(0.5))
    first, *others = (
        walked(TwoGaussians(schedule).denoise, sampler, interior(schedule, 12), schedule, start)
        for schedule in schedules
    )
    for other in others:
        torch.testing.assert_close(other, first, atol=1e-12, rtol=0)


@pytest.mark.parametrize("sampler", [Ddpm("small"), Ddpm("large"), Ddim(0.5)], ids=repr)
def test_moments_of_stochastic_samplers_converge_with_order_one(sampler):
    """Mean and variance of Gaussian data pass exactly through the rows, as the denoiser is affine: nothing is drawn."""
    schedule, errors = CosineSchedule(0.5), []
    truth = Gaussian(schedule)
    for n in COUNTS:
        grid = interior(schedule, n)[:-1]
        mean, variance = schedule.alpha(grid[0]) * truth.mean, truth.spread(grid[0]) ** 2
        for t, s in itertools.pairwise(grid):
            row = sampler.update(schedule, t, s, None)
            mean = row.x * mean + row.x0 * truth.denoise(mean, t)
            variance = (row.x + row.x0 * truth.gain(t)) ** 2 * variance + row.noise**2
        assert float(mean) == pytest.approx(float(schedule.alpha(s)) * truth.mean, rel=1e-9)
        errors.append(abs(float(variance - truth.spread(s) ** 2)))
    assert order(errors) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("sampler", "n_steps"), [(DpmSolverPP2M(), 10), (Heun(), 5)], ids=["DpmSolverPP2M", "Heun"])
def test_ten_calls_of_second_order_come_nearer_than_ten_of_first(sampler, n_steps, start):
    schedule = CosineSchedule(0.5)
    truth = TwoGaussians(schedule)
    exact = truth.flow(start, *schedule.time(torch.tensor([-3.0, 2.0])))
    first = walked(truth.denoise, Ddim(), interior(schedule, 10), schedule, start)
    second = walked(truth.denoise, sampler, interior(schedule, n_steps), schedule, start)
    assert (second - exact).abs().mean() < (first - exact).abs().mean() / 2
