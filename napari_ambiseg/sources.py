"""What a path that somebody wants to open is; told from a bounded part of it, in the caller's own thread.

Of a file that is its first bytes, of a pickle its whole first entry (which must end within 64 MiB), of a folder its
names: 200 of each folder looked into, and 20,000 in all where it could be TCIA's tree.
"""

from __future__ import annotations

from pathlib import Path

from training.data.forms.sniffing import recognise
from training.data.hdf5 import is_hdf5
from training.data.reading import seems_annotated
from training.errors import DataFormatError

HDF5 = "hdf5"  # the one form that opens at once; every other one is converted first


def layout_if_ours(path: Path) -> str | None:
    """The name of the form that ``path`` looks like; None for what is not ours, and may be another plugin's.

    HDF5 is looked into by the process that may die of it, for which this waits as `seems_annotated` says.
    """
    if path.is_file() and is_hdf5(path):  # a pipe would be waited for
        return HDF5 if seems_annotated(path) else None
    return recognise(path)


def layout_of(path: Path) -> str:
    """The same for a path that the user asks us for; any HDF5 file is then opened, and tells what it lacks.

    Raises
    ------
    DataFormatError
        If there is nothing, or nothing of ours.
    """
    if path.is_file() and is_hdf5(path):
        return HDF5
    name = recognise(path)
    if name is not None:
        return name
    if not path.exists():
        raise DataFormatError(f"{path}: there is no such file or folder")
    what = "folder" if path.is_dir() else "file"
    raise DataFormatError(
        f"{path}: no annotated slices are recognised in this {what}; "
        "docs/data.md shows what can be opened, and which of its folders to choose"
    )
