"""What a device is busy with, by torch's profiler: the share of time that it waits, and where the rest goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from training.bench.outcome import Fact, Row

# Kernels that a table shows.
SHOWN = 10
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Kernel:
    """All launches of one kernel; on a CPU, all calls of one operation."""

    name: str
    seconds: float
    calls: int


@dataclass(frozen=True)
class Profile:
    """What was seen during one call.

    Parameters
    ----------
    seconds : wall time, with the profiler's own cost
    busy : seconds in which the device did something; None where it does not tell, as on a CPU
    kernels : the longest first
    """

    seconds: float
    busy: float | None
    kernels: tuple[Kernel, ...]

    @property
    def idle_percent(self) -> float | None:
        """Share of the time that the device waited."""
        return None if self.busy is None else 100 * max(0.0, 1 - self.busy / self.seconds)

    def rows(self) -> tuple[Row, ...]:
        """A table of the longest kernels; there is one row at least."""
        total = sum(kernel.seconds for kernel in self.kernels) or 1.0
        shown = self.kernels[:SHOWN] or (Kernel("nothing", 0.0, 0),)
        return tuple(Row(_short(one.name), (one.seconds,), _facts(one, total)) for one in shown)


def profiled(call: Callable[[], object], device: torch.device) -> Profile:
    """Run a call once under the profiler; it should be warm."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    _wait(device)
    with profile(activities=activities) as watched:
        began = perf_counter()
        call()
        _wait(device)
        seconds = perf_counter() - began
    events = watched.events() or []
    if not on_gpu:
        return Profile(seconds, None, _by_name((e.name, e.self_cpu_time_total / 1e6) for e in events))
    ran = [e for e in events if e.device_type == DeviceType.CUDA]
    spans = sorted((e.time_range.start / 1e6, e.time_range.end / 1e6) for e in ran)
    kernels = _by_name((e.name, (e.time_range.end - e.time_range.start) / 1e6) for e in ran)
    return Profile(seconds, covered(spans) if spans else None, kernels)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans that are sorted by their beginning."""
    length, reached = 0.0, float("-inf")
    for begin, end in spans:
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length


def _by_name(times: Iterable[tuple[str, float]]) -> tuple[Kernel, ...]:
    found: dict[str, list[float]] = defaultdict(list)
    for name, seconds in times:
        found[name].append(seconds)
    kernels = [Kernel(name, sum(each), len(each)) for name, each in found.items()]
    return tuple(sorted(kernels, key=lambda kernel: -kernel.seconds))


def _facts(kernel: Kernel, total: float) -> dict[str, Fact]:
    return {"calls": kernel.calls, "% of all": 100 * kernel.seconds / total}


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
