"""The opcodes of a pickle on disk, read within bounds and without running any of them."""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from training.data.forms._pickle_stand_ins import RefusalError

MAX_BYTES = 2**27  # of one entry; its text may take four times as much in memory
MAX_LINE = 256
PROTOCOLS = range(2, 6)


class PickleReader:
    """A file that gives no more than it has: a length is compared with what is left before memory is taken.

    Parameters
    ----------
    path : the file
    limit : read only so many bytes from its start; None for all
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._file = path.open("rb", buffering=2**18)
        self._size = path.stat().st_size if limit is None else min(limit, path.stat().st_size)
        self._at = 0
        self._entry = 0  # where the present entry starts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._at

    def left(self) -> int:
        """How many bytes are left."""
        return self._size - self._at

    def read(self, count: int) -> bytes:
        """Exactly so many bytes, or none at the end of the file."""
        if count > self._size - self._at and count > 1:
            raise RefusalError(f"has {self.left():,} bytes left where {count:,} should follow; it is incomplete")
        if self._at + count - self._entry > MAX_BYTES:
            raise RefusalError(f"holds more than {MAX_BYTES:,} bytes for one slice, and is refused")
        found = self._file.read(count if count <= self._size - self._at else 0)
        self._at += len(found)
        return found

    def start_entry(self) -> None:
        """What follows is counted as another entry."""
        self._entry = self._at

    def readline(self) -> bytes:
        """A short line with its end; nothing but names is written in lines."""
        found = self._file.readline(min(MAX_LINE, self.left()))
        self._at += len(found)
        # An escape in a name would be resolved, and stand for any other character.
        if not found.endswith(b"\n") or b"\\" in found:
            raise RefusalError(f"has no name of up to {MAX_LINE} characters where one should be; the file is damaged")
        return found

    def opcodes(self) -> Iterator[tuple[str, Any]]:
        """The name and the argument of each opcode up to STOP, which must be the end of the file."""
        steps = pickletools.genops(self)  # type: ignore[arg-type]  # all that it needs: read, readline, tell
        while True:
            try:
                opcode, argument, _ = next(steps)
            except (ValueError, OverflowError, AssertionError, struct.error) as error:
                raise RefusalError(f"is damaged at byte {self._at:,} ({str(error)[:120]}); copy it again") from error
            except StopIteration:
                break
            yield opcode.name, argument
        if self.left():
            raise RefusalError(f"goes on for {self.left():,} bytes after its end; it must be one pickle and no more")
