"""A walk under somebody's eyes: stopped within one network call, its memory told, its time foretold."""

import numpy as np
import pytest
import torch

import training.segmenters.diffusion as module
import training.segmenters.timing as timing
from training.build import load_segmenter
from training.data.phantom import phantom_case
from training.errors import ConfigError, DeviceError, DeviceLostError
from training.sampling_wish import SamplingWish

N, STEPS, BATCH = 7, 3, 2


class StoppedError(Exception):
    """The caller had enough."""


@pytest.fixture(scope="module")
def image():
    return phantom_case(0, seed=7).slice.image[:32, :32].copy()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "CPU_BATCH", BATCH)


def segmenter(sampler="ddpm", tell=lambda _: None):
    return load_segmenter("demo", "cpu", SamplingWish(sampler, STEPS), tell=tell)


def counted(drawing, monkeypatch, fails=lambda _: False):
    """The numbers of samples of all network calls from now on."""
    forward, calls = drawing._denoiser.forward, []

    def watched(x_t, *rest):
        calls.append(len(x_t))
        if fails(len(x_t)):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return forward(x_t, *rest)

    monkeypatch.setattr(drawing._denoiser, "forward", watched)
    return calls


@pytest.mark.parametrize(("sampler", "calls_of_steps"), [("ddim", STEPS), ("heun", 2 * STEPS - 1)])
def test_between_is_asked_before_each_network_call_of_each_micro_batch(image, monkeypatch, sampler, calls_of_steps):
    drawing = segmenter(sampler)
    calls, before = counted(drawing, monkeypatch), []
    *_, last = drawing.walk(image, N, 1, between=lambda: before.append(len(calls)))
    assert before == list(range(calls_of_steps * 4))  # 2 + 2 + 2 + 1 samples
    np.testing.assert_array_equal(last.masks, segmenter(sampler).draw(image, N, 1).masks)


@pytest.mark.parametrize("k", [1, 2, 6, 12])
@pytest.mark.parametrize("error", [StoppedError("enough"), KeyboardInterrupt(), RuntimeError("my own")])
def test_what_between_raises_comes_through_at_once_and_leaves_nothing(image, monkeypatch, k, error):
    drawing = segmenter()
    calls = counted(drawing, monkeypatch)
    asked = []

    def stop():
        asked.append(None)
        if len(asked) == k:
            raise error

    with pytest.raises(type(error)) as caught:
        list(drawing.walk(image, N, 1, between=stop))
    assert caught.value is error
    assert len(calls) == k - 1
    assert drawing.batch == BATCH
    assert torch.is_grad_enabled()
    *_, last = drawing.walk(image, N, 1)
    np.testing.assert_array_equal(last.masks, segmenter().draw(image, N, 1).masks)


@pytest.mark.parametrize("how", ["draw", "walk"])
def test_each_halving_is_told_once(image, monkeypatch, how):
    monkeypatch.setattr(module, "CPU_BATCH", 8)
    told = []
    drawing = segmenter(tell=told.append)
    counted(drawing, monkeypatch, fails=lambda samples: samples > 2)
    for _ in range(2):
        drawing.draw(image, 8, 1) if how == "draw" else list(drawing.walk(image, 8, 1))
    assert told == [
        "memory ran out with 8 samples at once; going on with 4",
        "memory ran out with 4 samples at once; going on with 2",
    ]


def clock(monkeypatch, seconds_of_call):
    """A clock that only network calls move on."""
    now = [0.0]
    monkeypatch.setattr(timing, "_now", lambda _: now[0])

    def tick(samples):
        now[0] += seconds_of_call(samples)
        return False

    return tick


@pytest.mark.parametrize(
    ("sampler", "n", "expected"),
    [("ddim", 1, 3 * 1.0), ("ddim", 2, 3 * 2.0), ("ddim", 7, 3 * 7.0), ("heun", 7, 5 * 7.0)],
)
def test_an_estimate_is_the_second_call_times_what_remains(monkeypatch, sampler, n, expected):
    """A network that takes one second for each sample, and another one for its first call."""
    drawing = segmenter(sampler)
    calls = counted(drawing, monkeypatch, fails=clock(monkeypatch, lambda samples: samples + (len(calls) == 1)))
    assert drawing.estimate((20, 24), n) == pytest.approx(expected)
    assert calls == 2 * [min(n, BATCH)]


def test_an_estimate_leaves_out_the_time_that_was_lost_with_too_large_a_batch(monkeypatch):
    monkeypatch.setattr(module, "CPU_BATCH", 8)
    told = []
    drawing = segmenter(tell=told.append)
    tick = clock(monkeypatch, float)
    counted(drawing, monkeypatch, fails=lambda samples: tick(samples) or samples > 4)
    assert drawing.estimate((16, 16), 8) == pytest.approx(STEPS * 8.0)
    assert (drawing.batch, len(told)) == (4, 1)


def test_an_estimate_can_be_stopped_and_is_no_draw(image, monkeypatch):
    drawing = segmenter()
    calls = counted(drawing, monkeypatch)

    def stop():
        raise StoppedError

    with pytest.raises(StoppedError):
        drawing.estimate(image.shape, N, between=stop)
    assert calls == []
    drawing.estimate(image.shape, N)
    np.testing.assert_array_equal(drawing.draw(image, N, 1).masks, segmenter().draw(image, N, 1).masks)


def test_impossible_estimates_are_refused(monkeypatch):
    drawing = segmenter()
    with pytest.raises(ConfigError, match="an image of 0 x 5 pixels is impossible"):
        drawing.estimate((0, 5), 4)
    with pytest.raises(ConfigError, match="at least 1 sample"):
        drawing.estimate((8, 8), 0)
    counted(drawing, monkeypatch, fails=lambda _: True)
    with pytest.raises(DeviceError, match="too little memory for one sample"):
        drawing.estimate((8, 8), 4)


def test_a_device_that_gives_up_is_told_in_an_estimate_too(monkeypatch):
    drawing = segmenter()

    def lost(*_):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(drawing._denoiser, "forward", lost)
    with pytest.raises(DeviceLostError, match="cpu gave up"):
        drawing.estimate((8, 8), 4)
