"""Walks as CUDA graphs: the same masks as without."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.build import load_segmenter
from training.data.phantom import phantom_case
from training.sampling_wish import SamplingWish
from training.segmenters.graphs import WalkGraphs


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


def test_graphs_of_one_stream_end_together(monkeypatch):
    """They share buffers, which torch gives up with the first of them; nothing of a GPU is needed to see the order."""
    alive, graphs = [], WalkGraphs(lambda images, _: images, 1, torch.device("cuda"))

    class Graph:
        def __init__(self, shape):
            self.images = self.drawn = torch.zeros(shape)
            self.noise, self.graph = [torch.zeros(shape)], SimpleNamespace(replay=lambda: None)
            alive.append(shape)

        def __del__(self):
            alive.remove(self.images.shape)

    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    monkeypatch.setattr(graphs, "_capture", lambda images, _: Graph(images.shape))
    kept = []
    for n in range(1, 7):
        for _ in range(3):
            graphs(torch.ones(n, 1, 2, 2), lambda _, n=n: torch.ones(n, 1, 2, 2))
        kept.append(len(alive))
    assert kept == [1, 2, 3, 4, 1, 2]
    assert graphs.clear()
    assert not graphs.clear()
    assert alive == []


@pytest.mark.parametrize(
    ("says", "refused"),
    [
        ("CUDA error: operation failed due to a previous error during capture", True),
        ("CUDA error: operation not permitted when stream is capturing", True),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_a_walk_that_cannot_be_captured_runs_as_it_is(monkeypatch, says, refused):
    """And a device that gave up is not asked again."""
    graphs, tried = WalkGraphs(lambda images, noise: images + noise(0), 1, torch.device("cuda")), []

    class Capture:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            tried.append(True)

        def __exit__(self, *_):
            raise torch.AcceleratorError(says)

    stream = SimpleNamespace(wait_stream=lambda _: None)
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    for name in ("Stream", "current_stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, lambda: stream)
    monkeypatch.setattr(torch.cuda, "graph", Capture)
    ones = torch.ones(2, 1, 4, 4)
    graphs(ones, lambda _: ones)
    if not refused:
        with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
            graphs(ones, lambda _: ones)
        return
    for _ in range(3):
        assert (graphs(ones, lambda _: ones) == 2).all()
    assert len(tried) == 1
    assert graphs.refused == {ones.shape}


@pytest.mark.cuda
@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp2m", "heun"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_replayed_walk_draws_the_masks_of_a_watched_one(sampler, precision):
    cases = [phantom_case(index, seed=7).slice.image for index in (0, 5, 10)]
    segmenter = load_segmenter("demo", "cuda", SamplingWish(sampler, precision=precision))
    for image in (*cases, cases[0]):  # eager, captured, replayed, replayed
        *_, last = segmenter.walk(image, 8, seed=3)
        assert (segmenter.draw(image, 8, seed=3).masks != last.masks).mean() * 1e6 <= 10


@pytest.mark.cuda
def test_many_shapes_take_turns():
    segmenter = load_segmenter("demo", "cuda", SamplingWish(steps=2))
    image = phantom_case(0, seed=7).slice.image
    expected = segmenter.draw(image, 7, seed=3).masks
    for _ in range(3):
        for n in range(1, 8):
            drawn = segmenter.draw(image, n, seed=3).masks
            assert (drawn != expected[:n]).mean() <= 500e-6


@pytest.mark.cuda
def test_a_gpu_draws_the_masks_of_a_cpu():
    image = phantom_case(0, seed=7).slice.image
    masks = [
        load_segmenter("demo", device, SamplingWish(precision="fp32")).draw(image, 8, 1).masks
        for device in ("cpu", "cuda")
    ]
    assert np.mean(masks[0] != masks[1]) * 1e6 <= 100
