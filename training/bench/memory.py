"""What a model leaves behind: on the device when it is unloaded, and of the device when the process that drew ends."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from time import perf_counter, sleep

import psutil
import torch

from training.bench.machine import describe_machine
from training.bench.outcome import Group, Outcome, Row
from training.bench.targets import Finding
from training.build import ModelCache, load_segmenter
from training.child import Child, python_module
from training.data.phantom import phantom_case
from training.machine import peak_memory_mib
from training.sampling_wish import SamplingWish

HELD = "MiB held"
_DRAWING = python_module("training.bench.drawing_process")
_WORK_SPACE = (
    "what tensors hold is counted; torch keeps its libraries' work space, some 30 MiB for each stream, until the "
    "process ends, and it is given up here before counting"
)
_PATIENCE = 120.0  # seconds for a process that loads torch and a model
_SETTLE = 5.0  # seconds in which a driver takes the memory of a dead process back


def bench_memory(
    device: torch.device,
    *,
    model: str = "demo",
    samples: int = 16,
    steps: int = 10,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Load, draw and unload; then let another process do so, and end it.

    Parameters
    ----------
    device : where; on a CPU the tensors of this process and the memory of the other are counted
    model : a trained model
    samples, steps : of one drawing; it is made three times, so that a GPU captures it
    tick : told what was done

    Raises
    ------
    CheckpointError
        If there is no such model.
    DeviceError
        If no process can be started.
    ChildEndedError
        If it ended before it had drawn.
    """
    machine = describe_machine(device)
    rows = [_row("before", 0.0, before := _held(device))]
    began = perf_counter()
    cache = ModelCache()
    draw(model, str(device), samples, steps, cache)
    rows.append(_row("model drew three times", perf_counter() - began, _held(device)))
    tick(rows[-1].name)
    began = perf_counter()
    cache.unload()
    _forget_work_space(device)
    rows.append(_row("model unloaded", perf_counter() - began, after := _held(device)))
    tick(rows[-1].name)
    rows += _of_a_process(device, model, samples, steps)
    tick(rows[-1].name)
    missing = float(str(rows[-1].facts[HELD]))
    return Outcome(
        title="Memory",
        settings={"network": model, "masks": samples, "steps": steps},
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=(Group("Memory of the device", tuple(rows), ()),),
        notes=(_WORK_SPACE,) * (device.type == "cuda"),
        findings=(Finding("memory-unload", after - before), Finding("memory-process", missing)),
    )


def draw(model: str, device: str, samples: int, steps: int, cache: ModelCache) -> None:
    """Draw the masks of a phantom three times: as it is, captured, replayed."""
    segmenter = load_segmenter(model, device, SamplingWish(steps=steps), cache=cache)
    picture = phantom_case(0, 7).slice.image
    for _ in range(3):
        segmenter.draw(picture, samples, 0)


def _of_a_process(device: torch.device, model: str, samples: int, steps: int) -> list[Row]:
    """What is missing while it has drawn, and after its end."""
    before = _free(device)
    began = perf_counter()
    child = Child(_DRAWING, "the sampling process")
    try:
        wish = json.dumps({"model": model, "device": str(device), "samples": samples, "steps": steps})
        child.ask(wish.encode(), lambda connection: connection.recv_bytes(), _PATIENCE)
        during = before - _free(device) if device.type == "cuda" else _resident(child.process.pid)
        rows = [_row("another process drew", perf_counter() - began, during)]
        began = perf_counter()
    finally:
        child.end()
    missing = _still_missing(device, before) if device.type == "cuda" else _resident(child.process.pid)
    return [*rows, _row("that process ended", perf_counter() - began, missing)]


def _still_missing(device: torch.device, before: float) -> float:
    """MiB of a GPU that a dead process has not given back; the driver may take a moment."""
    until = perf_counter() + _SETTLE
    while (missing := max(0.0, before - _free(device))) > 0 and perf_counter() < until:
        sleep(0.1)
    return missing


def _free(device: torch.device) -> float:
    return torch.cuda.mem_get_info(device)[0] / 2**20 if device.type == "cuda" else 0.0


def _resident(pid: int) -> float:
    """MiB of main memory of a process; 0 once it is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        return 0.0


def _held(device: torch.device) -> float:
    """MiB that tensors of this process hold on the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.memory_allocated(device) / 2**20
    storages = {}
    for thing in gc.get_objects():
        if type(thing) in (torch.Tensor, torch.nn.Parameter) and thing.device.type == "cpu":
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return float(sum(storages.values()) / 2**20)


def _forget_work_space(device: torch.device) -> None:
    """What cuBLAS keeps for each stream; no graph may live that uses it."""
    if device.type == "cuda":
        gc.collect()
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()


def _row(name: str, seconds: float, held: float) -> Row:
    return Row(name, (max(seconds, 1e-9),), {HELD: held})
