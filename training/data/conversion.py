"""A conversion in a process of its own: it can be watched, cancelled, and die without taking anyone along."""

from __future__ import annotations

import atexit
import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty
from typing import Any, Self

from training.child import BLAME, ONE_THREAD, Child, memory_for, python_module
from training.data.prepare import Plan, Progress
from training.talk import Talk

_COMMAND = python_module("training.data.conversion_process")
_LONGEST = 2**24  # bytes of one message
_PATIENCE = 1.5  # seconds that a cancelled child gets to remove its unfinished file itself
_TICK = 0.1  # seconds; on Windows a wait without an end cannot be interrupted


@dataclass(frozen=True)
class Prepared:
    """The file is complete and under its name; ``facts`` are those of the `training.data.prepare.Report`."""

    facts: Mapping[str, object]


@dataclass(frozen=True)
class Failed:
    """There is no new file; ``text`` is one line that says why."""

    text: str


Event = Progress | Prepared | Failed


class Conversion:
    """`training.data.prepare.prepare` in a child process, begun at once.

    Whatever happens to the child, ``out`` is either what it was before or the complete new file, and nothing else
    is left beside it.

    Parameters
    ----------
    source, out, plan : as in `training.data.prepare.prepare`
    memory : bytes that the child may take, where the system can limit that; by default `training.child.memory_for`
    command : how to start the child

    Raises
    ------
    DeviceError
        If no process can be started.
    """

    def __init__(
        self, source: Path, out: Path, plan: Plan, *, memory: int | None = None, command: Sequence[str] = _COMMAND
    ) -> None:
        self.source, self.out = Path(source), Path(out)
        self._place = Path.cwd() / self.out.parent  # where the unfinished file is, even if we go elsewhere
        self._worker: int | None = None  # the child's own idea of its process id, which names the unfinished file
        memory = memory_for(self.source) if memory is None else memory
        child = Child(command, "the converting process", ONE_THREAD)
        self._talk: Talk[bytes] | None = Talk(child, _farewell, _receive, Connection.send_bytes)
        atexit.register(self.cancel)
        order = {
            "source": str(self.source),
            "out": str(self.out),
            "folder": os.getcwd(),  # noqa: PTH109 - text for the child
            "plan": asdict(plan),
            "memory": memory,
        }
        self._talk.outbox.put(json.dumps(order).encode())

    @property
    def running(self) -> bool:
        """Whether more events may come."""
        return self._talk is not None

    def poll(self) -> list[Event]:
        """Everything that happened since the last call, in order; never waits for the child's work.

        The last event is `Prepared` or `Failed`; after `cancel` there are none.
        """
        events: list[Event] = []
        while (event := self._next(0)) is not None:
            events.append(event)
        return events

    def events(self) -> Iterator[Event]:
        """Wait for each event; ends after `Prepared`, `Failed`, or a `cancel` from elsewhere."""
        while self.running:
            if (event := self._next(_TICK)) is not None:
                yield event

    def cancel(self) -> None:
        """End the conversion within two seconds, and leave everything as it was before; harmless when it is over."""
        atexit.unregister(self.cancel)
        talk, self._talk = self._talk, None
        if talk is None:
            return
        talk.end(_PATIENCE)
        while self._worker is None and not talk.inbox.empty():
            self._event(talk.inbox.get())
        if self._worker is not None:  # a child that was killed could not remove what it had begun
            for part in self._place.glob(f".{glob.escape(self.out.name)}.{self._worker}-*.part"):
                part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.cancel()

    def _next(self, seconds: float) -> Event | None:
        """The next event that is there, or comes within this time."""
        while self._talk is not None:
            try:
                message = self._talk.inbox.get(timeout=seconds) if seconds else self._talk.inbox.get_nowait()
            except Empty:
                return None
            event = self._event(message)
            if isinstance(event, Prepared | Failed):
                self.cancel()
            if event is not None:
                return event
        return None

    def _event(self, message: bytes) -> Event | None:
        """What a message says; the child's first one is for us alone."""
        try:
            facts: dict[str, Any] = json.loads(message)
            match facts["event"]:
                case "started":
                    self._worker = int(facts["pid"])
                    return None
                case "progress":
                    return Progress(int(facts["done"]), int(facts["total"]))
                case "prepared":
                    return Prepared(dict(facts["facts"]))
                case "failed":
                    return Failed(str(facts["text"]))
                case "died":
                    how = facts["how"]
                    return Failed(f"{self.source}: the converting process {how}; {BLAME}")
        except (ValueError, TypeError, LookupError):
            pass  # said below, with any other message that makes no sense
        return Failed(f"{self.source}: the converting process sent a message that makes no sense and was ended")


def _farewell(how: str) -> bytes:
    return json.dumps({"event": "died", "how": how}).encode()


def _receive(connection: Connection) -> bytes:
    return connection.recv_bytes(_LONGEST)
