"""The rows of each sampler, against Bayes' rule, the papers' own formulas and closed forms."""

import itertools
import math

import pytest
import torch

from training.diffusion.grids import grid_times
from training.diffusion.samplers import Ddim, Ddpm, DpmSolverPP2M, Heun, Update
from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule

STEPS = [(1.0, 0.9), (0.5, 0.2), (0.2, 0.1), (0.1, 0.001)]
SCHEDULES = [CosineSchedule(0.1), CosineSchedule(1.0), LinearSchedule(0.1), SigmoidSchedule(0.1)]
DETERMINISTIC = [Ddim(), DpmSolverPP2M(), Heun()]
STOCHASTIC = [Ddpm("small"), Ddpm("large"), Ddim(0.5), Ddim(1.0)]


def times(*values):
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def scales(schedule, *at):
    """alpha and sigma at each of the times, in turn, as floats."""
    return [float(f(t)) for t in at for f in (schedule.alpha, schedule.sigma)]


def test_an_update_is_the_sum_of_what_it_weighs():
    x_t, x0, other, noise = torch.tensor([[1.0], [10.0], [100.0], [1000.0]])
    assert Update(1, 2)(x_t, x0).item() == 21
    assert Update(1, 2, other=3)(x_t, x0, other).item() == 321
    assert Update(1, 2, noise=4)(x_t, x0, None, noise).item() == 4021
    assert Update(1, 2, 3, 4)(x_t, x0, other, noise).item() == 4321


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_ddpm_is_the_gaussian_posterior(schedule, t, s):
    """Brute force: condition the joint Gaussian of (x_s, x_t) given x0 on x_t."""
    t, s = times(t, s)
    alpha_s, sigma_s, alpha_t, sigma_t = scales(schedule, s, t)
    a = alpha_t / alpha_s  # x_t = a x_s + noise of variance sigma_t^2 - a^2 sigma_s^2
    covariance = a * sigma_s**2
    gain = covariance / sigma_t**2
    row = Ddpm("small").update(schedule, t, s, None)
    assert row.x == pytest.approx(gain, rel=1e-9)
    assert row.x0 == pytest.approx(alpha_s - gain * alpha_t, rel=1e-9)
    assert row.noise**2 == pytest.approx(sigma_s**2 - gain * covariance, rel=1e-6)


@pytest.mark.parametrize("sampler", [Ddpm("small"), Ddim(0.0), Ddim(0.3), Ddim(1.0), DpmSolverPP2M(), Heun()], ids=repr)
@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_step_with_the_true_x0_keeps_the_forward_marginal(schedule, sampler, t, s):
    """N(alpha_s x0, sigma_s^2), where all predictions, earlier and later ones too, are the true x0."""
    before, t, s = times(min(1.0, t + 0.1), t, s)
    rows = [sampler.update(schedule, t, s, None), sampler.correction(schedule, t, s)]
    if t < 1:
        rows.append(sampler.update(schedule, t, s, before))
    alpha_s, sigma_s, alpha_t, sigma_t = scales(schedule, s, t)
    for row in filter(None, rows):
        assert row.x * alpha_t + row.x0 + row.other == pytest.approx(alpha_s, rel=1e-9)
        assert (row.x * sigma_t) ** 2 + row.noise**2 == pytest.approx(sigma_s**2, rel=1e-9)


@pytest.mark.parametrize(
    ("t", "s", "small", "large"),
    [(0.9, 0.8, 0.8727, 0.8730), (0.5, 0.4, 0.681, 0.684), (0.3, 0.2, 0.736, 0.756), (0.2, 0.1, 0.738, 0.834)],
)
def test_fresh_noise_of_both_variances_on_the_papers_grid(t, s, small, large):
    schedule, (t, s) = CosineSchedule(0.1), times(t, s)
    assert Ddpm("small").update(schedule, t, s, None).noise == pytest.approx(small, abs=1e-3)
    assert Ddpm("large").update(schedule, t, s, None).noise == pytest.approx(large, abs=1e-3)


