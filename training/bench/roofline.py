"""How close to what the machine can do: arithmetic counted, and a matrix product timed in the same rounds."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from training.bench.rounds import Contender
from training.precision import Precision, exactly

Made = TypeVar("Made")

# Side of the square matrices: large enough to fill the machine, small enough to take a fraction of a second.
CPU_SIDE, GPU_SIDE = 2048, 8192


def _attention_flop(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object) -> int:
    """Of shapes (B, heads, pixels, channels): both products, queries by keys and weights by values."""
    return 2 * math.prod(query[:3]) * key[2] * (query[3] + value[3])


# Counted by torch on GPUs alone.
ATTENTION_ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flop}
PRECISIONS: Mapping[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def count_gflop(call: Callable[[], object]) -> float:
    """Multiplications and additions of one call's convolutions, products and attention, in 10^9."""
    with FlopCounterMode(display=False, custom_mapping=ATTENTION_ON_CPU) as counter:
        call()
    return float(counter.get_total_flops() / 1e9)


def product_contenders(device: torch.device) -> list[Contender]:
    """A matrix product in each precision: what this machine computes at most in practice, now."""
    return [Contender(f"product-{name}", _product(device, dtype)) for name, dtype in PRECISIONS.items()]


def product_gflop(device: torch.device) -> float:
    """Of one product."""
    return float(2 * _side(device) ** 3 / 1e9)


def held_mib(build: Callable[[], Made], device: torch.device) -> tuple[Made, float | None]:
    """Build and warm up one entrant, and the most memory of a GPU that this takes at once.

    The building counts, and not a call afterwards, since a captured step allocates nothing when it is replayed.

    Returns
    -------
    What was built; and MiB above what others held before: weights, what the network computes on its way, in training
    gradients and moments too.  None on a CPU.
    """
    if device.type != "cuda":
        return build(), None
    gc.collect()  # what others left behind is not to be freed meanwhile
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    built = build()
    torch.cuda.synchronize(device)
    return built, float((torch.cuda.max_memory_allocated(device) - before) / 2**20)


def _product(device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
    side = _side(device)
    # Not constant: a GPU's clock, and so its speed, depends on how many bits flip.
    a = torch.linspace(-1, 1, side**2, device=device).sin().view(side, side).to(dtype)
    b = a.mT.contiguous()

    def multiply() -> Tensor:
        with exactly(device, "fp32"):  # of float32 matrices
            return a @ b

    return multiply


def _side(device: torch.device) -> int:
    return CPU_SIDE if device.type == "cpu" else GPU_SIDE
