"""Walks as CUDA graphs: the same masks as without."""

import numpy as np
import pytest
import torch

from training.build import load_segmenter
from training.data.phantom import phantom_case
from training.sampling_wish import SamplingWish
from training.segmenters.graphs import WalkGraphs

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_a_shape_that_is_met_once_is_not_captured():
    """So that one drawing does not wait for a capture; this much runs without a GPU."""
    walked = []

    def walk(images, noise):
        walked.append(images.shape)
        return images + noise(0)

    graphs = WalkGraphs(walk, 1, torch.device("cpu"))
    for shape in ((2, 1, 4, 4), (3, 1, 4, 4)):
        assert (graphs(torch.ones(shape), lambda _, shape=shape: torch.ones(shape)) == 2).all()
    assert walked == [(2, 1, 4, 4), (3, 1, 4, 4)]


@needs_cuda
@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp2m", "heun"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_replayed_walk_draws_the_masks_of_a_watched_one(sampler, precision):
    cases = [phantom_case(index, seed=7).slice.image for index in (0, 5, 10)]
    segmenter = load_segmenter("demo", "cuda", SamplingWish(sampler, precision=precision))
    for image in (*cases, cases[0]):  # eager, captured, replayed, replayed
        *_, last = segmenter.walk(image, 8, seed=3)
        assert (segmenter.draw(image, 8, seed=3).masks != last.masks).mean() * 1e6 <= 10


@needs_cuda
def test_many_shapes_take_turns():
    segmenter = load_segmenter("demo", "cuda", SamplingWish(steps=2))
    image = phantom_case(0, seed=7).slice.image
    expected = segmenter.draw(image, 7, seed=3).masks
    for _ in range(3):
        for n in range(1, 8):
            drawn = segmenter.draw(image, n, seed=3).masks
            assert (drawn != expected[:n]).mean() <= 500e-6


@needs_cuda
def test_a_gpu_draws_the_masks_of_a_cpu():
    image = phantom_case(0, seed=7).slice.image
    masks = [
        load_segmenter("demo", device, SamplingWish(precision="fp32")).draw(image, 8, 1).masks
        for device in ("cpu", "cuda")
    ]
    assert np.mean(masks[0] != masks[1]) * 1e6 <= 100
