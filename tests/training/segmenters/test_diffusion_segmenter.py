"""Drawing masks: the same ones whatever the batch, for images of any size."""

import numpy as np
import pytest
import torch

import training.segmenters.diffusion as module
from training.build import build_denoiser, build_sampler, load_segmenter
from training.config import load_config
from training.errors import CheckpointError, ConfigError, DataFormatError, DeviceError
from training.segmenters.diffusion import DiffusionSegmenter
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


def segmenter(denoiser, sampler="ddpm", steps=3):
    return DiffusionSegmenter(denoiser, build_sampler(sampler), steps, name="test")


@pytest.fixture
def image():
    return np.random.default_rng(0).random((32, 32), dtype=np.float32)


def flips_per_million(a, b):
    return (a != b).mean() * 1e6


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "ddpm-large"])
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


def test_padding_leaves_a_fitting_image_alone(denoiser, image):
    """The first 32 columns of a wider image see the same noise only if nothing was padded on the left or top."""
    padded = segmenter(denoiser)._pad(torch.from_numpy(image[:31, :30])[None, None])
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
