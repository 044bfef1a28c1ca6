"""The sampling process itself: loads models, walks, streams the states back.

Started by `engine.Engine` as ``python -m napari_ambiseg.engine_process``.  The one place of the plugin where torch
is imported, and that only when the first request arrives.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_ambiseg.messages import (
    Answer,
    Cancel,
    Cancelled,
    Command,
    Devices,
    DevicesWanted,
    Died,
    Failed,
    Finished,
    Loaded,
    SampleRequest,
    Stepped,
)
from training.errors import AmbisegError, DeviceLostError
from training.model_card import newest_checkpoint
from training.parent import answer_parent, report_bug
from training.records import BoolArray, Step
from training.segmenters.interface import SegmentationSampler, StepwiseSampler

if TYPE_CHECKING:
    from training.build import ModelCache

Loader = Callable[[SampleRequest], SegmentationSampler]

_NICE = 5  # where both want the processor, the window comes first
_LOST = 71  # exit code of a process whose device gave up: EX_OSERR of sysexits.h
_GRACE = 5.0  # seconds between the viewer's end and ours, if a step is still being computed; the loop ends before


def frame_indices(n_steps: int, max_frames: int) -> tuple[int, ...]:
    """Which states of a walk of ``n_steps`` to keep: evenly spread, both ends in, at most ``max_frames``."""
    count = min(n_steps + 1, max(max_frames, 2))
    return tuple(int(index) for index in np.linspace(0, n_steps, count).round())


class WarmLoader:
    """Makes the segmenter that a request asks for; the weights stay in memory for the next request."""

    def __init__(self) -> None:
        self._cache: ModelCache | None = None

    def __call__(self, request: SampleRequest) -> SegmentationSampler:
        from training.build import ModelCache, load_segmenter

        self._cache = self._cache or ModelCache()
        return load_segmenter(
            request.model, request.device, sampler=request.sampler, steps=request.steps, cache=self._cache
        )


def device_names() -> Sequence[str]:
    """The devices of this machine."""
    from training.device import available_devices

    return available_devices()


class _ViewerGoneError(Exception):
    """The other end of the connection is closed."""


class _SupersededError(Exception):
    """The request under way was cancelled, or a newer one came."""


class Server:
    """Serves one viewer over one connection; keeps the segmenter of the last request warm."""

    def __init__(self, connection: Connection, load: Loader, devices: Callable[[], Sequence[str]]) -> None:
        self._connection, self._load, self._devices = connection, load, devices
        self._waiting: deque[Command] = deque()
        self._warm: tuple[tuple[object, ...], SegmentationSampler] | None = None

    def run(self) -> None:
        """Answer commands until the viewer hangs up.

        Raises
        ------
        DeviceLostError
            When a device gave up.  The viewer knows it then; this process has to end without another call to it.
        """
        try:
            while True:
                command = self._waiting.popleft() if self._waiting else self._receive()
                if isinstance(command, DevicesWanted):
                    self._send(Devices(tuple(self._devices())))
                elif isinstance(command, SampleRequest):
                    self._send(self._answer(command))
        except _ViewerGoneError:
            return

    def _answer(self, request: SampleRequest) -> Answer:
        try:
            return self._sample(request)
        except _SupersededError:
            return Cancelled(request.generation)
        except DeviceLostError as error:
            self._send(Died(str(error)))
            raise
        except AmbisegError as error:
            return Failed(request.generation, str(error))
        except _ViewerGoneError:
            raise
        except Exception as error:  # a bug of ours must not cost the warm process
            return Failed(request.generation, f"sampling failed: {report_bug(error)}")

    def _sample(self, request: SampleRequest) -> Finished:
        started = time.perf_counter()
        self._require_wanted(request)
        segmenter = self._segmenter(request).given(request.case)
        self._require_wanted(request)
        if isinstance(segmenter, StepwiseSampler):
            masks = self._walk(segmenter, request)
        else:
            self._loaded(segmenter, request, 0, ())
            masks = segmenter.draw(request.case.image, request.n, request.seed).masks
        provenance = {**segmenter.provenance, "samples": request.n, "seed": request.seed}
        return Finished(request.generation, masks, time.perf_counter() - started, provenance)

    def _walk(self, segmenter: StepwiseSampler, request: SampleRequest) -> BoolArray:
        """Send the states that are to be watched, and return the drawn masks."""
        frames = frame_indices(segmenter.n_steps, request.max_frames)
        self._loaded(segmenter, request, segmenter.n_steps, frames)
        for step in segmenter.walk(request.case.image, request.n, request.seed):
            if step.index in frames:
                self._send(_stepped(request.generation, step))
            if step.index < segmenter.n_steps:
                self._require_wanted(request)
        return step.masks

    def _loaded(
        self, segmenter: SegmentationSampler, request: SampleRequest, steps: int, frames: tuple[int, ...]
    ) -> None:
        device = str(segmenter.provenance.get("device", "cpu"))  # what needs no network names no device
        self._send(Loaded(request.generation, segmenter.name, device, steps, frames))

    def _segmenter(self, request: SampleRequest) -> SegmentationSampler:
        """The warm segmenter if it is the one asked for, else a newly loaded one."""
        key = (request.model, _stamp(request.model), request.device, request.sampler, request.steps)
        if self._warm is None or self._warm[0] != key:
            self._warm = None  # give the old one's memory back before the new one takes its own
            self._warm = (key, self._load(request))
        return self._warm[1]

    def _require_wanted(self, request: SampleRequest) -> None:
        """Look, without waiting, whether the viewer cancelled this request or sent a newer one."""
        while self._pending():
            self._waiting.append(self._receive())
        if any(
            isinstance(command, Cancel | SampleRequest) and command.generation >= request.generation
            for command in self._waiting
        ):
            raise _SupersededError

    # The model may raise an OSError of its own; only those of the connection mean that the viewer is gone.

    def _pending(self) -> bool:
        try:
            return self._connection.poll()
        except (EOFError, OSError) as error:
            raise _ViewerGoneError from error

    def _receive(self) -> Command:
        try:
            command: Command = self._connection.recv()
        except (EOFError, OSError) as error:
            raise _ViewerGoneError from error
        return command

    def _send(self, answer: Answer) -> None:
        try:
            self._connection.send(answer)
        except OSError as error:
            raise _ViewerGoneError from error


def _stepped(generation: int, step: Step) -> Stepped:
    return Stepped(
        generation,
        step.index,
        float(step.t),
        step.x_t.astype(np.float16),
        step.x0_hat.astype(np.float16),
        step.masks,
    )


def _stamp(model: str) -> tuple[str, int]:
    """What a model's path means now (nothing for a shipped name): a run that goes on is loaded again."""
    path = Path(model)
    newest = newest_checkpoint(path) if path.is_dir() else path
    return (str(newest), newest.stat().st_mtime_ns) if newest is not None and newest.is_file() else ("", 0)


def main(load: Loader | None = None, devices: Callable[[], Sequence[str]] = device_names) -> None:
    """Serve the viewer that started this process until it hangs up."""
    connection = answer_parent(_GRACE)
    if sys.platform != "win32":
        os.nice(_NICE)
    with connection:
        try:
            Server(connection, load or WarmLoader(), devices).run()
        except DeviceLostError:
            os._exit(_LOST)  # the interpreter's own end would free what lies on the lost device


if __name__ == "__main__":
    main()
