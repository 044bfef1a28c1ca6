"""In which precision the network runs."""

from contextlib import suppress

import pytest
import torch

from training.precision import autocast, exactly, pick_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("wish", "device", "has_units", "precision"),
    [
        ("auto", CPU, True, "fp32"),
        ("auto", CUDA, True, "bf16"),
        ("auto", CUDA, False, "fp32"),  # a GPU of before 2020 only emulates it
        ("fp32", CPU, True, "fp32"),
        ("fp32", CUDA, True, "fp32"),
        ("bf16", CPU, True, "bf16"),
        ("bf16", CUDA, True, "bf16"),
    ],
)
def test_a_wish_is_fulfilled_and_auto_depends_on_the_device(monkeypatch, wish, device, has_units, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_units or including_emulation)
    assert pick_precision(wish, device) == precision


@pytest.mark.parametrize("context", [autocast, exactly])
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_weights_stay_float32_while_convolutions_run_in_that_precision(context, precision, dtype):
    layer = torch.nn.Conv2d(1, 2, 3)
    with context(CPU, precision):
        assert layer(torch.ones(1, 1, 4, 4)).dtype == dtype
    assert layer.weight.dtype == torch.float32
    assert layer(torch.ones(1, 1, 4, 4)).dtype == torch.float32


def switches():
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision


def test_drawing_in_float32_on_a_gpu_does_without_tf32_and_leaves_the_switches_as_they_were():
    """The switches exist without a GPU too."""
    before = switches()
    with suppress(KeyError), exactly(CUDA, "fp32"):
        assert switches() == ("ieee", "ieee") != before
        raise KeyError
    assert switches() == before
    with exactly(CPU, "fp32"):
        assert switches() == before
