"""What was found of each part, one JSON file each, so that a check goes on where it was ended.  Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from training.atomic import write_bytes, writing
from training.bench.targets import Finding

Status = Literal["done", "failed", "hung", "missing", "no time", "not asked"]

# What makes two runs of a part the same one, of what the machine says of itself.
_SAME_MACHINE = ("device", "driver", "cuda", "cpu", "python", "torch")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Record:
    """One part.

    Parameters
    ----------
    part : its name
    status : how it went
    reason : why there is no outcome, in one line; empty if there is one
    seconds : that it took
    key : what decides its numbers, see `key_of`
    commit : of this program
    day : on which it was measured, as ISO date
    outcome : `training.bench.outcome.Outcome.facts`; None if there is none
    """

    part: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    key: str = ""
    commit: str | None = None
    day: str = ""
    outcome: dict[str, Any] | None = None

    @property
    def findings(self) -> list[Finding]:
        """What it found of the targets."""
        found = [] if self.outcome is None else self.outcome["findings"]
        return [Finding(one["target"], one["value"], one["judged"], one["counted_limit"]) for one in found]

    @property
    def failed_gates(self) -> list[str]:
        """The gates that do not hold, in words."""
        gates = [] if self.outcome is None else self.outcome["gates"]
        return [
            f"{gate['name']}: {gate['value']:.3g} of at most {gate['limit']:g}" for gate in gates if not gate["holds"]
        ]

    @property
    def is_right(self) -> bool:
        """Whether it ran, its gates hold and every target that is judged is met."""
        return self.status == "done" and not self.failed_gates and all(f.verdict != "not met" for f in self.findings)

    def save(self, folder: Path) -> None:
        """Write it.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        path = folder / f"{self.part}.json"
        with writing(path):
            write_bytes(path, json.dumps(asdict(self), indent=1).encode())


def kept(folder: Path, part: str, key: str) -> Record | None:
    """The record of a part that was done with that key before; None where it is to be measured."""
    try:
        record = Record(**json.loads((folder / f"{part}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none yet, or of another version: it is measured again
        return None
    return record if record.status == "done" and record.key == key else None


def key_of(settings: str, machine: Mapping[str, Any]) -> str:
    """A name for all that decides the numbers: this program's source, the settings, and the machine.

    Parameters
    ----------
    settings : as JSON
    machine : what it says of itself
    """
    same = {name: machine.get(name) for name in _SAME_MACHINE}
    text = json.dumps([_source(), settings, same], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _source() -> str:
    """A hash of every file of the program and its tests: a checkout may differ from its commit, or have none."""
    digest = hashlib.sha256()
    for folder in ("training", "tests/training"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
