"""The plain loops are references, so they are checked against something plainer still."""

import copy

import numpy as np
import pytest
import torch

from training.bench.fresh import fresh_denoiser, fresh_network
from training.bench.plain import PlainStep, host_batches, plain_sampling
from training.build import build_objective
from training.data.dataset import SliceArrays
from training.diffusion.prediction import XPrediction
from training.diffusion.schedule import CosineSchedule


class KnowsTheMask:
    """A denoiser that answers a mask whatever it sees, and keeps what it was asked."""

    def __init__(self, x0):
        self.x0, self.schedule, self.prediction, self.seen = x0, CosineSchedule(0.1), XPrediction(), []

    def __call__(self, x_t, t, image, x0_before=None):
        self.seen.append((x_t.clone(), float(t[0]), len(x_t), x0_before))
        return self.x0.expand(len(x_t), -1, -1, -1)


def test_the_plain_loop_walks_the_line_from_noise_to_the_mask():
    x0 = torch.where(torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1)) > 0.5, 1.0, -1.0)
    noise = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    denoiser, times = KnowsTheMask(x0), [1.0, 0.75, 0.25, 0.0]
    assert torch.equal(plain_sampling(denoiser, noise, torch.zeros(1, 1, 4, 4), times), x0.expand(3, -1, -1, -1))
    assert [t for _, t, _, _ in denoiser.seen] == times[:-1]
    # With the mask known, DDIM keeps the noise: x_t = alpha x0 + sigma eps, with eps from the start.
    schedule = denoiser.schedule
    start = torch.ones((), dtype=torch.float64)
    eps = (noise - schedule.alpha(start).float() * x0) / schedule.sigma(start).float()
    for x_t, t, _, _ in denoiser.seen[1:]:
        at = torch.tensor(t, dtype=torch.float64)
        torch.testing.assert_close(x_t, schedule.alpha(at).float() * x0 + schedule.sigma(at).float() * eps)


def test_the_plain_loop_takes_eight_at_a_time_and_hands_on_the_estimate_before():
    denoiser = KnowsTheMask(torch.ones(1, 1, 2, 2))
    drawn = plain_sampling(denoiser, torch.zeros(11, 1, 2, 2), torch.zeros(1, 1, 2, 2), [1.0, 0.5, 0.0])
    assert len(drawn) == 11
    assert [count for _, _, count, _ in denoiser.seen] == [8, 8, 3, 3]
    assert [before is None for *_, before in denoiser.seen] == [True, False, True, False]


def test_a_fresh_network_has_no_idle_layer_and_is_always_the_same(small):
    one, other = fresh_denoiser(small), fresh_denoiser(small)
    assert all(parameter.any() for name, parameter in one.named_parameters() if name.endswith("weight"))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not one.training


def test_a_fresh_network_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fresh_network(lambda: torch.nn.Linear(3, 3))
    assert torch.equal(torch.rand(1), expected)


def test_host_batches_hold_what_the_slices_hold(small):
    rng = np.random.default_rng(0)
    slices = SliceArrays(rng.integers(0, 256, (5, 40, 36), dtype=np.uint8), rng.random((5, 3, 40, 36)) > 0.5)
    batches = host_batches(slices, small, torch.device("cpu"))
    for _ in range(3):
        x0, image, t, eps = next(batches)
        assert x0.shape == image.shape == eps.shape == (4, 1, 32, 32)
        assert x0.dtype == image.dtype == eps.dtype == torch.float32
        assert set(x0.unique().tolist()) == {-1.0, 1.0}
        assert t.shape == (4,)
        assert (t >= 0).all()
        assert (t < 1).all()
        for one, mask in zip((image * 255).round().byte()[:, 0].numpy(), x0[:, 0].numpy() > 0, strict=True):
            places = [
                (index, top, left)
                for index in range(5)
                for top in range(9)
                for left in range(5)
                if np.array_equal(slices.images[index, top : top + 32, left : left + 32], one)
            ]
            ((index, top, left),) = places
            window = slices.masks[index, :, top : top + 32, left : left + 32]
            assert any(np.array_equal(expert, mask) for expert in window)


def test_a_plain_step_is_adamw_with_clipping(small):
    denoiser, objective = fresh_denoiser(small), build_objective(small)
    generator = torch.Generator().manual_seed(0)
    x0, image, eps = (torch.rand(4, 1, 32, 32, generator=generator) for _ in range(3))
    batch = torch.where(x0 > 0.5, 1.0, -1.0), image, torch.rand(4, generator=generator).double(), eps
    network = copy.deepcopy(denoiser)
    loss = PlainStep(network, lambda *b: objective(network, *b).mean(), small.fit)(0, batch)
    expected = objective(denoiser, *batch).mean()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    # AdamW's first step by hand: decay, then the clipped gradient's sign, nearly.
    expected.backward()
    grads = [parameter.grad for parameter in denoiser.parameters()]
    norm = torch.sqrt(sum(grad.double().square().sum() for grad in grads))
    rate, factor = small.fit.learning_rate, min(1.0, small.fit.clip_norm / float(norm))
    for before, grad, after in zip(denoiser.parameters(), grads, network.parameters(), strict=True):
        clipped = grad * factor
        step = rate * clipped / (clipped.abs() + 1e-8)
        torch.testing.assert_close(after, before * (1 - rate * small.fit.weight_decay) - step, atol=2e-5, rtol=1e-4)
