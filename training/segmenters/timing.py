"""How long a walk will take, from one timed call of its network."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch
from torch import Tensor

from training.segmenters.micro_batches import MicroBatches


def seconds_per_call(network: MicroBatches, t: Tensor, image: Tensor, n: int, between: Callable[[], None]) -> float:
    """Seconds that the network takes for n samples, from one timed call with as many of them as go together.

    The first call of a shape takes a fifth longer on a CPU, and far longer on a GPU: it chooses and compiles its
    kernels.  So one is made before the timed one.

    Parameters
    ----------
    network : what is timed
    t : one of its times
    image : (1, 1, H, W) on its device
    n : samples
    between : called before each call of the network

    Raises
    ------
    DeviceError
        If the memory does not suffice for one sample.
    """

    def call(samples: int) -> None:
        images = image.expand(samples, -1, -1, -1)
        network(torch.zeros_like(images), t, images, None, between)

    call(min(n, network.size))
    while True:
        samples = min(n, network.size)
        began = _now(image.device)
        call(samples)
        seconds = _now(image.device) - began
        if samples <= network.size:  # else memory ran out, and part of the time went with trying
            return seconds * n / samples


def _now(device: torch.device) -> float:
    """Seconds of a clock, when the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()
