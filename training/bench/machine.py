"""Where a measurement was taken: without this a time means nothing."""

from __future__ import annotations

import os
import platform

import psutil
import torch

from training.machine import cpu_name, git_commit


def describe_machine(device: torch.device) -> dict[str, str | int | float | None]:
    """Facts about the machine, as JSON values; None where the system does not tell.

    Returns
    -------
    device, cpu, cores (physical), threads (of torch), memory_gib, system, python, torch, commit (of this program, where
    it runs from a checkout; with a plus sign where files differ from it) and load (runnable processes, mean of the last
    minute, before the measurement)
    """
    on_cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_cuda else "cpu",
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if on_cuda else None,
        "commit": git_commit(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }
