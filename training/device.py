"""Where the network runs.  A device is a wish: "auto" never fails, an explicit name does if it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from training.errors import DeviceError, DeviceLostError
from training.machine import DeviceFact, cpu_name


def available_devices() -> list[str]:
    """Names that `pick_device` accepts on this machine, the fastest first."""
    return [f"cuda:{i}" for i in range(torch.cuda.device_count())] + ["cpu"]


def device_facts() -> list[DeviceFact]:
    """The devices of `available_devices` with their memory as it is now, the fastest first.

    On a GPU this takes some memory for itself, at the first look.
    """
    facts = []
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        facts.append(DeviceFact(f"cuda:{i}", torch.cuda.get_device_name(i), free, total))
    memory = psutil.virtual_memory()
    return [*facts, DeviceFact("cpu", cpu_name(), memory.available, memory.total)]


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


@contextmanager
def device_errors_told(device: torch.device, *, lost: str, memory: str) -> Iterator[None]:
    """A block that works on ``device``, whose errors are told in the user's words; others come through as they are.

    Parameters
    ----------
    device : what is named
    lost, memory : what would work where the device gives up, and where its memory does not suffice

    Raises
    ------
    DeviceLostError
        If the device gave up.  Nothing more may be asked of it, and this process should end.
    DeviceError
        If its memory does not suffice.
    """
    try:
        yield
    except torch.AcceleratorError as error:
        raise DeviceLostError(f"{device} gave up ({_reason(error)}); {lost}") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(f"{device} has too little memory ({_reason(error)}); {memory}") from error


def _reason(error: Exception) -> str:
    """What torch says first: that memory ran out and how much was asked for; its own advice is left out."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return ". ".join(line.split(". ")[:2]).rstrip(".")
