"""What is refused in an HDF5 file before any of its data is read.

HDF5 can point outside the file (external links and storage, virtual data sets) and declare terabytes in a
kilobyte.  A file of annotated slices needs none of that, so one that holds any of it, anywhere, is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import h5py

from training.errors import DataFormatError

# All that h5py raises for damaged content and a full disk: libhdf5's errors, and its own for what makes no sense.
HDF5_ERRORS = (OSError, LookupError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)

MAX_OBJECTS = 10_000
FREE_BYTES = 64 * 2**20
MAX_RATIO = 1000  # deflate cannot pass 1032:1; empty masks of a real file come to about 450:1


class damage_named:  # noqa: N801 - reads as a verb at the ``with``; a generator would cost a microsecond per row
    """Turn what h5py raises inside the ``with`` block, which should only read, into one line for the user."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HDF5_ERRORS):
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DataFormatError(
                f"{self.path}: {self.what} cannot be read ({reason}); "
                "the file is damaged or incomplete, copy or make it again"
            ) from error


def names_in(group: h5py.Group) -> str:
    """What a group holds, for a message."""
    names = [repr(name) for name in group]
    return ", ".join(names[:8] + ["..."] * (len(names) > 8)) or "nothing"


def refuse_unsafe(file: h5py.File, path: Path) -> None:
    """Refuse links, storage outside the file, and arrays that declare far more than is stored.

    An array counts with what reading it would take: its shape or one of its chunks, whichever is larger.
    Above `FREE_BYTES`, the declared bytes may be `MAX_RATIO` times the stored ones, array by array and in sum.

    Raises
    ------
    DataFormatError
        Naming the first object that is refused.
    """
    # What is stored is claimed by the file too, but cannot be more than the file itself.
    size = path.stat().st_size
    sum_declared = sum_stored = 0
    for name, dataset in _datasets(file, path):
        _refuse_outside(dataset, name, path)
        declared = _declared_bytes(dataset)
        stored = min(dataset.id.get_storage_size(), size)
        sum_declared, sum_stored = sum_declared + declared, min(sum_stored + stored, size)
        for total, backed, what in ((declared, stored, "it"), (sum_declared, sum_stored, "all up to it")):
            if total > FREE_BYTES and total > MAX_RATIO * backed:
                raise DataFormatError(
                    f"{path}: data set {name!r} is refused: {what} would take {total:,} bytes in memory, "
                    f"but only {backed:,} are stored; at most {MAX_RATIO} to 1 is read"
                )


def _datasets(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """All data sets with their names, each once; links other than to an object in this file are refused."""
    seen: set[int] = set()
    groups = [("", file["/"])]
    while groups:
        prefix, group = groups.pop()
        for child in group:
            name = f"{prefix}{child}"
            link = group.get(child, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise DataFormatError(
                    f"{path}: {name!r} is an external link to {link.filename!r} and is refused; "
                    "copy the data into this file"
                )
            if isinstance(link, h5py.SoftLink):
                raise DataFormatError(
                    f"{path}: {name!r} is a soft link to {link.path!r} and is refused; put the data in its place"
                )
            if not isinstance(link, h5py.HardLink):
                raise DataFormatError(f"{path}: {name!r} leads nowhere; the file is damaged, copy or make it again")
            item = group[child]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MAX_OBJECTS:
                raise DataFormatError(f"{path}: more than {MAX_OBJECTS} objects; a file of slices has a few dozen")
            if isinstance(item, h5py.Group):
                groups.append((f"{name}/", item))
            elif isinstance(item, h5py.Dataset):
                yield name, item


def _refuse_outside(dataset: h5py.Dataset, name: str, path: Path) -> None:
    plan = dataset.id.get_create_plist()
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        raise DataFormatError(f"{path}: data set {name!r} is virtual and is refused; copy the data into this file")
    if plan.get_layout() != h5py.h5d.CHUNKED and plan.get_external_count():
        raise DataFormatError(
            f"{path}: data set {name!r} has external storage in {dataset.external[0][0]!r} and is refused; "
            "copy the data into this file"
        )


def _declared_bytes(dataset: h5py.Dataset) -> int:
    if dataset.shape is None:
        return 0
    item = dataset.dtype.itemsize
    return int(item * max(math.prod(dataset.shape), math.prod(dataset.chunks or (0,))))
