"""Memory that runs out and devices that give up (R15 and R16), while masks are drawn."""

import sys

import numpy as np
import pytest
import torch

import training.segmenters.diffusion as module
from training.build import load_segmenter
from training.data.phantom import phantom_case
from training.errors import DeviceError, DeviceLostError
from training.sampling_wish import SamplingWish
from training.segmenters.micro_batches import MicroBatches

N, STEPS = 8, 4


@pytest.fixture(scope="module")
def image():
    return phantom_case(0, seed=7).slice.image


@pytest.fixture
def segmenter(monkeypatch):
    monkeypatch.setattr(module, "CPU_BATCH", 8)
    return load_segmenter("demo", "cpu", SamplingWish("ddpm", STEPS))


@pytest.fixture(scope="module")
def undisturbed(image):
    return load_segmenter("demo", "cpu", SamplingWish("ddpm", STEPS)).draw(image, N, seed=1).masks


def disturb(segmenter, monkeypatch, error, when):
    """Let the network raise before its call number k with b samples, where ``when(k, b)`` says so."""
    forward = segmenter._denoiser.forward
    calls = []

    def disturbed(x_t, *rest):
        calls.append(len(x_t))
        if when(len(calls), len(x_t)):
            raise error
        return forward(x_t, *rest)

    monkeypatch.setattr(segmenter._denoiser, "forward", disturbed)
    return calls


def flips_per_million(a, b):
    return (a != b).mean() * 1e6


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def draw(segmenter, image, how):
    if how == "draw":
        return segmenter.draw(image, N, seed=1).masks
    *_, last = segmenter.walk(image, N, seed=1)
    return last.masks


@pytest.mark.parametrize("how", ["draw", "walk"])
@pytest.mark.parametrize("k", [1, 2, STEPS])
@pytest.mark.parametrize(("depth", "left"), [(1, 4), (2, 2), (3, 1)])
def test_memory_that_runs_out_costs_speed_and_not_masks(
    segmenter, image, undisturbed, monkeypatch, how, k, depth, left
):
    """At call k, and so many times in a row."""
    disturb(segmenter, monkeypatch, out_of_memory(), lambda call, _: k <= call < k + depth)
    masks = draw(segmenter, image, how)
    assert undisturbed.any()
    assert flips_per_million(masks, undisturbed) <= 10
    assert segmenter.batch == left


@pytest.mark.parametrize("most", [1, 3])
def test_the_smaller_batch_is_kept(segmenter, image, undisturbed, monkeypatch, most):
    calls = disturb(segmenter, monkeypatch, out_of_memory(), lambda _, samples: samples > most)
    for how in ("draw", "walk"):
        assert flips_per_million(draw(segmenter, image, how), undisturbed) <= 10
    too_large = [samples for samples in calls if samples > most]
    assert too_large == [8, 4, 2][: len(too_large)]  # each size was tried once, and never again


def test_memory_is_given_back_before_the_next_try(segmenter, image, monkeypatch):
    """While an exception is handled, it keeps the tensors that filled the memory."""
    disturb(segmenter, monkeypatch, out_of_memory(), lambda call, _: call == 1)
    handled = []
    shrink = MicroBatches.shrink

    def watched(self):
        handled.append(sys.exc_info()[1])
        shrink(self)

    monkeypatch.setattr(MicroBatches, "shrink", watched)
    draw(segmenter, image, "draw")
    assert handled == [None]


def test_memory_that_runs_out_beside_the_network_is_met_too(segmenter, image, undisturbed, monkeypatch):
    fields, failed = module.normal_fields, []

    def failing(seed, purpose, ids, *rest):
        if len(ids) > 4:
            failed.append(len(ids))
            raise out_of_memory()
        return fields(seed, purpose, ids, *rest)

    monkeypatch.setattr(module, "normal_fields", failing)
    assert flips_per_million(draw(segmenter, image, "draw"), undisturbed) <= 10
    assert (failed, segmenter.batch) == ([8], 4)
    with pytest.raises(DeviceError, match=r"cpu has too little memory \(CUDA .* 20.00 MiB\); draw fewer masks at once"):
        draw(segmenter, image, "walk")


@pytest.mark.parametrize("how", ["draw", "walk"])
def test_too_little_memory_for_one_sample_is_an_error_with_a_remedy(segmenter, image, monkeypatch, how):
    disturb(segmenter, monkeypatch, out_of_memory(), lambda *_: True)
    with pytest.raises(DeviceError, match=r"cpu has too little memory for one sample; .* end what else runs"):
        draw(segmenter, image, how)
    assert segmenter.batch == 1


@pytest.mark.parametrize("how", ["draw", "walk"])
def test_what_the_cpu_says_when_memory_runs_out_is_understood_too(segmenter, image, monkeypatch, how):
    """torch has no class of its own for it there."""
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60, dtype=torch.uint8)
    disturb(segmenter, monkeypatch, found.value, lambda call, _: call == 2)
    draw(segmenter, image, how)
    assert segmenter.batch == 4


@pytest.mark.parametrize("how", ["draw", "walk"])
@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("a bug")])
def test_other_errors_come_through(segmenter, image, monkeypatch, how, error):
    calls = disturb(segmenter, monkeypatch, error, lambda call, _: call == 2)
    with pytest.raises(type(error)) as caught:
        draw(segmenter, image, how)
    assert caught.value is error
    assert len(calls) == 2
    assert segmenter.batch == 8


@pytest.mark.parametrize("how", ["draw", "walk"])
def test_a_device_that_gives_up_is_left_alone(segmenter, image, monkeypatch, how):
    lost = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might ...")
    calls = disturb(segmenter, monkeypatch, lost, lambda call, _: call >= 2)
    with pytest.raises(DeviceLostError, match=r"^cpu gave up \(CUDA error: an illegal .* encountered\); choose .* cpu"):
        draw(segmenter, image, how)
    assert len(calls) == 2
    assert segmenter.batch == 8


@pytest.mark.cuda
def test_a_gpu_with_little_memory_draws_the_same_masks(image):
    """The cap leaves room for some samples, but not for a whole batch."""
    expected = load_segmenter("demo", "cuda", SamplingWish(precision="fp32")).draw(image, 64, seed=1).masks
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 48 * 2**20) / total)
    try:
        capped = load_segmenter("demo", "cuda", SamplingWish(precision="fp32"))
        masks = capped.draw(image, 64, seed=1).masks
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert capped.batch < module.GPU_BATCH
    assert flips_per_million(masks, expected) <= 10
    assert np.any(masks)
