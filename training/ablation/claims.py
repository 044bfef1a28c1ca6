"""Who works on what, where several processes share one folder: the first takes it, the others come back later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from training.errors import ConfigError


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` for the block; False if another process holds it.

    The lock is the operating system's: it ends with its process, however that ends.

    Raises
    ------
    ConfigError
        If the file cannot be made.
    """
    lock = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise ConfigError(
            f"cannot write in {path.parent}: {error.strerror or error}; choose a folder that can be written"
        ) from error
    try:
        yield True
    finally:
        lock.release()
