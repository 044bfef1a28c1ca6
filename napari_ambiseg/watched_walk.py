"""One walk in the sampling process: its states go to the viewer, which may pause, step or cancel it meanwhile."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from napari_ambiseg.messages import (
    Cancel,
    Command,
    DevicesWanted,
    EstimateWanted,
    Loaded,
    Pause,
    Paused,
    Progressed,
    Resume,
    SampleRequest,
    StepOnce,
    Stepped,
    Watch,
)
from napari_ambiseg.viewer_line import ViewerLine
from training.records import FloatArray, Step
from training.segmenters.interface import SegmentationSampler, StepwiseSampler


class SupersededError(Exception):
    """What is under way was cancelled, or something newer is wanted."""


def frame_indices(n_steps: int, max_frames: int) -> tuple[int, ...]:
    """Which states of a walk of ``n_steps`` to keep: evenly spread, both ends in, at most ``max_frames``."""
    count = min(n_steps + 1, max(max_frames, 2))
    return tuple(int(index) for index in np.linspace(0, n_steps, count).round())


class WatchedWalk:
    """What is drawn for one request, and how far the viewer lets it go.

    Parameters
    ----------
    line : to the viewer
    request : what is drawn

    Attributes
    ----------
    held_for : seconds that it was paused so far
    """

    def __init__(self, line: ViewerLine, request: SampleRequest) -> None:
        self._line, self._request = line, request
        self._watched = request.watched
        self._paused = False
        self._one_state = False  # hold again at the next state that is sent
        self._unsent: list[Stepped] = []
        self.held_for = 0.0

    def run(self, segmenter: StepwiseSampler) -> FloatArray:
        """Send the states that are to be kept, and return the clean masks predicted last.

        Raises
        ------
        SupersededError
            See `attend`.
        """
        request = self._request
        frames = frame_indices(segmenter.n_steps, request.max_frames)
        self.tell_loaded(segmenter, segmenter.n_steps, frames)
        for step in segmenter.walk(request.case.image, request.n, request.seed, between=self.attend):
            if step.index in frames:
                self._unsent.append(_stepped(request.generation, step))
                self._paused, self._one_state = self._paused or self._one_state, False
            if step.index < segmenter.n_steps:
                self.attend()
                if self._watched or self._paused:
                    self.send_kept()
                else:
                    self._line.send(Progressed(request.generation, step.index))
                self._hold(step.index)
        self.send_kept()
        return step.x0_hat

    def tell_loaded(self, segmenter: SegmentationSampler, steps: int = 0, frames: tuple[int, ...] = ()) -> None:
        """Say what will draw, and which states of how many steps will come."""
        device = str(segmenter.provenance.get("device", "cpu"))  # what needs no network names no device
        self._line.send(Loaded(self._request.generation, segmenter.name, device, steps, frames))

    def send_kept(self) -> None:
        """Send the states that are kept and were not sent yet."""
        for stepped in self._unsent:
            self._line.send(stepped)
        self._unsent.clear()

    def attend(self) -> None:
        """Look, without waiting, what the viewer wants of this walk.

        Raises
        ------
        SupersededError
            If it was cancelled, or something newer is to be drawn.
        """
        self._line.take_in()
        later: deque[Command] = deque()
        superseded, generation = False, self._request.generation
        for command in self._line.waiting:
            if isinstance(command, DevicesWanted | EstimateWanted):
                later.append(command)
            elif command.generation > generation:
                later.append(command)
                superseded |= isinstance(command, SampleRequest)
            elif command.generation == generation:
                superseded |= isinstance(command, Cancel)
                self._obey(command)
        self._line.waiting = later
        if superseded:
            raise SupersededError

    def _obey(self, command: Command) -> None:
        if isinstance(command, Watch):
            self._watched = command.watched
        elif isinstance(command, Pause | Resume | StepOnce):
            self._paused, self._one_state = isinstance(command, Pause), isinstance(command, StepOnce)

    def _hold(self, index: int) -> None:
        """Wait here while the walk is paused."""
        if not self._paused:
            return
        self._line.send(Paused(self._request.generation, index))
        began = time.perf_counter()
        while self._paused:
            self._line.waiting.append(self._line.receive())
            self.attend()
        self.held_for += time.perf_counter() - began


def _stepped(generation: int, step: Step) -> Stepped:
    return Stepped(
        generation,
        step.index,
        float(step.t),
        float(step.log_snr),
        step.x_t.astype(np.float16),
        step.x0_hat.astype(np.float16),
        step.masks,
    )
