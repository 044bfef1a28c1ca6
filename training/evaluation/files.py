"""Where an evaluation lies, and that nothing but what an evaluation wrote is ever replaced or removed there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from training.atomic import temporary_beside
from training.errors import ConfigError
from training.evaluation.case_table import HEADING
from training.evaluation.journal import writing
from training.lock import HOLDER, LOCK

#: In the folder of the journals: a process stopped or failed, and the others need not go on.
HALT = "halt"

_COST = ".cost.json"
# Journals, the halt, the lock, who holds it, and what a kill leaves of that.
_OURS = re.compile(
    rf"\d{{4,}}-\d+-[0-9a-f]{{8}}\.journal|{HALT}|{re.escape(LOCK)}|(\.)?{re.escape(HOLDER)}(?(1)\.\d+-[0-9a-f]+\.part)"
)


class Files:
    """Where an evaluation lies.

    Parameters
    ----------
    summary : the JSON file that was asked for

    Attributes
    ----------
    table : the scores of each case
    cost : what the evaluation took, which is no part of its result
    parts : the folder of the journals, while it goes on

    Raises
    ------
    ConfigError
        If the name does not end in ".json", or is that of another evaluation's cost.
    """

    def __init__(self, summary: Path) -> None:
        if summary.suffix != ".json":
            raise ConfigError(
                f"the name of the scores must end in .json, got {summary.name!r}; a .csv is written beside it"
            )
        if summary.name.lower().endswith(_COST):
            raise ConfigError(
                f"the name of the scores must not end in {_COST}, got {summary.name!r}: so ends what an evaluation "
                f"took; give another name"
            )
        self.summary = summary
        self.table, self.cost, self.parts = (summary.with_suffix(end) for end in (".csv", _COST, ".parts"))

    def require_apart_from(self, read: Iterable[Path]) -> None:
        """Refuse names that cannot be written, or that are those of files that are read.

        Parameters
        ----------
        read : data, weights, model card

        Raises
        ------
        ConfigError
            Naming the file.
        """
        inputs = list(read)
        for path in (self.summary, self.table, self.cost, self.parts):
            try:
                os.lstat(temporary_beside(path))  # the longest name that is needed
            except FileNotFoundError:
                pass
            except OSError as error:
                raise ConfigError(f"cannot write {path}: {error.strerror}; give another --out") from error
            for other in inputs:
                if _same(path, other):
                    raise ConfigError(f"cannot write {path}: it is also what is read; give another --out")
            if path != self.parts and path.is_dir():
                raise ConfigError(f"cannot write {path}: it is a folder; remove it, or give another --out")

    def require_ours(self) -> None:
        """Refuse to replace or remove what no evaluation wrote.

        Raises
        ------
        ConfigError
            Naming the first such file.
        """
        if not _is_summary(self.summary):
            # A damaged one is known by the table beside it.
            damaged = _read_object(self.summary) is None and _is_table(self.table)
            if self.summary.exists() and self.summary.stat().st_size and not damaged:
                raise _foreign(self.summary)
            for path, is_ours in ((self.table, _is_table), (self.cost, _is_cost)):
                if os.path.lexists(path) and not is_ours(path):
                    raise _foreign(path)
        if self.parts.is_symlink():
            raise ConfigError(f"cannot write in {self.parts}: it is a link; remove it, or give another --out")
        if not os.path.lexists(self.parts):
            return
        if not self.parts.is_dir():
            raise ConfigError(f"cannot write in {self.parts}: it is no folder; remove it, or give another --out")
        with writing(self.parts):
            foreign = sorted(
                path.name for path in self.parts.iterdir() if not (path.name.startswith(".") or _is_part(path))
            )
        if foreign:
            raise ConfigError(
                f"cannot write in {self.parts}: {foreign[0]} there is not of an evaluation; give another --out"
            )

    def remove_parts(self) -> None:
        """Take away what was journaled; the lock is left to the one who holds it, all else to whom it belongs."""
        for path in self.parts.iterdir():
            if _is_part(path) and path.name not in (LOCK, HOLDER):
                path.unlink()

    def remove_folder(self) -> None:
        """Take the folder of the journals away, if nothing but the lock is left in it."""
        with suppress(OSError):  # someone else took it up at this very moment, or took it away
            if not {path.name for path in self.parts.iterdir()} - {LOCK, HOLDER}:
                (self.parts / LOCK).unlink(missing_ok=True)
                self.parts.rmdir()


def read_json(path: Path) -> Any:
    """What a JSON file says, which knows no NaN and no infinity.

    Raises
    ------
    OSError, ValueError, RecursionError
        If it is not there, or is none.
    """
    return json.loads(path.read_bytes(), parse_constant=_refuse)


def is_cost(found: object) -> bool:
    """Whether this is what is written about the cost of an evaluation."""
    if not isinstance(found, dict):
        return False
    whole = all(type(found.get(name)) is int and found[name] >= 0 for name in _WHOLE)
    seconds = all(_is_number(found.get(name)) for name in _SECONDS)
    memory = "peak_memory_mib" in found and (found["peak_memory_mib"] is None or _is_number(found["peak_memory_mib"]))
    return whole and seconds and memory and all(isinstance(found.get(name), str) for name in _NAMES)


_WHOLE = ("network_calls", "masks", "processes", "threads")
_SECONDS = ("seconds", "seconds_drawing", "seconds_scoring", "seconds_per_image")
_NAMES = ("device", "device_name")


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and value >= 0  # type: ignore[operator]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _read_object(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError, RecursionError):
        found = read_json(path)
        return found if isinstance(found, dict) else None
    return None


def _is_summary(path: Path) -> bool:
    """Of any version, and however it was edited."""
    return {"segmenter", "data"} <= (_read_object(path) or {}).keys()


def _is_table(path: Path) -> bool:
    with suppress(OSError, ValueError), path.open(encoding="utf-8", newline="") as text:
        return text.read(len(",".join(HEADING))) == ",".join(HEADING)
    return False


def _is_cost(path: Path) -> bool:
    return is_cost(_read_object(path))


def _is_part(path: Path) -> bool:
    return _OURS.fullmatch(path.name) is not None and (path.is_symlink() or not path.is_dir())


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _foreign(path: Path) -> ConfigError:
    return ConfigError(f"cannot write {path}: what is there is not of an evaluation; remove it, or give another --out")
