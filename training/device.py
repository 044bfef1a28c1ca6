"""Where the network runs.  A device is a wish: "auto" never fails, an explicit name does if it is not there."""

from __future__ import annotations

import torch

from training.errors import DeviceError


def available_devices() -> list[str]:
    """Names that `pick_device` accepts on this machine, the fastest first."""
    return [f"cuda:{i}" for i in range(torch.cuda.device_count())] + ["cpu"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; on the CPU torch has no class of its own for it."""
    of_the_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or of_the_cpu


def pick_device(wish: str = "auto") -> torch.device:
    """Turn a wish into a device.

    Parameters
    ----------
    wish : "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N"

    Raises
    ------
    DeviceError
        If a device that was named is not there.
    """
    have = available_devices()
    if wish == "auto":
        return torch.device(have[0])
    name = "cuda:0" if wish == "cuda" else wish
    if name not in have:
        raise DeviceError(f"no device {wish!r} on this machine; choose one of: auto, {', '.join(have)}")
    return torch.device(name)
