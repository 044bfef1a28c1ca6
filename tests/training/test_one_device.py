"""What runs on a GPU stays there: the same operations on torch's "meta" device, which has shapes and no numbers.

A number that the host asks for is an error there, and a tensor of the CPU beside one of the device is found: on a GPU
the first would wait, and either would break the capture of a CUDA graph.  This needs no GPU.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training.bench.phantoms import phantom_arrays
from training.build import SAMPLERS, build_denoiser, build_objective
from training.fit import augment, batches, resident
from training.fit.batches import Batches
from training.fit.step import TrainingStep
from training.noise import normal_fields
from training.presets import load_config
from training.processes import Processes
from training.rng import Purpose
from training.segmenters.diffusion import DiffusionSegmenter

META = torch.device("meta")


class Crossings(TorchDispatchMode):
    """Notes each operation that has tensors of two devices; plain numbers are tensors without dimensions to torch."""

    def __init__(self):
        super().__init__()
        self.found, self.operations = [], 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)]
        self.operations += 1
        if len({tensor.device.type for tensor in tensors}) > 1:
            self.found.append((str(operation), [(tensor.device.type, tuple(tensor.shape)) for tensor in tensors]))
        return out


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch):
    """Which this device does not know; in float32 it is off anyway."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


@pytest.fixture
def uploads(monkeypatch):
    """`upload` without page-locked memory, which only a machine with a GPU has: the shapes that went to the device."""
    shapes = []

    def upload(array, device):
        shapes.append(array.shape)
        return torch.empty(array.shape, dtype=torch.from_numpy(np.ascontiguousarray(array)).dtype, device=device)

    for module in (batches, augment, resident):
        if hasattr(module, "upload"):
            monkeypatch.setattr(module, "upload", upload)
    return shapes


class Fused:
    """Stands for torch's fused AdamW, which this device has not; what it is given must lie on the device."""

    def __init__(self, parameters, *, lr, fused, **_):
        self.parameters, self.lr, self.found_inf, self.steps = [*parameters], lr, None, 0
        assert fused

    def zero_grad(self, *, set_to_none):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        given = [self.lr, self.found_inf, *self.parameters, *(parameter.grad for parameter in self.parameters)]
        assert {tensor.device for tensor in given} == {META}
        self.steps += 1


def config(*changes):
    return load_config("tiny", ["fit.batch_size=4", "fit.precision=fp32", *changes])


def test_the_watch_finds_a_tensor_of_the_cpu_and_a_number_that_is_asked_for():
    on_device = torch.ones(2, device=META)
    with Crossings() as watch:
        on_device * torch.tensor(2.0)
    assert len(watch.found) == 1
    with pytest.raises(RuntimeError, match="meta"):
        float(on_device.sum())


@pytest.mark.parametrize(
    "changes",
    [(), ("fit.ema_decay=0.9", "diffusion.self_conditioning=true"), ("diffusion.prediction=eps", "network.patch=1")],
)
def test_a_training_step_asks_the_device_nothing_and_the_cpu_nothing(changes, monkeypatch):
    chosen = config(*changes)
    monkeypatch.setattr(torch.optim, "AdamW", Fused)
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *given, **_: clip(*given))
    step = TrainingStep(build_denoiser(chosen), build_objective(chosen), chosen.fit, Processes(device=META))
    made = [torch.empty(4, 1, 32, 32, device=META) for _ in range(3)]
    t, coins = torch.empty(4, dtype=torch.float64, device=META), torch.empty(4, dtype=torch.bool, device=META)
    image, x0, eps = made
    batch = batches.Batch(
        None, None, image, x0, t, eps, coins if "diffusion.self_conditioning=true" in changes else None
    )
    with Crossings() as watch:
        step(0, batch)
        step(1, batch)
    assert watch.found == []
    assert watch.operations > 200
    assert step.optimizer.steps == 2
    assert all(parameter.grad.device == META for parameter in step.denoiser.parameters())


@pytest.mark.parametrize("size", [32, 40])
def test_batches_send_small_vectors_and_ask_for_nothing(size, uploads):
    changes = ("fit.augment.probability=0.5", "fit.augment.dihedral=true", "diffusion.image_dropout=0.1")
    made = Batches([phantom_arrays(6, size), phantom_arrays(6, size)], config(*changes), META)
    with Crossings() as watch:
        batch = made.at(3)
    assert watch.found == []
    assert {tensor.device for tensor in (batch.image, batch.x0, batch.t, batch.eps)} == {META}
    assert max(map(np.prod, uploads)) < 4 * 32 * 32 / 8, "pixels were sent"


@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_walk_that_is_captured_asks_the_device_nothing_and_the_cpu_nothing(name, guidance):
    segmenter = DiffusionSegmenter(
        build_denoiser(config("diffusion.self_conditioning=true")),
        SAMPLERS[name],
        4,
        guidance=guidance,
        precision="fp32",
        device=META,
    )
    images = torch.empty(3, 1, 32, 32, device=META)
    with Crossings() as watch:
        x0 = segmenter._final(images, lambda _: torch.empty_like(images))
    assert watch.found == []
    assert (x0.device, x0.shape) == (META, images.shape)
    assert watch.operations > 200


def test_noise_is_made_where_it_is_used():
    with Crossings() as watch:
        fields = normal_fields(
            7, Purpose.SAMPLING_NOISE, torch.empty(5, dtype=torch.int64, device=META), 3, (8, 8), META
        )
    assert watch.found == []
    assert fields.device == META
