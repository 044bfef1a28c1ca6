"""The sampling process itself: loads models, walks, streams the states back.

Started by `engine.Engine` as ``python -m napari_ambiseg.engine_process``.  The one place of the plugin where torch
is imported, and that only when the first request arrives.  Standard input: the connection's key as one line of hex, then
nothing, until its end says that the viewer is gone.  Standard output: the socket's address as one line.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_ambiseg.messages import (
    Cancel,
    Cancelled,
    Command,
    Devices,
    DevicesWanted,
    Failed,
    Finished,
    Loaded,
    SampleRequest,
    Stepped,
)
from training.errors import AmbisegError
from training.records import Step
from training.segmenters.interface import StepwiseSampler

Loader = Callable[[SampleRequest], tuple[StepwiseSampler, str]]

_GRACE = 5.0  # seconds between the viewer's end and ours, if a step is still being computed


def frame_indices(n_steps: int, max_frames: int) -> tuple[int, ...]:
    """Which states of a walk of ``n_steps`` to keep: evenly spread, both ends in, at most ``max_frames``."""
    count = min(n_steps + 1, max(max_frames, 2))
    return tuple(int(index) for index in np.linspace(0, n_steps, count).round())


def load_segmenter(request: SampleRequest) -> tuple[StepwiseSampler, str]:
    """The segmenter that a request asks for, and the device that its wish became."""
    import training
    from training.device import pick_device

    device = str(pick_device(request.device))
    return training.load_segmenter(request.model, device, sampler=request.sampler, steps=request.steps), device


def device_names() -> Sequence[str]:
    """The devices of this machine."""
    from training.device import available_devices

    return available_devices()


class Server:
    """Serves one viewer over one connection; keeps the model of the last request warm."""

    def __init__(self, connection: Connection, load: Loader, devices: Callable[[], Sequence[str]]) -> None:
        self._connection, self._load, self._devices = connection, load, devices
        self._waiting: deque[Command] = deque()
        self._warm: tuple[tuple[object, ...], StepwiseSampler, str] | None = None

    def run(self) -> None:
        """Answer commands until the viewer hangs up."""
        try:
            while True:
                command = self._waiting.popleft() if self._waiting else self._connection.recv()
                if isinstance(command, DevicesWanted):
                    self._connection.send(Devices(tuple(self._devices())))
                elif isinstance(command, SampleRequest):
                    self._answer(command)
        except (EOFError, OSError):
            return  # the viewer is gone

    def _answer(self, request: SampleRequest) -> None:
        try:
            done = self._sample(request)
        except AmbisegError as error:
            done = Failed(request.generation, str(error))
        except (EOFError, OSError):
            raise
        except Exception as error:  # a bug of ours must not cost the warm process: one line there, the rest here
            traceback.print_exc()
            done = Failed(request.generation, f"sampling failed: {type(error).__name__}: {error}".splitlines()[0])
        self._connection.send(done)

    def _sample(self, request: SampleRequest) -> Finished | Cancelled:
        started = time.perf_counter()
        segmenter, device = self._segmenter(request)
        if self._superseded(request):
            return Cancelled(request.generation)
        frames = frame_indices(segmenter.n_steps, request.max_frames)
        self._connection.send(Loaded(request.generation, segmenter.name, device, segmenter.n_steps, frames))
        for step in segmenter.walk(request.image, request.n, request.seed):
            if step.index in frames:
                self._connection.send(_stepped(request.generation, step))
            if step.index == segmenter.n_steps:
                break
            if self._superseded(request):
                return Cancelled(request.generation)
        provenance: dict[str, str | int | float | None] = {
            "model": segmenter.name,
            "sampler": request.sampler,
            "steps": segmenter.n_steps,
            "samples": request.n,
            "seed": request.seed,
            "device": device,
        }
        return Finished(request.generation, step.masks, time.perf_counter() - started, provenance)

    def _segmenter(self, request: SampleRequest) -> tuple[StepwiseSampler, str]:
        """The warm segmenter if it is the one asked for, else a newly loaded one; and its device."""
        key = (request.model, _stamp(request.model), request.device, request.sampler, request.steps)
        if self._warm is None or self._warm[0] != key:
            self._warm = None  # give the old one's memory back before the new one takes its own
            self._warm = (key, *self._load(request))
        return self._warm[1:]

    def _superseded(self, request: SampleRequest) -> bool:
        """Look, without waiting, whether the viewer cancelled this request or sent a newer one."""
        while self._connection.poll():
            self._waiting.append(self._connection.recv())
        return any(
            isinstance(command, Cancel | SampleRequest) and command.generation >= request.generation
            for command in self._waiting
        )


def _stepped(generation: int, step: Step) -> Stepped:
    return Stepped(
        generation,
        step.index,
        float(step.t),
        step.x_t.astype(np.float16),
        step.x0_hat.astype(np.float16),
        np.ascontiguousarray(step.masks),
    )


def _stamp(model: str) -> float:
    """When a checkpoint was last written (0 for a shipped name), so that a newer one is loaded again."""
    path = Path(model)
    return path.stat().st_mtime if path.is_file() else 0.0


def _end_with_viewer() -> None:
    """Wait for standard input to end, which it does when the viewer's process does, then end this one too."""
    sys.stdin.read()
    time.sleep(_GRACE)  # the serving loop ends by itself between two steps; this is for a step that takes long
    os._exit(0)


def main(load: Loader = load_segmenter, devices: Callable[[], Sequence[str]] = device_names) -> None:
    """Serve the viewer that started this process until it hangs up."""
    key = bytes.fromhex(sys.stdin.readline())
    threading.Thread(target=_end_with_viewer, daemon=True).start()
    with TemporaryDirectory(prefix="ambiseg-", ignore_cleanup_errors=True) as folder:
        address = None if sys.platform == "win32" else str(Path(folder) / "door")
        with Listener(address, authkey=key) as listener:
            print(listener.address, flush=True)  # noqa: T201 - the address is this process's answer
            connection = listener.accept()
    # From here on a library that prints must not write to a pipe that nobody reads any more.
    os.dup2(2, 1)
    with connection:
        Server(connection, load, devices).run()


if __name__ == "__main__":
    main()
