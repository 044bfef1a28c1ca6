"""The page of results: every target with what was measured of it, the machine, and each part's tables.  Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from training.bench.targets import TARGETS, Finding, Target
from training.gpu_check.parts import PARTS
from training.gpu_check.record import Record
from training.gpu_check.settings import Settings

#: From this line on the page is written by hand, and is kept.
NOTES = "## What was done about it"
_NO_NOTES = f"""{NOTES}

By hand, below this line, which the command keeps: what the profile says is done, in the order of the gain that was
predicted, and each prediction beside its outcome. Nothing yet.
"""
_HIDDEN = {"name", "seconds", "median", "ratios"}


def page(records: Sequence[Record], settings: Settings, before: str = "") -> str:
    """The whole page.

    Parameters
    ----------
    records : of `PARTS`, in their order; none where nothing was measured
    settings : what was asked
    before : the page as it is, whose notes are kept
    """
    notes = before[before.index(NOTES) :] if NOTES in before else _NO_NOTES
    by_part = {record.part: record for record in records}
    blocks = [
        "# Results on a GPU",
        "Made by `make gpu-check`; [gpu.md](gpu.md) says how, and what each number means.",
        _state(records, settings),
        "## Targets",
        _targets(by_part),
        *_gaps(by_part),
        *(_machine(records[0]) if records else ()),
        *(["## Parts", _parts(records)] if records else ()),
        *(block for record in records[1:] for block in _part(record)),
        notes.rstrip(),
    ]
    return "\n\n".join(blocks) + "\n"


def _state(records: Sequence[Record], settings: Settings) -> str:
    done = [record for record in records if record.status == "done" and record.part != PARTS[0].name]
    if not done:
        return f"**Nothing has been measured yet.** {_why_nothing(records)}"
    if settings.is_smoke:
        return "**A smoke test.** Tiny sizes prove that the command runs; its numbers mean nothing."
    commits = ", ".join(sorted({record.commit or "unknown" for record in done}))
    days = sorted({record.day for record in done})
    measured = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    wrong = [record.part for record in records if record.status != "not asked" and not record.is_right]
    verdict = f"Not as it should be: {', '.join(wrong)}." if wrong else "All that was measured is as it should be."
    return f"Measured on {measured}, commit {commits} (a plus: files differed from it). {verdict}"


def _why_nothing(records: Sequence[Record]) -> str:
    machine = records[0] if records else None
    if machine is not None and machine.outcome is None:
        return f"The command does not know its machine: {machine.reason or machine.status}."
    facts = machine.outcome["settings"] if machine is not None and machine.outcome is not None else {}
    if facts.get("cuda") is None:
        return "No machine with a GPU has run this command."
    tried = [f"{record.part} ({record.status})" for record in records[1:] if record.status != "not asked"]
    return f"The command ran on {facts['device']}; not done: {', '.join(tried) or 'all parts'}."


def measured_parts(told: str) -> set[str]:
    """The parts whose numbers a page tells, by the table of its parts."""
    section = told.partition("\n## Parts\n")[2].partition("\n## ")[0]
    return {part.name for part in PARTS if f"\n| {part.name} | done |" in section}


def _targets(by_part: Mapping[str, Record]) -> str:
    rows = []
    for part in PARTS:
        record = by_part.get(part.name)
        for key in part.targets:
            target = TARGETS[key]
            finding = next((one for one in record.findings if one.target == key), None) if record else None
            rows.append([target.what, target.wish(), *_measured(target, finding, record)])
    return _table(["what", "target", "measured", "counted limit", "verdict"], rows)


def _measured(target: Target, finding: Finding | None, record: Record | None) -> list[str]:
    if finding is None or record is None:
        reason = f": {record.reason}" if record is not None and record.reason else ""
        return ["-", "-", f"not measured{reason}"]
    unit = f" {target.unit}" * bool(target.unit)
    limit = "-" if finding.counted_limit is None else f"{finding.counted_limit:.3g}{unit}"
    verdict = f"**{finding.verdict}**" if finding.verdict == "not met" else finding.verdict
    return [f"{finding.value:.3g}{unit}", limit, verdict]


def _gaps(by_part: Mapping[str, Record]) -> Iterator[str]:
    """How far each time is from its counted limit, and what the device did meanwhile."""
    lines = []
    for record in by_part.values():
        for finding in record.findings:
            if finding.counted_limit:
                ratio = finding.value / finding.counted_limit
                lines.append(f"- {TARGETS[finding.target].what}: {ratio:.1f} times the counted limit")
    path = by_part.get("waiting")
    if lines and path is not None and path.outcome is not None:
        steps, kernels = path.outcome["groups"]
        idle = steps["rows"][0].get("% idle, under the profiler")
        longest = ", ".join(
            f"`{row['name']}` {row['% of all']:.0f} %" for row in kernels["rows"][:3] if "% of all" in row
        )
        waits = "the profiler saw no kernels" if idle is None else f"the device waits {idle:.0f} % of the time"
        lines.append(f"- in a training step {waits}; the longest are {longest}")
    if lines:
        yield "## The gap"
        yield "\n".join(lines)


def _machine(record: Record) -> Iterator[str]:
    if record.outcome is not None:
        yield "## The machine"
        yield "\n".join(f"- {name}: {_shown(value)}" for name, value in record.outcome["settings"].items())


def _parts(records: Sequence[Record]) -> str:
    rows = [[record.part, record.status, f"{record.seconds:.0f} s", record.reason or "-"] for record in records]
    return _table(["part", "state", "took", "why"], rows)


def _part(record: Record) -> Iterator[str]:
    if record.outcome is None:
        return
    outcome = record.outcome
    yield f"## {next(part.title for part in PARTS if part.name == record.part)}"
    yield ", ".join(f"{name} {_shown(value)}" for name, value in outcome["settings"].items())
    for group in outcome["groups"]:
        yield f"{group['title']}:"
        yield _group(group)
    lines = [*(f"gate fails: {gate}" for gate in record.failed_gates), *outcome["notes"]]
    if lines:
        yield "\n".join(f"- {line}" for line in lines)


def _group(group: Mapping[str, Any]) -> str:
    rows = group["rows"]
    titles = list(dict.fromkeys(title for row in rows for title in row if title not in _HIDDEN))
    baselines = list(dict.fromkeys(name for row in rows for name in row["ratios"]))
    header = ["", "median ms", "min-max", *(f"x {name}" for name in baselines), *titles]
    body = []
    for row in rows:
        low, high = (f"{1e3 * end(row['seconds']):.3g}" for end in (min, max))
        ratios = [f"{row['ratios'][name]['median']:.2f}" for name in baselines]
        body.append(
            [row["name"], f"{1e3 * row['median']:.3g}", f"{low}-{high}", *ratios, *(_shown(row.get(t)) for t in titles)]
        )
    return _table(header, body)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
