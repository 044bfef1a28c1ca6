"""A row of float32 has one meaning: on a GPU no contender multiplies in TF32, nor does the reference."""

import importlib.util

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from training import precision
from training.bench import drawers, entrants, roofline, trainers
from training.bench.drawers import Task
from training.bench.fresh import fresh_denoiser
from training.bench.peers import NEEDS
from training.bench.roofline import product_contenders
from training.bench.trainers import Training
from training.data.phantom import phantom_case
from training.segmenters import diffusion, micro_batches

CPU = torch.device("cpu")
HERE = [name for name, needs in NEEDS.items() if all(importlib.util.find_spec(module) for module in needs)]
EXACT, COARSE = ("ieee", "ieee"), ("tf32", "tf32")


def switches():
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision


def allow(products_and_convolutions):
    for switch, value in zip(
        (torch.backends.cuda.matmul, torch.backends.cudnn.conv), products_and_convolutions, strict=True
    ):
        switch.fp32_precision = value


@pytest.fixture
def seen(monkeypatch):
    """The switches at each convolution; they allow TF32 unless someone forbids it, as for a GPU."""
    exactly = precision.exactly
    for module in (entrants, roofline, diffusion, micro_batches):
        monkeypatch.setattr(module, "exactly", lambda _, name: exactly(torch.device("cuda"), name))
    before = switches()
    allow(COARSE)
    seen = set()
    hook = register_module_forward_pre_hook(
        lambda module, _: seen.add(switches()) if isinstance(module, torch.nn.Conv2d) else None
    )
    yield seen
    hook.remove()
    after = switches()
    allow(before)
    assert after == COARSE  # as the fixture left them


def test_everybody_draws_in_float32_without_tf32(small, seen):
    task = Task(fresh_denoiser(small), phantom_case(0, 0, 32).slice.image, 2, 2, CPU)
    everybody = [task.own_entrant("fp32"), task.plain_entrant()]
    everybody += [entrant for name in HERE for entrant in task.peer_entrants(name, small, ["fp32"])]
    for entrant in everybody:
        seen.clear()
        entrant.call()
        assert seen == {EXACT}, entrant.name


def test_everybody_trains_in_float32_without_tf32(small, seen):
    training = Training(small, fresh_denoiser(small), 1, CPU, 4)
    for entrant in (
        training.own_entrant("fp32"),
        training.plain_entrant(),
        *(training.peer_entrant(name, "fp32") for name in HERE),
    ):
        seen.clear()
        entrant.call()
        assert seen == {EXACT}, entrant.name
    coarse = training.own_entrant("bf16")
    seen.clear()
    coarse.call()
    assert seen == {COARSE}  # what is left of float32 there is as in a training


def test_references_and_what_is_compared_with_them_have_no_tf32(small, seen, monkeypatch):
    for module in (drawers, trainers):
        monkeypatch.setattr(module, "count_gflop", lambda _: 1.0)  # runs a network whose numbers nobody reads
    task = Task(fresh_denoiser(small), phantom_case(0, 0, 32).slice.image, 1, 2, CPU)
    task.own_entrant("fp32")
    task.plain_entrant()
    for name in HERE:
        list(task.peer_entrants(name, small, ["fp32"]))
    training = Training(small, fresh_denoiser(small), 1, CPU, 4)
    training.own_entrant("fp32")
    training.plain_entrant()
    assert seen == {EXACT}


def test_the_product_beside_float32_has_no_tf32(seen, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda *_: switches())
    assert product_contenders(CPU)[0].call() == EXACT
