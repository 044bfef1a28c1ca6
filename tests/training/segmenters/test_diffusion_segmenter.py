"""Drawing masks: the same ones whatever the batch, for images of any size."""

from typing import get_args

import numpy as np
import pytest
import torch

import training.segmenters.diffusion as module
from training.build import build_denoiser, build_sampler, load_segmenter
from training.config import GridName, SamplerName
from training.data.phantom import phantom_case
from training.errors import CheckpointError, ConfigError, DataFormatError, DeviceError
from training.presets import load_config
from training.sampling_wish import SamplingWish
from training.segmenters.diffusion import DiffusionSegmenter
from training.segmenters.images import pad
from training.segmenters.interface import SegmentationSampler, StepwiseSampler


@pytest.fixture(scope="module")
def denoiser():
    """A tiny network whose random weights draw something for every image."""
    model = build_denoiser(load_config("tiny"))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def segmenter(denoiser, sampler="ddpm", steps=3, **settings):
    return DiffusionSegmenter(denoiser, build_sampler(sampler), steps, name="test", **settings)


@pytest.fixture(scope="module")
def phantoms():
    return [phantom_case(index, seed=7).slice.image for index in (0, 5, 10)]


@pytest.fixture
def image():
    return np.random.default_rng(0).random((32, 32), dtype=np.float32)


def flips_per_million(a, b):
    return (a != b).mean() * 1e6


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_masks_do_not_depend_on_the_batch(denoiser, image, sampler, monkeypatch):
    together = segmenter(denoiser, sampler).draw(image, 6, seed=1).masks
    assert together.any()
    assert not together.all()
    for batch in (1, 4, 6):
        monkeypatch.setattr(module, "CPU_BATCH", batch)
        assert flips_per_million(segmenter(denoiser, sampler).draw(image, 6, seed=1).masks, together) <= 10


def test_drawing_more_leaves_the_first_ones_unchanged(denoiser, image):
    few, many = (segmenter(denoiser).draw(image, n, seed=1) for n in (2, 5))
    assert flips_per_million(many.first(2).masks, few.masks) <= 10


def test_the_demo_models_masks_do_not_depend_on_the_batch(phantoms, monkeypatch):
    """At most 10 pixels of a million, on images and weights as users have them."""
    drawn = {}
    for batch in (1, 3, 8):
        monkeypatch.setattr(module, "CPU_BATCH", batch)
        drawn[batch] = load_segmenter("demo", "cpu", SamplingWish(steps=5)).draw(phantoms[0], 8, seed=1).masks
    assert drawn[1].any()
    assert flips_per_million(drawn[3], drawn[1]) <= 10
    assert flips_per_million(drawn[8], drawn[1]) <= 10


def test_many_images_get_the_masks_that_each_gets_alone(phantoms):
    """Each with its own seed, in batches of which some hold samples of two images."""
    demo = load_segmenter("demo", "cpu", SamplingWish("ddpm", 3))
    together = demo.draw_many(phantoms, 3, seeds=[5, 6, 5])
    assert [drawn.seed for drawn in together] == [5, 6, 5]
    for image, seed, drawn in zip(phantoms, (5, 6, 5), together, strict=True):
        assert drawn.masks.any()
        assert flips_per_million(drawn.masks, demo.draw(image, 3, seed).masks) <= 10


def test_no_image_gets_no_masks(denoiser):
    assert segmenter(denoiser).draw_many([], 3, []) == []


def test_bfloat16_changes_few_pixels_of_the_demo_models_masks(phantoms):
    drawn = {
        precision: load_segmenter("demo", "cpu", SamplingWish(steps=5, precision=precision)).draw_many(
            phantoms, 4, [1, 2, 3]
        )
        for precision in ("fp32", "bf16")
    }
    exact, rounded = (np.stack([samples.masks for samples in drawn[precision]]) for precision in ("fp32", "bf16"))
    assert exact.any()
    assert 0 < flips_per_million(rounded, exact) <= 500
    assert [drawn[precision][0].provenance["precision"] for precision in drawn] == ["fp32", "bf16"]


