"""An outcome as text: a heading, one table for each group of contenders, the gates, the notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from training.bench.outcome import Fact, Gate, Group, Outcome, present_baselines, ratio


def lines(outcome: Outcome) -> Iterator[str]:
    """The outcome, line by line."""
    machine = outcome.machine
    commit = str(machine["commit"] or "unknown")
    yield outcome.title
    yield "  " + ", ".join(f"{name} {_shown(value)}" for name, value in outcome.settings.items())
    yield (
        f"  {machine['device']}; {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['memory_gib']} GiB; {machine['system']}"
    )
    yield (
        f"  torch {machine['torch']}, python {machine['python']}, commit {commit[:10]}{'+' * commit.endswith('+')}; "
        f"load average {_shown(machine['load'])} at the start, peak memory {_shown(machine['peak_memory_mib'])} MiB"
    )
    for group in outcome.groups:
        yield ""
        legend = "; x NAME is how many times as long as NAME it takes" * bool(group.baselines)
        yield f"{group.title}: {_rounds(group)}, contenders in turns{legend}"
        yield from table(group)
    if outcome.gates or outcome.notes or outcome.findings:
        yield ""
    yield from map(_gate_line, outcome.gates)
    yield from (finding.line() for finding in outcome.findings)
    yield from outcome.notes


def table(group: Group) -> list[str]:
    """One group: names left, numbers right."""
    baselines = present_baselines(group)
    titles = list(dict.fromkeys(title for row in group.rows for title in row.facts))
    scale, unit = (1e3, "ms") if min(row.median for row in group.rows) < 1 else (1, "s")
    header = ["", f"median {unit}", "min-max", *(f"x {row.name} (min-max)" for row in baselines), *titles]
    body = []
    for row in group.rows:
        cells = [row.name, _time(row.median * scale)]
        cells.append(f"{_time(min(row.seconds) * scale)}-{_time(max(row.seconds) * scale)}")
        for baseline in baselines:
            r = ratio(row, baseline)
            cells.append("1" if row is baseline else f"{r.median:.2f} ({r.low:.2f}-{r.high:.2f})")
        body.append([*cells, *(_shown(row.facts.get(title)) for title in titles)])
    return _aligned([header, *body])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _gate_line(gate: Gate) -> str:
    verdict = "holds" if gate.holds else "FAILS"
    return f"{gate.name}: {_shown(gate.value)} of at most {_shown(gate.limit)} -- {verdict}"


def _rounds(group: Group) -> str:
    n = len(group.rows[0].seconds)
    return f"{n} round{'s' * (n != 1)}"


def _time(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _shown(value: Fact) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
