"""What a path that somebody wants to open is; told from a bounded part of it, in the caller's own thread.

Of a file that is its first bytes, of a pickle its whole first entry (which must end within 64 MiB), of a folder its
names: 200 of each folder looked into, and 20,000 in all where it could be TCIA's tree.
"""

from __future__ import annotations

from pathlib import Path

from napari_ambiseg.session_file import SUFFIX
from training.data.forms.sniffing import recognise
from training.data.hdf5 import is_hdf5
from training.data.reading import seems_annotated
from training.data.scan import is_scan
from training.errors import DataFormatError

HDF5 = "hdf5"  # opens at once, as a scan does; every other form is converted first
SCAN = "scan"  # an image that nobody annotated
SESSION = "session"  # what the viewer wrote down of itself

_READABLE = 300  # letters


def layout_if_ours(path: Path) -> str | None:
    """The name of the form that ``path`` looks like; None for what is not ours, and may be another plugin's.

    HDF5 is looked into by the process that may die of it, for which this waits as `seems_annotated` says.
    """
    if _why_not(path):
        return None
    if _is_session(path):
        return SESSION
    if path.is_file() and is_hdf5(path):  # a pipe would be waited for
        return HDF5 if seems_annotated(path) else None
    return recognise(path) or (SCAN if is_scan(path) else None)


def layout_of(path: Path) -> str:
    """The same for a path that the user asks us for; any HDF5 file is then opened, and tells what it lacks.

    Raises
    ------
    DataFormatError
        If there is nothing, or nothing of ours, or it cannot be looked at.
    """
    if why := _why_not(path):
        raise DataFormatError(f"{_shortened(path)}: cannot be opened: {why}; choose another file")
    if _is_session(path):
        return SESSION
    if path.is_file() and is_hdf5(path):
        return HDF5
    name = recognise(path) or (SCAN if is_scan(path) else None)
    if name is not None:
        return name
    if not path.exists():
        raise DataFormatError(f"{path}: there is no such file or folder")
    what = "folder" if path.is_dir() else "file"
    raise DataFormatError(
        f"{path}: no annotated slices are recognised in this {what}; "
        "docs/data.md shows what can be opened, and which of its folders to choose"
    )


def _why_not(path: Path) -> str:
    """Why nothing can be learnt of a path, such as that it is too long for any file; "" where something can."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""  # which others tell
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)  # embedded null byte
    return ""


def _shortened(path: Path) -> str:
    """A path, or the beginning of one that nobody would read."""
    text = str(path)
    return text if len(text) <= _READABLE else f"{text[:_READABLE]} ... ({len(text)} letters)"


def _is_session(path: Path) -> bool:
    """By its name, which `session.Session.save` insists on."""
    return path.name.endswith(SUFFIX) and path.is_file()
