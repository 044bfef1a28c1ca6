"""The sampling process at work: answers the viewer's commands one after the other, and listens while it draws.

No torch here: what draws comes from a `Backend`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, runtime_checkable

from napari_ambiseg.messages import (
    Answer,
    Cancelled,
    Command,
    Devices,
    DevicesWanted,
    Died,
    Estimate,
    EstimateWanted,
    Failed,
    Finished,
    Noted,
    SampleRequest,
)
from napari_ambiseg.viewer_line import ViewerGoneError, ViewerLine
from napari_ambiseg.watched_walk import SupersededError, WatchedWalk
from training.errors import AmbisegError, DeviceLostError
from training.machine import DeviceFact
from training.model_card import newest_checkpoint
from training.parent import report_bug
from training.segmenters.interface import SegmentationSampler, StepwiseSampler


class Backend(Protocol):
    """What draws, and where."""

    def load(self, wanted: SampleRequest | EstimateWanted, tell: Callable[[str], None]) -> SegmentationSampler:
        """The segmenter that is asked for; ``tell`` gets a line each time that memory runs out."""

    def facts(self) -> Sequence[DeviceFact]:
        """The devices, the fastest first."""

    def held_bytes(self) -> int:
        """GPU memory that is kept for the next request."""


@runtime_checkable
class _Timed(Protocol):
    """A segmenter that can say how long it will take."""

    @property
    def batch(self) -> int: ...

    def estimate(self, shape: tuple[int, int], n: int, *, between: Callable[[], None]) -> float: ...


class Server:
    """Serves one viewer over one connection; keeps the segmenter of the last request warm."""

    def __init__(self, connection: Connection, backend: Backend) -> None:
        self._line, self._backend = ViewerLine(connection), backend
        self._warm: tuple[tuple[object, ...], SegmentationSampler] | None = None
        self._walk: WatchedWalk | None = None  # of the last request
        self._generation = 0  # its number

    def run(self) -> None:
        """Answer commands until the viewer hangs up.

        Raises
        ------
        DeviceLostError
            When a device gave up.  The viewer knows it then; this process has to end without another call to it.
        """
        try:
            while True:
                command = self._line.waiting.popleft() if self._line.waiting else self._line.receive()
                try:
                    self._serve(command)
                except DeviceLostError as error:
                    self._line.send(Died(str(error)))
                    raise
        except ViewerGoneError:
            return

    def _serve(self, command: Command) -> None:
        """Answer a command.  Whatever goes wrong but the loss of a device is an answer: the warm process goes on."""
        if not isinstance(command, SampleRequest | EstimateWanted | DevicesWanted):
            return  # it was for a walk that has ended
        try:
            answer: Answer = self._answered(command)
        except SupersededError:
            if isinstance(command, EstimateWanted):
                return  # nobody waits for it any more
            is_newer = any(isinstance(waiting, SampleRequest) for waiting in self._line.waiting)
            if self._walk is not None and not is_newer:
                self._walk.send_kept()  # it was cancelled, and what came so far may be looked at
            answer = _given_up(command, "")
        except (DeviceLostError, ViewerGoneError):
            raise
        except AmbisegError as error:
            answer = _given_up(command, str(error))
        except Exception as error:  # a bug of ours must not cost the warm process
            answer = _given_up(command, report_bug(error), is_bug=True)
        self._line.send(answer)

    def _answered(self, command: SampleRequest | EstimateWanted | DevicesWanted) -> Answer:
        if isinstance(command, DevicesWanted):
            return Devices(tuple(self._backend.facts()))
        return self._estimated(command) if isinstance(command, EstimateWanted) else self._sample(command)

    def _sample(self, request: SampleRequest) -> Finished:
        self._generation = request.generation
        self._walk = walk = WatchedWalk(self._line, request)
        started = time.perf_counter()
        walk.attend()
        segmenter = self._segmenter(request).given(request.case)
        walk.attend()
        x0_hat = None
        if isinstance(segmenter, StepwiseSampler):
            x0_hat = walk.run(segmenter)
            masks = x0_hat > 0
        else:
            walk.tell_loaded(segmenter)
            masks = segmenter.draw(request.case.image, request.n, request.seed).masks
        return Finished(
            request.generation,
            masks,
            time.perf_counter() - started - walk.held_for,
            dict(segmenter.provenance),
            x0_hat,
            self._backend.held_bytes(),
        )

    def _estimated(self, wanted: EstimateWanted) -> Estimate:
        self._require_idle()
        segmenter = self._segmenter(wanted)
        device = str(segmenter.provenance.get("device", ""))
        if not isinstance(segmenter, _Timed):
            return Estimate(wanted, math.nan, wanted.n, device)
        seconds = segmenter.estimate(wanted.shape, wanted.n, between=self._require_idle)
        return Estimate(wanted, seconds, segmenter.batch, device)

    def _require_idle(self) -> None:
        """Raise SupersededError if something is to be drawn, or another estimate is wanted."""
        self._line.take_in()
        if any(isinstance(command, SampleRequest | EstimateWanted) for command in self._line.waiting):
            raise SupersededError

    def _segmenter(self, wanted: SampleRequest | EstimateWanted) -> SegmentationSampler:
        """The warm segmenter if it is the one asked for, else a newly loaded one."""
        key = (wanted.model, _stamp(wanted.model), wanted.device, wanted.wish)
        if self._warm is None or self._warm[0] != key:
            self._warm = None  # give the old one's memory back before the new one takes its own
            self._warm = (key, self._backend.load(wanted, self._note))
        return self._warm[1]

    def _note(self, text: str) -> None:
        self._line.send(Noted(self._generation, text))


def _given_up(command: SampleRequest | EstimateWanted | DevicesWanted, text: str, *, is_bug: bool = False) -> Answer:
    """The answer to what could not be done; without a text it was cancelled."""
    if isinstance(command, EstimateWanted):
        return Estimate(command, math.nan, problem=f"no estimate: {text}" if is_bug else text)
    if isinstance(command, DevicesWanted):
        return Devices((), f"the devices cannot be listed: {text}")
    if not text:
        return Cancelled(command.generation)
    return Failed(command.generation, f"sampling failed: {text}" if is_bug else text)


def _stamp(model: str) -> tuple[str, int]:
    """What a model's path means now (nothing for a shipped name): a run that goes on is loaded again."""
    path = Path(model)
    newest = newest_checkpoint(path) if path.is_dir() else path
    return (str(newest), newest.stat().st_mtime_ns) if newest is not None and newest.is_file() else ("", 0)
