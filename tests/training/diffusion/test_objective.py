"""The training loss: against its literal form in x-space, at both ends of time, and with self-conditioning."""

import pytest
import torch

from training.diffusion.denoiser import Denoiser, signal_and_noise
from training.diffusion.objective import Objective
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.schedule import CosineSchedule, LinearSchedule
from training.diffusion.weighting import (
    SigmoidWeighting,
    SnrPlusOneWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
)

from .weightings import WEIGHTINGS

PREDICTIONS = [XPrediction(), EpsPrediction(), VPrediction()]


def name(value):
    return type(value).__name__


class Answer(torch.nn.Module):
    """A backbone that gives a fixed answer."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x_t, t, image, x0_before, projections):
        return self.answer


class Blend(torch.nn.Module):
    """A small convolution of all that it sees, which keeps what it saw of the earlier estimate."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.mix = torch.nn.Conv2d(3, 1, 3, padding=1)
        self.seen = []

    def forward(self, x_t, t, image, x0_before, projections):
        self.seen.append(x0_before)
        before = torch.zeros_like(x_t) if x0_before is None else x0_before
        return self.mix(torch.cat([x_t, before, image], dim=1)) + t[:, None, None, None]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    x0, eps = torch.randn(2, 4, 1, 5, 6, generator=generator)
    return {"x0": x0.sign(), "image": x0.sigmoid(), "t": torch.tensor([0.05, 0.2, 0.5, 0.8]), "eps": eps}


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_loss_in_the_networks_space_is_the_weighted_error_in_x0(weighting, prediction, derivative, batch):
    """Objective against w(SNR) * mean (x0 - x0_hat)^2 taken literally, where that is well-conditioned."""
    weight, closed_form = WEIGHTINGS[weighting]
    schedule, t = CosineSchedule(0.5), batch["t"]
    answer = torch.randn(4, 1, 5, 6, generator=torch.Generator().manual_seed(2))
    alpha, sigma = signal_and_noise(schedule, t)
    x0_hat = prediction.to_x0(answer, alpha * batch["x0"] + sigma * batch["eps"], alpha, sigma)
    literal = closed_form(schedule.log_snr(t).exp()) * (batch["x0"] - x0_hat).double().square().mean((1, 2, 3))
    if derivative:
        literal = literal * 2 * torch.pi / (torch.pi * t.double()).sin()
    loss = Objective(weight, derivative=derivative)(Denoiser(Answer(answer), schedule, prediction), **batch)
    torch.testing.assert_close(loss.double(), literal, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("b", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradient_are_finite_at_both_ends_of_time(weighting, prediction, b, dtype, batch):
    """With answers of float32 and of bfloat16 networks alike; the loss is float32 in both cases."""
    answer = torch.zeros(4, 1, 5, 6, dtype=dtype, requires_grad=True)
    batch["t"] = torch.tensor([0.0, 1e-6, 1 - 1e-6, 1.0])
    for schedule in (CosineSchedule(b), LinearSchedule(b)):
        objective = Objective(WEIGHTINGS[weighting][0], derivative=True)
        loss = objective(Denoiser(Answer(answer), schedule, prediction), **batch)
        (gradient,) = torch.autograd.grad(loss.sum(), answer)
        assert loss.dtype == torch.float32
        assert loss.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_a_perfect_answer_costs_nothing(prediction, batch):
    schedule = CosineSchedule(0.1)
    target = prediction.target(batch["x0"], batch["eps"], *signal_and_noise(schedule, batch["t"]))
    loss = Objective(TruncatedSnrWeighting())(Denoiser(Answer(target), schedule, prediction), **batch)
    assert loss.tolist() == [0, 0, 0, 0]


def test_items_do_not_mix(batch):
    objective, denoiser = Objective(SnrPlusOneWeighting()), Denoiser(Blend(), CosineSchedule(0.1), VPrediction())
    coins = torch.tensor([True, False, True, False])
    together = objective(denoiser, **batch, self_conditioned=coins)
    for i in range(4):
        alone = objective(
            denoiser, **{key: value[i : i + 1] for key, value in batch.items()}, self_conditioned=coins[i : i + 1]
        )
        torch.testing.assert_close(alone, together[i : i + 1])


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_chosen_items_see_the_networks_own_first_estimate(prediction, batch):
    """Clipped as it is in sampling, made without an estimate before it; the others see zeros."""
    blend, schedule = Blend(), CosineSchedule(0.1)
    denoiser = Denoiser(blend, schedule, prediction)
    alpha, sigma = signal_and_noise(schedule, batch["t"])
    estimate = denoiser(alpha * batch["x0"] + sigma * batch["eps"], batch["t"], batch["image"]).detach()
    blend.seen.clear()
    coins = torch.tensor([True, False, False, True])
    Objective(UniformWeighting())(denoiser, **batch, self_conditioned=coins)
    first, second = blend.seen
    assert first is None
    assert torch.equal(second[coins], estimate[coins])
    assert (second[~coins] == 0).all()
    assert estimate[~coins].abs().min() > 0


def test_without_self_conditioning_the_network_is_called_once(batch):
    blend = Blend()
    Objective(UniformWeighting())(Denoiser(blend, CosineSchedule(0.1), VPrediction()), **batch)
    assert blend.seen == [None]


def test_where_no_coin_falls_the_loss_is_that_of_zeros(batch):
    denoiser, objective = Denoiser(Blend(), CosineSchedule(0.1), VPrediction()), Objective(UniformWeighting())
    none = objective(denoiser, **batch, self_conditioned=torch.zeros(4, dtype=torch.bool))
    assert torch.equal(none, objective(denoiser, **batch))
    assert not torch.equal(none, objective(denoiser, **batch, self_conditioned=torch.ones(4, dtype=torch.bool)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_first_estimate_carries_no_gradient(precision, batch):
    """The gradient is that of a network which is handed the estimate as data; under autocast too, whose cache of cast
    weights lost it altogether in torch before pytorch#112583 was solved."""
    blend, schedule = Blend(), CosineSchedule(0.1)
    denoiser = Denoiser(blend, schedule, VPrediction())
    alpha, sigma = signal_and_noise(schedule, batch["t"])
    x_t = alpha * batch["x0"] + sigma * batch["eps"]
    target = denoiser.prediction.target(batch["x0"], batch["eps"], alpha, sigma)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = Objective(SnrPlusOneWeighting())(denoiser, **batch, self_conditioned=torch.ones(4, dtype=torch.bool))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        as_data = blend.seen[1]
        expected = (denoiser.output(x_t, batch["t"], batch["image"], as_data) - target).square().mean()
    assert not as_data.requires_grad
    gradient = torch.autograd.grad(loss.mean(), list(blend.parameters()))
    for ours, theirs in zip(gradient, torch.autograd.grad(expected, list(blend.parameters())), strict=True):
        torch.testing.assert_close(ours, theirs)
        assert ours.abs().max() > 0


@pytest.mark.cuda
def test_a_gpu_finds_the_same_loss(batch):
    objective, denoiser = (
        Objective(SigmoidWeighting(), derivative=True),
        Denoiser(Blend(), CosineSchedule(0.1), VPrediction()),
    )
    coins = torch.tensor([True, False, True, False])
    here = objective(denoiser, **batch, self_conditioned=coins)
    there = objective(
        denoiser.cuda(), **{key: value.cuda() for key, value in batch.items()}, self_conditioned=coins.cuda()
    )
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-5)  # convolutions on a GPU may use TF32
