"""The counted limit: closed forms of its arithmetic, its traffic and the larger of both."""

import pytest
import torch
from torch import nn

from training.bench.counted_limit import (
    Operation,
    Speeds,
    bytes_per_second,
    operations_of,
    sampling_operations,
    speeds_of,
    training_operations,
)
from training.bench.fresh import fresh_denoiser
from training.bench.roofline import count_gflop
from training.build import build_objective

CPU = torch.device("cpu")


def test_a_convolution_is_counted_with_what_it_reads_and_writes():
    layer = nn.Conv2d(3, 5, 3, padding=1)
    with torch.no_grad():
        (found,) = operations_of(lambda: layer(torch.zeros(2, 3, 8, 8)))
    weights, bias = 5 * 3 * 9, 5
    assert found == Operation(2 * 2 * 5 * 8 * 8 * 3 * 9, 2 * 3 * 64 + 2 * 5 * 64 + weights + bias)


def test_attention_is_counted_on_a_cpu_too():
    q = torch.zeros(1, 1, 16, 4)
    with torch.no_grad():
        found = operations_of(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert sum(one.flop for one in found) == 2 * 2 * 16 * 16 * 4


def test_each_operation_takes_the_longer_of_arithmetic_and_traffic():
    speeds = Speeds(flop=100.0, bytes=10.0, itemsize=2)
    computes, moves = Operation(flop=1000.0, elements=1), Operation(flop=1.0, elements=50)
    assert speeds.counted_limit([computes]) == 10.0
    assert speeds.counted_limit([moves]) == 10.0
    assert speeds.counted_limit([computes, moves]) == 20.0
    assert Speeds(100.0, 10.0, itemsize=4).counted_limit([moves]) == 20.0


def test_a_networks_arithmetic_is_that_of_torchs_own_counter(small):
    denoiser = fresh_denoiser(small)
    masks, t = torch.zeros(2, 1, 32, 32), torch.ones(1)
    with torch.no_grad():
        expected = count_gflop(lambda: denoiser(masks, t, masks))
    assert sum(one.flop for one in sampling_operations(denoiser, 32, 2)) / 1e9 == pytest.approx(expected)


def test_a_training_step_takes_some_three_times_as_much_and_leaves_no_gradient(small):
    denoiser = fresh_denoiser(small)
    forward = sum(one.flop for one in sampling_operations(denoiser, 32, 4))
    step = sum(one.flop for one in training_operations(denoiser, build_objective(small), 32, 4))
    assert 2.5 < step / forward < 3.1  # the gradient of the image is not wanted
    assert all(parameter.grad is None for parameter in denoiser.parameters())
    assert not denoiser.training


def test_both_speeds_are_measured(monkeypatch):
    monkeypatch.setattr("training.bench.roofline.CPU_SIDE", 64)
    monkeypatch.setattr("training.bench.counted_limit.CPU_COPY", 2**12)
    found = speeds_of(CPU)
    assert found.flop > 1e6
    assert found.bytes > 1e6
    assert bytes_per_second(CPU) > 1e6
