"""One warm model: read once, however it is asked to draw."""

import gc
import os
import shutil
import weakref

import numpy as np
import pytest
import torch

import training.build as module
from training.build import ModelCache, load_segmenter
from training.errors import CheckpointError, DeviceError, DeviceLostError
from training.model_card import SHIPPED
from training.sampling_wish import SamplingWish

CPU = torch.device("cpu")


@pytest.fixture
def reads(monkeypatch):
    """The files that were read since."""
    paths = []
    read = module.load_weights

    def counted(path):
        paths.append(path.name)
        return read(path)

    monkeypatch.setattr(module, "load_weights", counted)
    return paths


@pytest.fixture
def copy(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(SHIPPED / f"demo{suffix}", tmp_path / f"copy{suffix}")
    return tmp_path / "copy.safetensors"


def test_another_way_to_draw_does_not_read_the_model_again(reads):
    cache = ModelCache()
    wishes = [{}, {"sampler": "heun"}, {"steps": 3}, {"grid": "log-snr"}, {"eta": 0.5}, {"precision": "bf16"}]
    for wish in wishes:
        load_segmenter("demo", "cpu", SamplingWish(**wish), cache=cache)
    assert reads == ["demo.safetensors"]


def test_a_warm_model_draws_the_masks_of_a_fresh_one():
    image = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    cache = ModelCache()
    load_segmenter("demo", "cpu", SamplingWish("heun", 2, precision="bf16"), cache=cache).draw(image, 1, 0)
    warm = load_segmenter("demo", "cpu", SamplingWish(steps=2), cache=cache).draw(image, 3, 0)
    fresh = load_segmenter("demo", "cpu", SamplingWish(steps=2)).draw(image, 3, 0)
    np.testing.assert_array_equal(warm.masks, fresh.masks)
    assert warm.provenance == fresh.provenance


def test_a_file_that_was_written_again_is_read_again(reads, copy):
    cache = ModelCache()
    for time in (1, 1, 2):
        os.utime(copy, (0, time))
        load_segmenter(copy, "cpu", cache=cache)
    assert reads == ["copy.safetensors"] * 2


def test_only_the_last_model_is_kept(reads, copy):
    cache = ModelCache()
    first = weakref.ref(cache.load("demo", CPU)[0])
    cache.load(copy, CPU)
    gc.collect()
    assert first() is None
    cache.load("demo", CPU)
    assert reads == ["demo.safetensors", "copy.safetensors", "demo.safetensors"]


def test_an_unloaded_model_gives_its_memory_back():
    cache = ModelCache()
    model = weakref.ref(cache.load("demo", CPU)[0])
    cache.unload()
    gc.collect()
    assert model() is None


def test_a_model_that_cannot_be_read_leaves_nothing_behind(copy):
    cache = ModelCache()
    cache.load("demo", CPU)
    copy.write_bytes(copy.read_bytes()[:1000])
    for _ in range(2):
        with pytest.raises(CheckpointError, match="does not match its card"):
            cache.load(copy, CPU)
    assert cache.load("demo", CPU)[1].name == "demo"


def test_a_device_that_gives_up_while_the_model_goes_there_is_named(monkeypatch):
    def give_up(path, device):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(module, "_load_denoiser", give_up)
    with pytest.raises(
        DeviceLostError, match=r"^cpu gave up \(CUDA error: device-side assert .*\); choose the device cpu"
    ):
        load_segmenter("demo", "cpu")


@pytest.mark.parametrize("what", ["_load_denoiser", "DiffusionSegmenter"])
def test_a_model_that_does_not_fit_into_memory_is_told_with_what_helps(monkeypatch, what):
    """Fewer samples would not: none is drawn yet."""

    def fill(*_, **__):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 8 GiB"
        )

    monkeypatch.setattr(module, what, fill)
    says = (
        r"^cpu has too little memory \(CUDA out of memory. Tried to allocate 20.00 MiB\); "
        r"end what else runs there, or choose the device cpu$"
    )
    with pytest.raises(DeviceError, match=says):
        load_segmenter("demo", "cpu")
