"""How much a source holds, counted by a process of its own: who asks goes on, whatever the source is.

Counting means reading every name of a folder, or a pickle of gigabytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty

from training.child import BLAME, ONE_THREAD, Child, memory_for, python_module
from training.talk import Talk

_COMMAND = python_module("training.data.counting_process")
_LONGEST = 2**20  # bytes of the answer


@dataclass(frozen=True)
class Counted:
    """A source holds about so many slices, of so many patients."""

    slices: int
    patients: int


@dataclass(frozen=True)
class Uncountable:
    """The source is not what it looked like; ``text`` is one line that says why."""

    text: str


Answer = Counted | Uncountable


class Counting:
    """Counts one source in a child process, begun at once.

    Parameters
    ----------
    source, layout : what to count, and the name of its form
    memory : bytes that the child may take, where the system can limit that; by default `training.child.memory_for`
    command : how to start the child

    Raises
    ------
    DeviceError
        If no process can be started.
    """

    def __init__(
        self, source: Path, layout: str, *, memory: int | None = None, command: Sequence[str] = _COMMAND
    ) -> None:
        memory = memory_for(source) if memory is None else memory
        child = Child(command, "the counting process", ONE_THREAD)
        self._talk: Talk[Answer] = Talk(
            child,
            lambda how: Uncountable(f"{source}: the counting process {how}; {BLAME}"),
            _receive,
            Connection.send_bytes,
        )
        self._talk.outbox.put(json.dumps({"source": str(source), "layout": layout, "memory": memory}).encode())

    def poll(self) -> Answer | None:
        """The answer, once, when it is there; never waits."""
        try:
            return self._talk.inbox.get_nowait()
        except Empty:
            return None

    def end(self) -> None:
        """Stop counting, and end the process."""
        self._talk.end()


def _receive(connection: Connection) -> Answer:
    facts = json.loads(connection.recv_bytes(_LONGEST))
    return Uncountable(str(facts["text"])) if "text" in facts else Counted(int(facts["slices"]), int(facts["patients"]))
