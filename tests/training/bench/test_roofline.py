"""Arithmetic counted."""

import pytest
import torch
import torch.nn.functional as F

from training.bench.entrants import entered
from training.bench.roofline import CPU_SIDE, count_gflop, held_mib, product_contenders, product_gflop

CPU = torch.device("cpu")


def test_a_product_counts_two_operations_for_each_pair():
    a = torch.zeros(3, 4)
    assert count_gflop(lambda: a @ torch.zeros(4, 5)) == pytest.approx(2 * 3 * 4 * 5 / 1e9)


def test_attention_counts_its_two_products_whichever_kernel_runs_it():
    # Laid out so that the CPU's fused kernel takes it, and so that it does not.
    q, k, v = (torch.zeros(2, 3, 16, 8) for _ in range(3))
    expected = 2 * 3 * (2 * 16 * 16 * 8) * 2 / 1e9
    for scale in (None, 0.25):
        assert count_gflop(lambda scale=scale: F.scaled_dot_product_attention(q, k, v, scale=scale)) == pytest.approx(
            expected
        )
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert count_gflop(lambda: F.scaled_dot_product_attention(q, k, v)) == pytest.approx(expected)


def test_a_backward_pass_counts_twice_the_forward():
    weight = torch.zeros(4, 3, 3, 3, requires_grad=True)
    x = torch.zeros(2, 3, 8, 8, requires_grad=True)
    forward = count_gflop(lambda: F.conv2d(x, weight))
    both = count_gflop(lambda: F.conv2d(x, weight).sum().backward())
    assert both == pytest.approx(3 * forward)


def test_the_products_are_as_large_as_they_say():
    for contender in product_contenders(CPU):
        assert contender.call().shape == (CPU_SIDE, CPU_SIDE)
        assert torch.isfinite(contender.call()).all()
    assert product_gflop(CPU) == 2 * CPU_SIDE**3 / 1e9


def test_memory_is_not_known_on_a_cpu():
    assert held_mib(lambda: "built", CPU) == ("built", None)


class Allocator:
    """Counts what is held on a GPU that is not there, in MiB."""

    def __init__(self):
        self.held = self.peak = 0

    def take(self, mib):
        self.held += mib
        self.peak = max(self.peak, self.held)

    def forget_peak(self):
        self.peak = self.held


@pytest.fixture
def allocator(monkeypatch):
    allocator = Allocator()
    for name, answer in {
        "synchronize": lambda _: None,
        "memory_allocated": lambda _: allocator.held * 2**20,
        "max_memory_allocated": lambda _: allocator.peak * 2**20,
        "reset_peak_memory_stats": lambda _: allocator.forget_peak(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return allocator


def test_memory_of_a_gpu_is_what_an_entrant_takes_while_it_is_built_whatever_others_hold(allocator):
    allocator.take(5000)
    allocator.take(-4000)
    network = torch.nn.Linear(1, 1)

    def entrant(weights, activations):
        def build():
            allocator.take(weights + activations)
            allocator.take(-activations)
            # Like a captured step, it allocates nothing when it is called.
            return network, lambda: "done", {}

        return entered("ours-bf16", torch.device("cuda"), 1.0, build)

    # The second finds the weights of the first, and needs less than the first did.
    assert [entrant(10, 300).memory_mib, entrant(20, 100).memory_mib] == [310, 120]


@pytest.mark.cuda
def test_memory_of_a_gpu_is_the_most_that_was_held():
    device = torch.device("cuda:0")
    others = torch.zeros(2**22, device=device)
    _, found = held_mib(lambda: torch.zeros(2**20, device=device), device)
    assert others.numel() == 2**22
    assert found == 4
