"""The disk under an HDF5 file being written: a full one is told in one line, and does not take HDF5 down."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from training.data._hdf5_guard import HDF5_ERRORS
from training.errors import DataFormatError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class QuietDisk(io.FileIO):
    """A new file that remembers the first failed write and keeps it from HDF5.

    libhdf5 cannot close a file whose disk is full: with 2.0.0 the process ends in a segmentation fault instead of
    an error.  So writes that follow a failure are dropped, HDF5 closes in peace, and `check` tells afterwards.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self.failure: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write all of the data, or none that counts."""
        rest = memoryview(data).cast("B")
        total = len(rest)
        while self.failure is None and len(rest):
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.failure = error
        return total

    def truncate(self, size: int | None = None) -> int:
        """Set the length, which can fail as a write can."""
        size = self.tell() if size is None else size
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.failure = error
        return size

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self.failure is not None:
            raise self.failure


@contextlib.contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """A full disk or a folder without permission, told in one line.

    Only for our own writing: the slices come from a caller's iterator, whose errors are its own.
    """
    try:
        yield
    except HDF5_ERRORS as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error).splitlines()[0]
        raise DataFormatError(f"{path}: cannot be written ({reason}); nothing was changed there") from error
