"""The denoiser: always a clipped clean mask in float32, with and without guidance."""

import pytest
import torch

from training.diffusion.denoiser import IMAGE_MEAN, NO_IMAGE, Denoiser, signal_and_noise
from training.diffusion.prediction import EpsPrediction, VPrediction, XPrediction
from training.diffusion.schedule import CosineSchedule

PREDICTIONS = [XPrediction(), EpsPrediction(), VPrediction()]


def name(value):
    return type(value).__name__


class Looking(torch.nn.Module):
    """A backbone whose answer depends on each of its inputs; keeps the images that it saw."""

    def __init__(self):
        super().__init__()
        self.images = []

    def forward(self, x_t, t, image, x0_before, projections):
        self.images.append(image)
        return 0.3 * x_t + 0.1 * image - 0.2 * t[:, None, None, None]


@pytest.fixture
def noisy():
    generator = torch.Generator().manual_seed(5)
    return torch.randn(3, 1, 4, 4, generator=generator), torch.rand(3, 1, 4, 4, generator=generator)


def denoiser_of(prediction, b=0.5):
    return Denoiser(Looking(), CosineSchedule(b), prediction)


@pytest.mark.parametrize("value", [5.0, -5.0, 3e38])
@pytest.mark.parametrize("prediction", [XPrediction(), VPrediction()], ids=name)
def test_the_answer_is_clipped(value, prediction):
    class Constant(torch.nn.Module):
        def forward(self, x_t, t, image, x0_before, projections):
            return torch.full_like(x_t, value)

    x = torch.zeros(1, 1, 2, 2)
    answer = Denoiser(Constant(), CosineSchedule(0.1), prediction)(x, torch.tensor([0.5]), x)
    assert answer.abs().unique().tolist() == [1]


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("b", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_answers_are_finite_float32_masks_at_both_ends_of_time(prediction, b, precision):
    class Convolution(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = torch.nn.Conv2d(2, 1, 3, padding=1)

        def forward(self, x_t, t, image, x0_before, projections):
            return self.mix(torch.cat([x_t, image], dim=1))

    generator = torch.Generator().manual_seed(5)
    x_t, image = torch.randn(2, 4, 1, 6, 6, generator=generator)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        denoiser = Denoiser(Convolution(), CosineSchedule(b), prediction)
        x0_hat = denoiser(x_t, torch.tensor([0.0, 1e-6, 1 - 1e-6, 1.0]), image.sigmoid())
    assert x0_hat.dtype == torch.float32
    assert x0_hat.isfinite().all()
    assert x0_hat.abs().max() <= 1


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_one_time_for_all_is_that_time_for_each(prediction, noisy):
    x_t, image = noisy
    denoiser = denoiser_of(prediction)
    shared, each = (denoiser(x_t, torch.full((n,), 0.4), image) for n in (1, 3))
    torch.testing.assert_close(shared, each)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_guidance_one_is_the_plain_estimate_in_one_call(prediction, noisy):
    x_t, image = noisy
    denoiser = denoiser_of(prediction)
    plain = denoiser(x_t, torch.tensor([0.5]), image)
    assert len(denoiser.backbone.images) == 1
    assert torch.equal(denoiser(x_t, torch.tensor([0.5]), image, guidance=1.0), plain)
    torch.testing.assert_close(denoiser(x_t, torch.tensor([0.5]), image, guidance=1 + 1e-6), plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_guidance_zero_ignores_the_image(prediction, noisy):
    x_t, image = noisy
    denoiser = denoiser_of(prediction)
    unseen = denoiser(x_t, torch.tensor([0.5]), image, guidance=0.0)
    assert torch.equal(unseen, denoiser(x_t, torch.tensor([0.5]), 1 - image, guidance=0.0))
    assert torch.equal(unseen, denoiser(x_t, torch.tensor([0.5]), torch.full_like(image, NO_IMAGE)))
    assert not torch.equal(unseen, denoiser(x_t, torch.tensor([0.5]), image))


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("guidance", [0.5, 1.5, 4.0])
def test_guidance_is_its_papers_formula_in_eps(prediction, guidance, noisy):
    """eps = (1 - w) eps(no image) + w eps(image), then x0 from it: Ho & Salimans 2022, whose own w is one less."""
    x_t, image = noisy
    denoiser, t = denoiser_of(prediction), torch.tensor([0.3])
    alpha, sigma = signal_and_noise(denoiser.schedule, t)

    def eps_of(seen):
        x0 = prediction.to_x0(denoiser.output(x_t, t, seen), x_t, alpha, sigma)
        return (x_t - alpha * x0) / sigma

    eps = (1 - guidance) * eps_of(torch.full_like(image, NO_IMAGE)) + guidance * eps_of(image)
    expected = ((x_t - sigma * eps) / alpha).clamp(-1, 1)
    assert expected.abs().min() < 1  # not all of it clipped
    torch.testing.assert_close(denoiser(x_t, t, image, guidance=guidance), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_all_that_a_network_can_use_reaches_it(guidance, noisy):
    """The earlier estimate and the projections made before: in each call, guidance's second one too."""
    asked = []

    class Asking(torch.nn.Module):
        def forward(self, x_t, t, image, x0_before, projections):
            asked.append((x_t, x0_before, projections))
            return x_t

    x_t, image = noisy
    x0_before, projections = torch.zeros_like(x_t), [torch.zeros(1, 8)]
    denoiser = Denoiser(Asking(), CosineSchedule(0.1), VPrediction())
    denoiser(x_t, torch.tensor([0.5]), image, x0_before, projections, guidance)
    assert len(asked) == (1 if guidance == 1 else 2)
    assert all(one is x_t and two is x0_before and three is projections for one, two, three in asked)


def test_no_image_is_zero_once_normalised(noisy):
    x_t, image = noisy
    denoiser = denoiser_of(VPrediction())
    denoiser.output(x_t, torch.tensor([0.5]), torch.full_like(image, NO_IMAGE))
    assert (denoiser.backbone.images[-1] == 0).all()
    assert NO_IMAGE == IMAGE_MEAN
