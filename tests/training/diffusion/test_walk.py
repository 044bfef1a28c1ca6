"""Walks with an oracle that knows x0, in every combination; what the loop calls, when and with what."""

import itertools
import math

import pytest
import torch

from training.diffusion.denoiser import Denoiser
from training.diffusion.grids import grid_times
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.samplers import Ddim, Ddpm, DpmSolverPP2M, Heun
from training.diffusion.schedule import CosineSchedule, LinearSchedule, SigmoidSchedule
from training.diffusion.walk import walk

SAMPLERS = [Ddpm("small"), Ddpm("large"), Ddim(), Ddim(0.5), DpmSolverPP2M(), Heun()]
GRIDS = ["trailing", "uniform", "log-snr"]
PREDICTIONS = [XPrediction(), EpsPrediction(), VPrediction()]
KINDS = [CosineSchedule, LinearSchedule, SigmoidSchedule]


class Oracle(torch.nn.Module):
    """A backbone that knows the clean mask and answers in whatever the prediction type asks for."""

    def __init__(self, x0, schedule, prediction):
        super().__init__()
        self.x0, self.schedule, self.prediction = x0, schedule, prediction

    def forward(self, x_t, t, image, x0_before, projections):
        alpha, sigma = (f(t.double())[:, None, None, None] for f in (self.schedule.alpha, self.schedule.sigma))
        eps = (x_t - alpha * self.x0) / sigma
        return self.prediction.target(self.x0, eps, alpha, sigma)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda prediction: type(prediction).__name__)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_an_oracle_recovers_x0(sampler, grid, prediction, kind):
    """In every combination, for one, two and ten steps, the calls at t = 1 and the last one included.

    A rule without fresh noise also stays on the line alpha x0 + sigma eps of the noise that it started from.
    """
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(2, 1, 3, 3, generator=generator).sign()
    tolerance = 2e-3 if isinstance(prediction, EpsPrediction) else 1e-4
    for b, n_steps in itertools.product((0.1, 1.0), (1, 2, 10)):
        # At log SNR = -20, float32 leaves nothing of x0 in eps; -10 is where eps-prediction becomes possible.
        schedule = kind(b, log_snr_limit=10.0)
        times = grid_times(grid, n_steps, schedule)
        eps = torch.randn(x0.shape, generator=generator)
        states = oracle_walk(sampler, schedule, prediction, times, x0, eps, generator)
        torch.testing.assert_close(states[-1].x_t, x0, atol=tolerance, rtol=0)
        assert torch.equal(torch.stack([state.t for state in states]), times)
        if not sampler.is_stochastic:
            for state in states[:-1]:
                line = schedule.alpha(state.t) * x0 + schedule.sigma(state.t) * eps
                torch.testing.assert_close(state.x_t, line.float(), atol=tolerance, rtol=0)


def oracle_walk(sampler, schedule, prediction, times, x0, eps, generator):
    """All states of a walk that starts from the noisy mask of x0 and eps."""
    denoiser = Denoiser(Oracle(x0, schedule, prediction), schedule, prediction)
    start = (schedule.alpha(times[0]) * x0 + schedule.sigma(times[0]) * eps).float()

    def denoise(x, t, x0_before):
        return denoiser(x, t[None], torch.zeros_like(x), x0_before)

    def noise(index):
        return torch.randn(x0.shape, generator=generator) if index else start

    return list(walk(denoise, sampler, schedule, times, noise))


class Recorder:
    """A denoiser that keeps what it was asked, and answers with a number of its own at each call."""

    def __init__(self):
        self.asked, self.answers = [], []

    def __call__(self, x, t, x0_before):
        self.asked.append((x, float(t), x0_before))
        self.answers.append(torch.full_like(x, math.cos(len(self.answers))))
        return self.answers[-1]

    @property
    def times(self):
        return [t for _, t, _ in self.asked]


def walking(denoise, sampler, n_steps, noise=lambda _: torch.full((1, 1, 2, 2), 0.5)):
    schedule = CosineSchedule(0.1)
    return walk(denoise, sampler, schedule, grid_times("trailing", n_steps, schedule), noise)


def test_the_walk_is_lazy_and_calls_the_network_once_per_step():
    denoise = Recorder()
    states = walking(denoise, Ddim(), 5)
    assert denoise.asked == []
    next(states)
    assert denoise.times == [1.0]
    assert len(list(states)) == 5
    assert denoise.times == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_a_corrected_walk_calls_at_both_ends_of_every_step_but_the_last():
    denoise = Recorder()
    states = list(walking(denoise, Heun(), 3))
    assert denoise.times == pytest.approx([1, 2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert [float(state.t) for state in states] == pytest.approx([1, 2 / 3, 1 / 3, 0])


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_samplers_know_how_often_they_call(sampler, n_steps):
    denoise = Recorder()
    list(walking(denoise, sampler, n_steps))
    assert len(denoise.asked) == sampler.calls(n_steps)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_the_last_state_is_the_last_prediction(sampler):
    denoise = Recorder()
    *_, last = walking(denoise, sampler, 3)
    assert last.x_t is denoise.answers[-1]
    assert last.x0_hat is denoise.answers[-1]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_every_call_is_given_the_newest_prediction_before_it(sampler):
    denoise = Recorder()
    list(walking(denoise, sampler, 4))
    assert denoise.asked[0][2] is None
    for (_, _, x0_before), answer in zip(denoise.asked[1:], denoise.answers[:-1], strict=True):
        assert x0_before is answer


def test_the_multistep_rule_reads_the_estimate_of_the_state_before():
    schedule, denoise = CosineSchedule(0.1), Recorder()
    states = list(walking(denoise, DpmSolverPP2M(), 4))
    before, here, there = states[:3]
    row = DpmSolverPP2M().update(schedule, here.t, there.t, before.t)
    assert row.other != 0
    torch.testing.assert_close(there.x_t, row.x * here.x_t + row.x0 * here.x0_hat + row.other * before.x0_hat)


def test_a_correction_starts_over_from_the_state_it_corrects():
    schedule, denoise = CosineSchedule(0.1), Recorder()
    here, there = list(walking(denoise, Heun(), 3))[:2]
    first_try = Heun().update(schedule, here.t, there.t, None)
    row = Heun().correction(schedule, here.t, there.t)
    torch.testing.assert_close(denoise.asked[1][0], first_try(here.x_t, here.x0_hat))
    torch.testing.assert_close(there.x_t, row(here.x_t, denoise.answers[0], denoise.answers[1]))


@pytest.mark.parametrize(
    ("sampler", "asked"), [(Ddim(), [0]), (Heun(), [0]), (Ddpm(), [0, 1, 2]), (Ddim(0.1), [0, 1, 2])]
)
def test_noise_is_asked_for_by_the_steps_that_add_it(sampler, asked):
    """Not by the step to time 0, which adds none."""
    indices = []

    def noise(index):
        indices.append(index)
        return torch.zeros(1, 1, 2, 2)

    list(walking(Recorder(), sampler, 3, noise))
    assert indices == asked


def test_a_walk_keeps_no_gradient():
    weight = torch.ones(1, requires_grad=True)

    def denoise(x, t, x0_before):
        return weight * x

    *_, last = walking(denoise, Ddim(), 3)
    assert not last.x_t.requires_grad
