"""A table of measured and printed numbers, and its text as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.report.material import Measured


@dataclass(frozen=True)
class Entry:
    """One cell: what we measured beside what it is to be compared with.

    Parameters
    ----------
    measured : ours; None where there is nothing
    missing : what is said instead, such as "not run" or "failed"
    reason : why there is nothing, in a note under the table
    reference : what stands beside it: the value that the paper prints, or a floor; None for none
    """

    measured: Measured | None
    missing: str = ""
    reason: str = ""
    reference: float | None = None

    @property
    def beside(self) -> str:
        """The reference as text, or nothing."""
        return "" if self.reference is None else number(self.reference)


@dataclass(frozen=True)
class Row:
    """What the row is about, a word for each head of the table, and its cells; plain text is shown as it is.

    ``group`` has a word for each of the table's ``groups``; rows that share them stand under one sub-heading.
    """

    @property
    def group_title(self) -> str:
        """The sub-heading."""
        return " – ".join(self.group)

    heads: tuple[str, ...]
    cells: tuple[Entry | str, ...]
    group: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table with what one has to know to read it.

    Parameters
    ----------
    name : of its files
    title, caption : what it shows
    warnings : what must not be overlooked, such as that runs were shortened
    heads, columns : headings; the row heads come first
    facts : (what, value): data, split, number of cases, seeds, commit
    groups : what the rows' groups are named by, each a column of the CSV
    beside : what the second number of a cell is: "printed", where each cell has one or a dash, "floor", or ""
    """

    name: str
    title: str
    caption: str
    heads: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    facts: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    beside: Literal["printed", "floor", ""] = ""

    @property
    def entries(self) -> list[Entry]:
        """All cells that hold numbers."""
        return [cell for row in self.rows for cell in row.cells if isinstance(cell, Entry)]

    @property
    def notes(self) -> tuple[str, ...]:
        """Why cells are missing; a cell's note is counted from 1."""
        return tuple(dict.fromkeys(entry.reason for entry in self.entries if entry.reason))

    def missing(self, entry: Entry) -> str:
        """``failed (1)``: what is said instead of a number, with the number of its note."""
        return f"{entry.missing} ({self.notes.index(entry.reason) + 1})" if entry.reason else entry.missing

    def text(self, cell: Entry | str) -> str:
        """``ours [interval] / reference``; a dash where the paper prints nothing."""
        if isinstance(cell, str):
            return cell
        ours = self.missing(cell) if cell.measured is None else shown(cell.measured)
        reference = cell.beside or ("–" if self.beside == "printed" else "")
        return f"{ours} / {reference}" if reference else ours


def number(value: float) -> str:
    """Three digits, as the paper has them; a little below 0 is 0.000."""
    return f"{round(value, 3) + 0.0:.3f}"


def shown(measured: Measured) -> str:
    """``0.342 [0.330, 0.355]``, and how many cases the mean leaves out if there are any."""
    left_out = f" ({measured.undefined} undefined)" if measured.undefined else ""
    if measured.mean is None:
        return "undefined" + left_out
    return " ".join(filter(None, (number(measured.mean), interval(measured)))) + left_out


def interval(measured: Measured) -> str:
    """``[0.330, 0.355]``; nothing where there is none, as for a single patient."""
    if measured.low is None or measured.high is None:
        return ""
    return f"[{number(measured.low)}, {number(measured.high)}]"


def loud_and_small(warning: str) -> tuple[str, str]:
    """A warning, and the list of what was changed, which is long."""
    loud, changed, small = warning.partition("; changed: ")
    return loud, f"Changed: {small}" if changed else ""


def begins_group(table: Table, at: int) -> bool:
    """Whether a sub-heading stands above the row of this number."""
    group = table.rows[at].group
    return bool(group) and (at == 0 or table.rows[at - 1].group != group)


def as_markdown(table: Table) -> str:
    """The table as a Markdown page."""
    lines = [f"# {_plain(table.title)}", "", _plain(table.caption), ""]
    for warning in table.warnings:
        loud, small = loud_and_small(warning)
        lines.append(f"**{_plain(loud)}** {_plain(small)}".rstrip() + "\n")
    lines += [_line(table.heads + table.columns), _line(["---"] * len(table.heads + table.columns))]
    for at, row in enumerate(table.rows):
        if begins_group(table, at):
            lines.append(_line([f"**{row.group_title}**", *[""] * (len(table.heads + table.columns) - 1)]))
        lines.append(_line([*row.heads, *(table.text(cell) for cell in row.cells)]))
    lines += [""] + [f"({number}) {_plain(note)}\n" for number, note in enumerate(table.notes, start=1)]
    lines += [f"- {_plain(what)}: {_plain(value)}" for what, value in table.facts]
    return "\n".join(lines).rstrip() + "\n"


def as_csv(table: Table) -> str:
    """The table with one cell per line: our mean, its interval, what stands beside it, and why nothing is there."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            *table.groups,
            *table.heads,
            "column",
            "mean",
            "low",
            "high",
            "undefined",
            table.beside or "reference",
            "missing",
        ]
    )
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if isinstance(cell, str):
                writer.writerow([*row.group, *row.heads, column, cell, "", "", "", "", ""])
                continue
            ours = cell.measured or Measured(None)
            numbers = ["" if x is None else repr(x) for x in (ours.mean, ours.low, ours.high)]
            undefined = "" if cell.measured is None else str(ours.undefined)
            writer.writerow(
                [
                    *row.group,
                    *row.heads,
                    column,
                    *numbers,
                    undefined,
                    cell.beside,
                    ": ".join(filter(None, (cell.missing, cell.reason))),
                ]
            )
    return stream.getvalue()


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text that Markdown takes for neither markup of HTML nor a new line; ">" alone is neither."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
