"""How much a source holds, counted by a child process: the window goes on, whatever the source is.

Counting means reading every name of a folder, or a pickle of gigabytes.  The answer comes as JSON, because a child
that read something damaged is not to be trusted with more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty

from training.child import ONE_THREAD, Child, Talk, answer_parent, limit_memory, python_module
from training.errors import AmbisegError

_COMMAND = python_module("napari_ambiseg.looking")
_MEMORY = 8 * 2**30  # bytes that looking may take, besides four times the size of a source that is one file


@dataclass(frozen=True)
class Seen:
    """What a source holds: about so many slices, of so many patients."""

    slices: int
    patients: int


@dataclass(frozen=True)
class Unusable:
    """The source is not what it looked like; ``text`` is one line for the user."""

    text: str


Answer = Seen | Unusable


class Look:
    """One look at one source, under way from the beginning.

    Parameters
    ----------
    path, layout : the source, and the name of its form
    command : how to start the child

    Raises
    ------
    DeviceError
        If no process can be started.
    """

    def __init__(self, path: Path, layout: str, command: Sequence[str] = _COMMAND) -> None:
        child = Child(command, "the process that counts the slices", ONE_THREAD)
        self._talk: Talk[Answer] = Talk(
            child, lambda how: Unusable(f"{path}: the process that counts its slices {how}"), _receive, _send
        )
        self._talk.outbox.put({"path": str(path), "layout": layout})

    def poll(self) -> Answer | None:
        """The answer, once it is there; never waits."""
        try:
            return self._talk.inbox.get_nowait()
        except Empty:
            return None

    def end(self) -> None:
        """Stop looking, and end the process."""
        self._talk.end()


def _receive(connection: Connection) -> Answer:
    answer = json.loads(connection.recv_bytes(2**20))
    return Unusable(str(answer["text"])) if "text" in answer else Seen(int(answer["slices"]), int(answer["patients"]))


def _send(connection: Connection, message: object) -> None:
    connection.send_bytes(json.dumps(message).encode())


def look(path: Path, layout: str) -> Answer:
    """Count what a source holds."""
    from training.data.forms.sniffing import open_form

    try:
        form = open_form(path, layout)
        return Seen(len(form), len({unit.patient for unit in form.units()}))
    except AmbisegError as error:
        return Unusable(str(error))
    except MemoryError:
        return Unusable(f"{path}: needs more memory than there is for it")


def main() -> None:
    """Answer one question of the viewer that started this process, then wait for its end."""
    with answer_parent() as connection:
        question = json.loads(connection.recv_bytes())
        path = Path(question["path"])
        limit_memory(_MEMORY + 4 * (path.stat().st_size if path.is_file() else 0))
        _send(connection, asdict(look(path, question["layout"])))
        connection.poll(None)  # the viewer hangs up; ended earlier, this would look like a crash


if __name__ == "__main__":
    main()
