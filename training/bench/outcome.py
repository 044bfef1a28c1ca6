"""What a measurement found, as plain data: rows of times, ratios, accuracy beside them, and gates."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.bench.targets import TARGETS, Finding

Fact = str | int | float | None


@dataclass(frozen=True)
class Row:
    """One contender's times.

    Parameters
    ----------
    name : of the contender
    seconds : one per round
    facts : further columns, by their title with the unit; None shows as a dash
    """

    name: str
    seconds: tuple[float, ...]
    facts: Mapping[str, Fact]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Ratio:
    """How many times as long a contender takes as a baseline: median, least and greatest over the rounds."""

    median: float
    low: float
    high: float


def ratio(row: Row, baseline: Row) -> Ratio:
    """Of two contenders, within each round; so load that lasts longer than a round cancels."""
    ratios = [theirs / ours for theirs, ours in zip(row.seconds, baseline.seconds, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Group:
    """Contenders that do the same work.

    Parameters
    ----------
    title : that work
    rows : the contenders, in the order in which they ran
    baselines : names of the rows to which the others are compared
    """

    title: str
    rows: tuple[Row, ...]
    baselines: tuple[str, ...]

    def row(self, name: str) -> Row:
        """The row of that name; StopIteration if there is none."""
        return next(row for row in self.rows if row.name == name)


@dataclass(frozen=True)
class Gate:
    """A number that must not exceed its limit, for the times beside it to count."""

    name: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        """Also False for NaN."""
        return self.value <= self.limit


@dataclass(frozen=True)
class Outcome:
    """What one ``ambiseg bench`` command found.

    Parameters
    ----------
    title : what was measured
    settings : on what
    machine : where, see `training.bench.machine.describe_machine`
    groups : the times
    gates : the accuracy that had to be kept
    notes : who could not run, and why, and what else a reader must know
    findings : what was promised of a GPU, and what was measured of it
    """

    title: str
    settings: Mapping[str, Fact]
    machine: Mapping[str, Fact]
    groups: tuple[Group, ...]
    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every gate does, and every finding that does not depend on how fast the machine is."""
        wrong = (one.verdict == "not met" and not TARGETS[one.target].is_speed for one in self.findings)
        return all(gate.holds for gate in self.gates) and not any(wrong)

    def facts(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "title": self.title,
            "settings": dict(self.settings),
            "machine": dict(self.machine),
            "groups": [_group_facts(group) for group in self.groups],
            "gates": [vars(gate) | {"holds": gate.holds} for gate in self.gates],
            "notes": list(self.notes),
            "findings": [vars(finding) | {"verdict": finding.verdict} for finding in self.findings],
        }


def _group_facts(group: Group) -> dict[str, object]:
    baselines = present_baselines(group)
    return {
        "title": group.title,
        "rows": [
            {
                "name": row.name,
                "seconds": list(row.seconds),
                "median": row.median,
                "ratios": {baseline.name: vars(ratio(row, baseline)) for baseline in baselines},
                **row.facts,
            }
            for row in group.rows
        ],
    }


def present_baselines(group: Group) -> Sequence[Row]:
    """Those of the group's baselines that were measured."""
    return [row for name in group.baselines for row in group.rows if row.name == name]
