"""The door to the sampling process: start, stream steps, cancel, restart.  No Qt, no torch.

Sampling runs in one child process (`training.child`), so that the window never stalls, memory of the device is
given back when the child ends, and a crash costs a message.  Nothing here blocks the caller.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from dataclasses import replace
from queue import Empty

import psutil

from napari_ambiseg.messages import (
    Answer,
    Cancel,
    Cancelled,
    Command,
    Devices,
    DevicesWanted,
    Died,
    Estimate,
    EstimateWanted,
    Failed,
    Finished,
    Pause,
    Resume,
    SampleRequest,
    StepOnce,
    Watch,
)
from training.child import Child, python_module
from training.talk import Talk

_COMMAND = python_module("napari_ambiseg.engine_process")


def _obituary(how: str) -> Died:
    return Died(f"the sampling process {how}; Generate starts a new one, with fewer samples if it happens again")


class Engine:
    """Starts, feeds and ends the sampling process; the newest request wins.

    The model stays warm in the process between requests.

    Parameters
    ----------
    command : how to start the process; its standard input and output follow `engine_process.main`
    """

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._command = tuple(command)
        self._talk: Talk[Answer] | None = None
        self.generation = 0
        self.busy = False

    @property
    def pid(self) -> int | None:
        """Process id of the sampling process, None while there is none."""
        return self._talk.child.process.pid if self._talk is not None and self._talk.child.alive else None

    def start(self, request: SampleRequest) -> int:
        """Send a request under a new generation number, which is returned; an older one becomes stale.

        Raises
        ------
        DeviceError
            If no process can be started.
        """
        self._send(replace(request, generation=self.generation + 1))
        self.generation += 1
        self.busy = True
        return self.generation

    def ask_devices(self) -> None:
        """Ask which devices there are; `Devices` comes back through `poll`.  Errors as in `start`."""
        self._send(DevicesWanted())

    def ask_estimate(self, wanted: EstimateWanted) -> None:
        """Ask how long a drawing would take; `Estimate` comes back through `poll` when nothing is drawn any more.

        Loads the model, so nothing happens where there is no process: one that was ended to free its memory must not
        take it again for a mere estimate.
        """
        if self._talk is not None:
            self._talk.outbox.put(wanted)

    def cancel(self) -> None:
        """Stop the current request before its next step is computed; `Cancelled` comes back through `poll`."""
        self._command_walk(Cancel(self.generation))

    def pause(self) -> None:
        """Hold the current request at its next state; `Paused` comes back through `poll`."""
        self._command_walk(Pause(self.generation))

    def resume(self) -> None:
        """Go on with the current request where it is paused."""
        self._command_walk(Resume(self.generation))

    def step_once(self) -> None:
        """Go on with the current request to the next state that is sent, and hold it there."""
        self._command_walk(StepOnce(self.generation))

    def watch(self, watched: bool) -> None:
        """Say whether somebody looks at the states of the current request while they come."""
        self._command_walk(Watch(self.generation, watched))

    def poll(self) -> list[Answer]:
        """Everything that came in since the last call, without what is stale.  Never waits."""
        answers: list[Answer] = []
        while self._talk is not None:
            try:
                answer = self._talk.inbox.get_nowait()
            except Empty:
                break
            if isinstance(answer, Died):
                self._talk.end()
                self._talk, self.busy = None, False
            elif not isinstance(answer, Devices | Estimate) and answer.generation != self.generation:
                continue
            elif isinstance(answer, Finished | Failed | Cancelled):
                self.busy = False
            answers.append(answer)
        return answers

    def held_bytes(self) -> int:
        """Main memory that the sampling process takes; 0 while there is none."""
        try:
            return 0 if self.pid is None else int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:  # it ended this moment
            return 0

    def stop(self) -> None:
        """End the sampling process.  A later request starts a new one."""
        if self._talk is not None:
            self._talk.end()
        self._talk, self.busy = None, False
        atexit.unregister(self.stop)

    def _command_walk(self, command: Command) -> None:
        if self.busy and self._talk is not None:
            self._talk.outbox.put(command)

    def _send(self, command: Command) -> None:
        if self._talk is None:
            self._talk = Talk(Child(self._command, "the sampling process"), _obituary)
            atexit.unregister(self.stop)
            atexit.register(self.stop)
        self._talk.outbox.put(command)