def count_calls(denoiser, monkeypatch):
    """Counts the network calls from now on; one list entry each, the number of samples."""
    calls = []
    forward = denoiser.backbone.forward

    def counted(x_t, *rest):
        calls.append(len(x_t))
        return forward(x_t, *rest)

    monkeypatch.setattr(denoiser.backbone, "forward", counted)
    return calls


@pytest.mark.parametrize("grid", get_args(GridName))
@pytest.mark.parametrize("sampler", get_args(SamplerName))
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_the_recorded_network_calls_are_those_that_were_made(denoiser, image, sampler, grid, guidance, monkeypatch):
    calls = count_calls(denoiser, monkeypatch)
    drawing = segmenter(denoiser, sampler, 4, grid=grid, guidance=guidance)
    drawn = drawing.draw(image, 2, seed=0)
    assert len(calls) == drawn.provenance["network_calls"] == (7 if sampler == "heun" else 4) * guidance
    assert (drawn.provenance["steps"], drawn.provenance["grid"]) == (4, grid)
    assert drawn.provenance.get("guidance", 1) == guidance
    assert drawn.masks.any()
    assert not drawn.masks.all()


def test_projections_made_before_are_those_of_each_time(denoiser, image):
    """The walk with the grid's projections against the network that makes its own."""
    steps = list(segmenter(denoiser, "ddim", 3).walk(image, 2, seed=0))
    seen = torch.from_numpy(image).expand(2, 1, -1, -1)
    for step in steps[:-1]:
        with torch.no_grad():
            expected = denoiser(torch.from_numpy(step.x_t)[:, None], torch.tensor([step.t]).double(), seen)
        np.testing.assert_allclose(step.x0_hat, expected[:, 0], atol=2e-5)


def test_guidance_of_zero_does_not_see_the_image_and_more_sees_it_more(denoiser, image):
    def first_guess(image, guidance):
        return next(segmenter(denoiser, "ddim", 2, guidance=guidance).walk(image, 2, seed=0)).x0_hat

    blank, other = first_guess(image, 0), first_guess(1 - image, 0)
    np.testing.assert_array_equal(blank, other)
    plain, double = first_guess(image, 1), first_guess(image, 2)
    inside = (np.abs(plain) < 1) & (np.abs(double) < 1) & (np.abs(blank) < 1)  # where nothing was clipped
    assert inside.sum() > 100
    np.testing.assert_allclose((double - blank)[inside], 2 * (plain - blank)[inside], atol=1e-4)


def test_a_self_conditioned_network_sees_its_estimate_of_the_state_before(image, monkeypatch):
    model = build_denoiser(load_config("tiny", ["diffusion.self_conditioning=true"]))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    seen = []
    forward = model.backbone.forward

    def spied(x_t, t, image, x0_before, projections):
        seen.append(None if x0_before is None else x0_before.clone())
        return forward(x_t, t, image, x0_before, projections)

    monkeypatch.setattr(model.backbone, "forward", spied)
    monkeypatch.setattr(module, "CPU_BATCH", 2)
    steps = list(segmenter(model, "ddim", 3).walk(image, 4, seed=0))
    assert [entry is None for entry in seen] == [True, True, False, False, False, False]
    for state, at in ((0, 2), (1, 4)):
        np.testing.assert_array_equal(torch.cat(seen[at : at + 2])[:, 0], steps[state].x0_hat)


def test_another_seed_draws_other_masks(denoiser, image):
    one, other = (segmenter(denoiser).draw(image, 2, seed=seed).masks for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_the_walk_ends_with_the_drawn_masks(denoiser, image):
    drawing = segmenter(denoiser)
    steps = list(drawing.walk(image, 2, seed=1))
    assert [step.index for step in steps] == [0, 1, 2, 3]
    assert [step.t for step in steps] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert all(step.n_steps == drawing.n_steps == 3 for step in steps)
    np.testing.assert_array_equal(steps[-1].masks, drawing.draw(image, 2, seed=1).masks)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (32, 33), (31, 64), (40, 128)])
