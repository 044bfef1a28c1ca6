"""From any form on disk to the project's HDF5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from training.data.forms.interface import Options


@dataclass(frozen=True)
class Plan:
    """How a source is to be converted; everything that decides the result besides the source itself."""

    layout: str = "auto"
    rule: str = "auto"
    seed: int = 1234
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Progress:
    """How far a conversion is: ``done`` of about ``total`` slices."""

    done: int
    total: int


@dataclass(frozen=True)
class Report:
    """What a conversion made: JSON values in reading order."""

    facts: Mapping[str, object]


def prepare(source: Path, out: Path, plan: Plan, progress: Callable[[Progress], None]) -> Report:
    """Convert; the file appears under its name only when it is complete."""
    raise NotImplementedError
