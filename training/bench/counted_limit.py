"""The counted limit: the least time that a device can take, by arithmetic and traffic of each operation.

Each convolution, product and attention takes at least as long as its arithmetic at the speed of a large matrix product,
and at least as long as reading its inputs and writing its result once.  Everything else is free: a network whose norms
and activations are all fused into what stands before them would come near.  Both speeds are measured on the device.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, shape_wrapper

from training.bench.roofline import ATTENTION_ON_CPU, product_contenders, product_gflop
from training.bench.rounds import time_once
from training.diffusion.denoiser import Denoiser
from training.diffusion.objective import Objective

_COUNTS: Mapping[Any, Callable[..., float]] = {
    **flop_registry,
    **{operation: shape_wrapper(count) for operation, count in ATTENTION_ON_CPU.items()},
}

# Bytes that are copied to find how fast memory is: far more than any cache holds.
CPU_COPY, GPU_COPY = 2**26, 2**30
_COPIES = 7


@dataclass(frozen=True)
class Operation:
    """One convolution, product or attention: its multiplications and additions, and the numbers in and out."""

    flop: float
    elements: int


@dataclass(frozen=True)
class Speeds:
    """What a device does at most in a second.

    Parameters
    ----------
    flop, bytes : measured
    itemsize : bytes of a number in the precision that is meant
    """

    flop: float
    bytes: float
    itemsize: int = 2

    def counted_limit(self, operations: Sequence[Operation]) -> float:
        """The least seconds for all of them, one after the other."""
        traffic = self.itemsize / self.bytes
        return sum(max(one.flop / self.flop, one.elements * traffic) for one in operations)


def bytes_per_second(device: torch.device) -> float:
    """How fast the device's memory is read and written, by copying much of it."""
    count = CPU_COPY if device.type == "cpu" else GPU_COPY
    source = torch.zeros(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = [time_once(lambda: target.copy_(source), device) for _ in range(_COPIES)]
    return 2 * count / median(times)


def speeds_of(device: torch.device) -> Speeds:
    """Both speeds of a device in bfloat16, measured now."""
    (product,) = (one for one in product_contenders(device) if one.name == "product-bf16")
    product.call()
    seconds = median([time_once(product.call, device) for _ in range(_COPIES)])
    return Speeds(1e9 * product_gflop(device) / seconds, bytes_per_second(device))


def operations_of(call: Callable[[], object]) -> list[Operation]:
    """What a call is made of; it is run once."""
    counter = _Counter()
    with counter:
        call()
    return counter.found


def sampling_operations(denoiser: Denoiser, size: int, samples: int) -> list[Operation]:
    """Of one network call for so many samples of ``size`` x ``size`` pixels, on the network's device."""
    device = next(denoiser.parameters()).device
    masks, t = torch.zeros(samples, 1, size, size, device=device), torch.ones(1, device=device)
    with torch.no_grad():
        return operations_of(lambda: denoiser(masks, t, masks))


def training_operations(denoiser: Denoiser, objective: Objective, size: int, batch: int) -> list[Operation]:
    """Of one training step, forward and backward; the optimizer's own traffic is left out."""
    network = copy.deepcopy(denoiser).train()
    device = next(network.parameters()).device
    images, t = torch.zeros(batch, 1, size, size, device=device), torch.full((batch,), 0.5, device=device)

    def step() -> None:
        loss: Tensor = objective(network, images, images, t.double(), images).mean()
        loss.backward()

    return operations_of(step)


class _Counter(TorchDispatchMode):
    """Notes every operation whose arithmetic torch knows how to count."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[Operation] = []

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        count = _COUNTS.get(func._overloadpacket)
        if count is not None:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            elements = sum(tensor.numel() for tensor in tensors)
            self.found.append(Operation(float(count(*args, **kwargs, out_val=out)), elements))
        return out
