"""What a path that somebody wants to open is; told without reading more of it than its names or first bytes."""

from __future__ import annotations

from pathlib import Path

from training.data.forms.sniffing import recognise
from training.errors import DataFormatError

HDF5 = "hdf5"  # the one form that opens at once; every other one is converted first
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def layout_of(path: Path) -> str:
    """The name of the form that ``path`` looks like; `HDF5` means that it can be opened, though it may be damaged.

    Raises
    ------
    DataFormatError
        If there is nothing, or nothing of ours.
    """
    if _begins_as_hdf5(path):
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


def _begins_as_hdf5(path: Path) -> bool:
    """Look at the first bytes alone: libhdf5 is for the process that may die of the rest."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False
