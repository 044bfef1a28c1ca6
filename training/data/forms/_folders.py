"""Looking into folders that anyone may have made: what is listed, what is passed over, what is refused.

Passed over without a word is what operating systems and archivers leave behind.  Refused, each with its reason, are
links that lead out of the source, what is neither a file nor a folder (opening a pipe would wait for ever), and names
that could not be written into the result.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.forms.interface import Tally
from training.errors import DataFormatError

_DEBRIS = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff]")
_DIGITS = re.compile(r"(\d+)")
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EIO, getattr(errno, "ESTALE", errno.EIO), errno.ENOTCONN)
PEEKED_NAMES = 200  # of one folder, when the question is only what it looks like


@dataclass(frozen=True)
class Listing:
    """The names in one folder, in natural order.

    Parameters
    ----------
    folders, files : path by name
    """

    folders: Mapping[str, Path]
    files: Mapping[str, Path]


def natural(name: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """A sort key that puts ``slice-10`` after ``slice-9`` and ``B`` after ``a``."""
    parts = _DIGITS.split(name.casefold())
    return tuple((int(part) if index % 2 else 0, part) for index, part in enumerate(parts)), name


def look_into(folder: Path, root: Path, tally: Tally) -> Listing:
    """List a folder.

    Parameters
    ----------
    folder : the folder
    root : the source that it belongs to, which links may not leave
    tally : gets what must not be opened

    Raises
    ------
    DataFormatError
        If it cannot be listed.
    """
    folders: dict[str, Path] = {}
    files: dict[str, Path] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: natural(entry.name)):
                if _is_debris(entry.name):
                    continue
                path = folder / entry.name
                if reason := _why_refused(entry, root):
                    tally.drop(reason, repr(str(path)))
                else:
                    (folders if _is_folder(entry) else files)[entry.name] = path
    except OSError as error:
        raise DataFormatError(f"{folder}: cannot be listed ({error.strerror}); make it readable") from error
    return Listing(folders, files)


def peek(folder: Path, most: int = PEEKED_NAMES) -> tuple[list[Path], list[Path]]:
    """Some of the folders and of the files in a folder, for a guess; both empty where it cannot be listed."""
    folders: list[Path] = []
    files: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(most), strict=False):
                if not _is_debris(entry.name):
                    (folders if _is_folder(entry) else files).append(folder / entry.name)
    except (OSError, ValueError):  # ValueError: a path with a NUL
        return [], []
    return folders, files


def require_source(error: BaseException) -> None:
    """Pass over an error that concerns one file, but not one that says that the source itself is going away.

    Raises
    ------
    DataFormatError
        If a file that was listed is no longer there, or its disk does not answer any more: what is left would
        otherwise be taken for all of it, and could replace a whole file.
    """
    if isinstance(error, OSError) and error.errno in _GONE:
        raise DataFormatError(
            f"{error.filename or 'a file'}: was there a moment ago and cannot be read now ({error.strerror}); "
            "leave the source as it is while it is converted, and see that its disk stays"
        ) from error


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name; unlike `Path.is_dir`, this never raises."""
    return os.path.isdir(path)  # noqa: PTH112


def inner_folder(path: Path, fits: Callable[[Path], bool]) -> Path | None:
    """``path`` if it fits, else the one folder in it if that fits, as archives like to unpack; else None."""
    if fits(path):
        return path
    folders, files = peek(path)
    only = folders[0] if len(folders) == 1 and not files else None
    return only if only is not None and not only.is_symlink() and fits(only) else None


def split_name(folder: str) -> str | None:
    """The split that a folder's name means, None if it means none."""
    return _SPLITS.get(folder.lower())


def holds_splits(path: Path) -> bool:
    """Whether a folder in it is called as a split."""
    return any(split_name(folder.name) for folder in peek(path)[0])


def split_folders(path: Path, is_split: Callable[[Path], bool], tally: Tally) -> list[Path]:
    """The folders of the splits, or ``path`` itself if it is one of them; empty if there is none.

    Parameters
    ----------
    path : the source
    is_split : whether a folder has in it what a split of the form has
    tally : gets what must not be opened

    Raises
    ------
    DataFormatError
        If a folder cannot be listed.
    """
    root = inner_folder(path, holds_splits)
    if root is None:
        return [path] if is_split(path) else []
    return [folder for name, folder in look_into(root, path, tally).folders.items() if split_name(name)]


def _is_debris(name: str) -> bool:
    return name.startswith(".") or name.lower() in _DEBRIS


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A link that leads to itself makes entry.is_dir() raise, but not os.path's.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _why_refused(entry: os.DirEntry[str], root: Path) -> str | None:
    if _CONTROL.search(entry.name):
        return "name is not plain text"
    if not entry.is_symlink():
        return None if entry.is_file() or entry.is_dir() else "neither a file nor a folder"
    target = os.path.realpath(entry.path)
    if not Path(target).is_relative_to(os.path.realpath(root)):
        return "link leads out of the source folder"
    return None if os.path.exists(target) else "link leads nowhere"  # noqa: PTH110