def test_large_variance_inflates_the_state_before_the_last_call_as_measured():
    """Standard deviation at t = 0.1 with the true x0: 0.931 from the right state before, 0.934 after all ten steps."""
    schedule, whole = CosineSchedule(0.1), 1.0
    for t, s in itertools.pairwise(grid_times("trailing", 10, schedule)[:-1]):
        row = Ddpm("large").update(schedule, t, s, None)
        one = row.x**2 * float(schedule.sigma(t)) ** 2 + row.noise**2
        whole = row.x**2 * whole + row.noise**2
    assert one**0.5 == pytest.approx(0.931, abs=5e-4)
    assert whole**0.5 == pytest.approx(0.934, abs=5e-4)
    assert scales(schedule, *times(0.1))[1] == pytest.approx(0.846, abs=5e-4)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_ddim_is_its_papers_formula(t, s):
    """alpha_s x0 + sqrt(sigma_s^2 - fresh^2) eps + fresh noise, fresh = eta sqrt(sigma_s^2 / sigma_t^2 (1 - ratio))."""
    schedule, (t, s) = CosineSchedule(0.1), times(t, s)
    alpha_s, sigma_s, alpha_t, sigma_t = scales(schedule, s, t)
    for eta in (0.0, 0.4, 1.0):
        fresh = eta * sigma_s / sigma_t * math.sqrt(1 - alpha_t**2 / alpha_s**2)
        on_eps = math.sqrt(max(0.0, sigma_s**2 - fresh**2))
        row = Ddim(eta).update(schedule, t, s, None)
        assert row.noise == pytest.approx(fresh, rel=1e-7)
        assert row.x == pytest.approx(on_eps / sigma_t, rel=1e-6)
        assert row.x0 == pytest.approx(alpha_s - on_eps * alpha_t / sigma_t, rel=1e-6)


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_ddim_with_eta_one_is_ddpm(schedule, t, s):
    t, s = times(t, s)
    one, other = Ddim(1.0).update(schedule, t, s, None), Ddpm("small").update(schedule, t, s, None)
    assert (one.x, one.x0, one.noise) == pytest.approx((other.x, other.x0, other.noise), rel=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_two_ddim_steps_with_one_x0_equal_one(schedule):
    t, u, s = times(0.8, 0.5, 0.2)
    x_t, x0 = torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).double()
    between = Ddim().update(schedule, t, u, None)(x_t, x0)
    twice = Ddim().update(schedule, u, s, None)(between, x0)
    torch.testing.assert_close(twice, Ddim().update(schedule, t, s, None)(x_t, x0))


@pytest.mark.parametrize(("before", "t", "s"), [(1.0, 0.9, 0.8), (0.7, 0.5, 0.2), (0.2, 0.19, 0.001)])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_multistep_rule_is_algorithm_2_of_its_paper(schedule, before, t, s):
    """Lu et al. 2022 in its own symbols: lambda is half log SNR, h its steps, r their ratio."""
    before, t, s = times(before, t, s)
    lam_before, lam_t, lam_s = (float(schedule.log_snr(u)) / 2 for u in (before, t, s))
    h, r = lam_s - lam_t, (lam_t - lam_before) / (lam_s - lam_t)
    alpha_s, sigma_s, _, sigma_t = scales(schedule, s, t)
    row = DpmSolverPP2M().update(schedule, t, s, before)
    assert row.x == pytest.approx(sigma_s / sigma_t, rel=1e-9)
    assert row.x0 == pytest.approx(-alpha_s * math.expm1(-h) * (1 + 1 / (2 * r)), rel=1e-9)
    assert row.other == pytest.approx(alpha_s * math.expm1(-h) / (2 * r), rel=1e-9)


