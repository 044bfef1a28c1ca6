"""Files that are, at any moment, either the old one or the new one, whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import ConfigError


def temporary_beside(path: Path) -> Path:
    """A name for the unfinished file: in the same folder, because a rename is atomic only within a file system."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


def publish(temporary: Path, path: Path) -> None:
    """Give a complete file its name, so that a crash or power cut leaves the old file or the new one."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened, and renaming is already durable
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove(temporary: Path) -> None:
    """Take an unfinished file away; where that cannot be, it could not be made either, which is told by then."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path, remedy: str = "choose another place") -> Iterator[None]:
    """Say in one line that a place cannot be written.

    Parameters
    ----------
    remedy : what would work

    Raises
    ------
    ConfigError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path; when the block ends well, it becomes ``path``, and when it raises, it is removed."""
    temporary = temporary_beside(path)
    try:
        yield temporary
        publish(temporary, path)
    finally:
        remove(temporary)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file at once."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
