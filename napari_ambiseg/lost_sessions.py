"""Sessions that windows wrote down by themselves, and that were not saved when the window was gone.  No Qt."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil

from napari_ambiseg.session_file import (
    SUFFIX,
    NewerSessionError,
    SessionRecord,
    UnreachableSessionError,
    read_session,
)
from training.errors import DataFormatError

_KEPT = 5  # sessions of earlier windows
_LAST = "last"
_CLOCKS_APART_S = 1.0  # at most, of the files and of the processes; a window writes some seconds after its beginning
_DAMAGED = ".unreadable"


class LostSessions:
    """The folder of these files, of all windows of the user.

    Parameters
    ----------
    name : of this window among those of its process
    folder : None takes the user's folder for states of programs

    Attributes
    ----------
    own : the file of this window
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._folder = folder or default_folder()
        self.own = self._folder / f"{os.getpid()}-{name}{SUFFIX}"
        self._troubles: list[str] = []
        self._met: set[Path] = set()

    def newest(self) -> tuple[Path, str] | None:
        """The newest that no window has any more and that can be read, and what it holds in one line.

        No more than five are kept.  One that cannot be read stays: for a later version that can, or until its disk
        is there again; a damaged one under another name, for whoever wants to mend it.  `troubles` tells of them.
        """
        for half in self._folder.glob(f".*{SUFFIX}.*.part"):  # of a window that was killed while it wrote
            if not _is_in_use(half):
                self.remove(half)
        lost = sorted(self._folder.glob(f"*{SUFFIX}"), key=_age)
        lost = [path for path in lost if path != self.own and not _is_in_use(path)]
        for path in lost[_KEPT:]:
            self.remove(path)
        for path in lost[:_KEPT]:
            try:
                return path, _told(read_session(path))
            except (NewerSessionError, UnreachableSessionError) as error:
                if path.exists():  # else another window has just taken it
                    self._trouble(path, str(error))
            except DataFormatError as error:
                self._trouble(path, f"{error}; it is kept as {self._put_aside(path).name}")
        return None

    def troubles(self) -> list[str]:
        """What could not be read, one line each, told once."""
        told, self._troubles = self._troubles, []
        return told

    def remove(self, path: Path) -> None:
        """Do away with a file; another window may have done so at this very moment."""
        with suppress(OSError):
            path.unlink()

    def adopt(self, path: Path) -> None:
        """Take another window's file as this window's own, so that nothing is lost until that is written anew."""
        with suppress(OSError):  # taken away by another window at this very moment
            path.replace(self.own)

    def leave(self) -> None:
        """The window goes: its file becomes one of the last sessions, beside those of windows that closed before.

        Raises
        ------
        OSError
            If the folder cannot be written any more.
        """
        if self.own.exists():
            self.own.replace(self._folder / f"{_LAST}-{datetime.now():%Y%m%dT%H%M%S}-{self.own.name}")

    def _trouble(self, path: Path, line: str) -> None:
        if path not in self._met:
            self._met.add(path)
            self._troubles.append(f"a session that was written down earlier cannot be offered: {line}")

    def _put_aside(self, path: Path) -> Path:
        """Rename a damaged file, so that it is met once."""
        damaged = path.with_name(path.name + _DAMAGED)
        with suppress(OSError):
            return path.replace(damaged)
        return path


def default_folder() -> Path:
    """The user's folder for states of programs; made when it is first written to."""
    from platformdirs import user_state_path

    return Path(user_state_path("napari-ambiseg", appauthor=False)) / "sessions"


def _told(record: SessionRecord) -> str:
    where = "nothing open" if record.origin is None else f"{Path(record.origin.source).name}, {record.origin.key}"
    when = record.saved[:16].replace("T", " ")
    return f"{when}: {where}; {len(record.runs)} {'drawing' if len(record.runs) == 1 else 'drawings'}"


def _age(path: Path) -> float:
    """Newest first."""
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _is_in_use(path: Path) -> bool:
    """Whether the process that writes it still runs; one that began later only has the same number."""
    pid = path.name.removeprefix(".").partition("-")[0]
    if not pid.isdecimal() or not psutil.pid_exists(int(pid)):
        return False
    try:
        began: float = psutil.Process(int(pid)).create_time()
        return began <= path.stat().st_mtime + _CLOCKS_APART_S
    except (psutil.Error, OSError):
        return True