@pytest.mark.parametrize("sampler", [DpmSolverPP2M(), Heun()], ids=repr)
def test_first_tries_are_ddim(sampler):
    t, s = times(0.7, 0.4)
    assert sampler.update(CosineSchedule(0.1), t, s, None) == Ddim().update(CosineSchedule(0.1), t, s, None)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_a_corrected_step_is_exact_where_x0_is_linear_in_alpha_over_sigma(t, s):
    """d(x / sigma) = (p + q k) dk has the solution p k + q k^2 / 2."""
    schedule, (t, s), (p, q) = CosineSchedule(0.5), times(t, s), (0.3, -0.7)
    alpha_s, sigma_s, alpha_t, sigma_t = scales(schedule, s, t)
    k_s, k_t = alpha_s / sigma_s, alpha_t / sigma_t
    row, x_t = Heun().correction(schedule, t, s), 1.1
    exact = sigma_s * (x_t / sigma_t + p * (k_s - k_t) + q * (k_s**2 - k_t**2) / 2)
    assert row.x * x_t + row.x0 * (p + q * k_t) + row.other * (p + q * k_s) == pytest.approx(exact, rel=1e-9)


def heun_of_edm(schedule, t, s, x_t, x0_t, x0_s):
    """Heun's rule in the variable of Karras et al. 2022, d(x / alpha) = eps d(sigma / alpha)."""
    alpha_s, sigma_s, alpha_t, sigma_t = scales(schedule, s, t)
    step = sigma_s / alpha_s - sigma_t / alpha_t
    eps_t = (x_t - alpha_t * x0_t) / sigma_t
    first_try = alpha_s * (x_t / alpha_t + step * eps_t)
    eps_s = (first_try - alpha_s * x0_s) / sigma_s
    return alpha_s * (x_t / alpha_t + step * (eps_t + eps_s) / 2)


def test_in_edms_variable_the_first_step_would_amplify_predictions_174_times():
    schedule, (t, s) = CosineSchedule(0.1), times(1.0, 0.9)
    alpha_s = scales(schedule, s)[0]
    theirs = heun_of_edm(schedule, t, s, 0.0, 0.0, 1.0) / alpha_s
    ours = Heun().correction(schedule, t, s).other / alpha_s
    assert abs(theirs) == pytest.approx(174, abs=1)
    assert 0 < ours < 0.5


def test_both_variables_agree_on_small_steps():
    schedule, (t, s) = CosineSchedule(0.5), times(0.5, 0.4999)
    row = Heun().correction(schedule, t, s)
    for x_t, x0_t, x0_s in [(1.0, 0.0, 0.0), (0.5, 0.8, 0.79)]:
        ours = row.x * x_t + row.x0 * x0_t + row.other * x0_s
        assert ours == pytest.approx(heun_of_edm(schedule, t, s, x_t, x0_t, x0_s), abs=1e-6)


@pytest.mark.parametrize("sampler", DETERMINISTIC + STOCHASTIC, ids=repr)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("grid", ["trailing", "uniform", "log-snr"])
def test_rows_are_finite_on_every_grid(sampler, schedule, grid):
    for n_steps in (2, 12):
        calls = grid_times(grid, n_steps, schedule)[:-1]
        before = None
        for t, s in itertools.pairwise(calls):
            for row in filter(None, (sampler.update(schedule, t, s, before), sampler.correction(schedule, t, s))):
                assert all(math.isfinite(weight) for weight in (row.x, row.x0, row.other, row.noise))
            before = t


def test_samplers_say_what_they_need():
    assert not any(sampler.is_stochastic for sampler in DETERMINISTIC)
    assert all(sampler.is_stochastic for sampler in STOCHASTIC)
    t, s = times(0.5, 0.4)
    assert all(sampler.update(CosineSchedule(), t, s, None).noise > 0 for sampler in STOCHASTIC)
    assert all(sampler.update(CosineSchedule(), t, s, None).noise == 0 for sampler in DETERMINISTIC)