def test_images_of_any_size_are_padded_and_cut_back(denoiser, shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert segmenter(denoiser).draw(image, 2, seed=0).masks.shape == (2, *shape)


def test_padding_leaves_a_fitting_image_alone(image):
    """The first 32 columns of a wider image see the same noise only if nothing was padded on the left or top."""
    padded = pad(torch.from_numpy(image[:31, :30])[None, None], 4)
    np.testing.assert_array_equal(padded[0, 0, :31, :30], image[:31, :30])
    assert padded.shape == (1, 1, 32, 32)


def test_samples_carry_their_provenance(denoiser, image):
    drawn = segmenter(denoiser).draw(image, 1, seed=9)
    assert (drawn.seed, drawn.provenance["model"], drawn.provenance["steps"]) == (9, "test", 3)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros((2, 3, 4), np.float32), r"shape \(H, W\), got \(2, 3, 4\)"),
        (np.zeros((0, 4), np.float32), r"got \(0, 4\)"),
        (np.full((4, 4), np.nan, np.float32), "NaN or infinite"),
        (np.full((4, 4), 200, np.float32), r"in \[0, 1\], got \[200, 200\]"),
    ],
)
def test_bad_images_are_refused(denoiser, bad, says):
    with pytest.raises(DataFormatError, match=says):
        segmenter(denoiser).draw(bad, 1, seed=0)


def test_impossible_requests_are_refused(denoiser, image):
    with pytest.raises(ConfigError, match="at least 1 sample must be drawn, and at most 100000, got 0"):
        segmenter(denoiser).draw(image, 0, seed=0)
    with pytest.raises(ConfigError, match="seed must be between"):
        segmenter(denoiser).draw(image, 1, seed=-1)
    with pytest.raises(ConfigError, match="at least 1 step"):
        segmenter(denoiser, steps=0)
    with pytest.raises(ConfigError, match="unknown sampler 'dim'; choose one of: ddim, ddpm"):
        build_sampler("dim")
    with pytest.raises(ConfigError, match="guidance must be 0 or more and 1 is none, got nan"):
        segmenter(denoiser, guidance=float("nan"))
    with pytest.raises(ConfigError, match="got 1 seeds for 2 images"):
        segmenter(denoiser).draw_many([image, image], 1, [0])
    with pytest.raises(DataFormatError, match=r"one shape are needed, got \(32, 32\) and \(16, 32\)"):
        segmenter(denoiser).draw_many([image, image[:16]], 1, [0, 0])


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"grid": "even"}, "unknown grid 'even'; choose one of: trailing, uniform, log-snr"),
        ({"precision": "fp16"}, "unknown precision 'fp16'; choose one of: auto, fp32, bf16"),
        ({"sampler": "euler"}, "unknown sampler 'euler'"),
        ({"sampler": "heun", "eta": 0.5}, "eta = 0.5 means nothing to the sampler 'heun'"),
        ({"steps": 0}, "sampling.steps.*greater than 0, got 0"),
        ({"steps": 10**9}, "at most 100000"),
        ({"eta": 1.5}, "sampling.eta.*less than or equal to 1, got 1.5"),
        ({"guidance": 1000.0}, "sampling.guidance.*less than or equal to 20, got 1000"),
        ({"guidance": 2.0}, "guidance = 2 needs a model that was also trained without images"),
    ],
)
def test_wishes_that_a_model_cannot_fulfil_are_refused(wish, says):
    with pytest.raises(ConfigError, match=says):
        load_segmenter("demo", "cpu", SamplingWish(**wish))


def test_segmenters_are_what_they_say(denoiser):
    assert isinstance(segmenter(denoiser), StepwiseSampler)
    for reference in ("experts", "empty"):
        assert isinstance(load_segmenter(reference), SegmentationSampler)
        assert not isinstance(load_segmenter(reference), StepwiseSampler)


def test_an_unknown_model_is_refused():
    with pytest.raises(CheckpointError, match="no model 'nonsense'"):
        load_segmenter("nonsense")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_refused_before_anything_is_read():
    with pytest.raises(DeviceError, match="no device 'cuda'"):
        load_segmenter("nonsense", "cuda")
