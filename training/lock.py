"""One process at a time in a folder.

The lock is the operating system's, so it ends with its process, however that ends; who holds it stands in a file
beside it, for the one who is refused.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from training.atomic import remove, write_bytes
from training.errors import ConfigError

LOCK, HOLDER = ".lock", ".lock-holder.json"
# The holder writes its name just after it has the lock; who comes at that moment waits so long for it.
_PATIENCE = 1.0


@contextmanager
def locked(folder: Path, doing: str = "training") -> Iterator[None]:
    """Hold the folder, which is made if it is not there; ``doing`` says what for, to the one who is refused.

    Raises
    ------
    ConfigError
        If another process holds it, with its number and machine, or if the folder cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{_holder(folder)} is {doing} in {folder}; wait for it or use another folder") from None
    except OSError as error:
        raise ConfigError(f"cannot write in {folder}: {error.strerror}; choose a folder that can be written") from error
    try:
        _sign(folder)
        yield
    finally:
        remove(folder / HOLDER)
        lock.release()


def _sign(folder: Path) -> None:
    try:
        write_bytes(folder / HOLDER, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    except OSError as error:
        raise ConfigError(f"cannot write in {folder}: {error.strerror}; make room, or choose another folder") from error


def _holder(folder: Path) -> str:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            holder = json.loads((folder / HOLDER).read_bytes())
            pid, host = int(holder["pid"]), str(holder["host"])
        except (OSError, ValueError, KeyError, TypeError):
            time.sleep(0.02)
            continue
        if host != socket.gethostname() or _lives(pid):
            return f"process {pid} on {host}"
        time.sleep(0.02)  # the name of one that was killed, before the new holder has written its own
    return "another process"


def _lives(pid: int) -> bool:
    if os.name != "posix":  # there the signal 0 is not a question
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
