"""Pieces of the page as HTML.  Everything that comes from files goes through `escape`."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence

from training.report.table import Entry, Table, begins_group, interval, loud_and_small, number

# What must not be parted at the end of a line: n = 4, r = 0.5, 95 %, GED (V).
_TOGETHER = (re.compile(r"(\b\w̃?) = ([\d−-])"), re.compile(r"\d (%|× \d+|MiB)"), re.compile(r"(GED) (\([UV]\))"))


def escape(text: str) -> str:
    """Text as HTML, quotes included."""
    for pattern in _TOGETHER:
        text = pattern.sub(lambda found: found.group().replace(" ", "\N{NO-BREAK SPACE}"), text)
    return html.escape(text)


def prose(text: str) -> str:
    """Text in which what stands between backticks is code."""
    return re.sub(r"`([^`<>]+)`", r"<code>\1</code>", escape(text))


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{prose(text)}</p>' if kind else f"<p>{prose(text)}</p>"


def warning(text: str) -> str:
    """Something that must not be overlooked, and in small print what was changed."""
    loud, rest = loud_and_small(text)
    listed = f"<br><small>{prose(rest)}</small>" if rest else ""
    return f'<p class="warning" role="note"><strong>{prose(loud)}</strong>{listed}</p>'


def picture(content: bytes, alt: str, form: str) -> str:
    """An image that lies in the page itself; ``form`` is "png" or "svg"."""
    kind = {"png": "image/png", "svg": "image/svg+xml"}[form]
    return f'<img alt="{escape(alt)}" src="data:{kind};base64,{base64.b64encode(content).decode()}">'


def figure(content: bytes, alt: str, form: str, caption: str) -> str:
    """An image with its caption."""
    return f"<figure>{picture(content, alt, form)}<figcaption>{prose(caption)}</figcaption></figure>"


def facts_list(facts: Iterable[tuple[str, str]]) -> str:
    """(what, value) pairs in small print."""
    pairs = "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in facts)
    return f'<dl class="facts">{pairs}</dl>' if pairs else ""


def table_html(table: Table) -> str:
    """A table, wider than the page if it must be, with its notes and facts under it."""
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in (*table.heads, *table.columns))
    spans = _spans([row.heads for row in table.rows])
    rows = []
    for at, (row, span) in enumerate(zip(table.rows, spans, strict=True)):
        if begins_group(table, at):
            width = len(table.heads + table.columns)
            rows.append(f'<tr class="group"><th scope="colgroup" colspan="{width}">{escape(row.group_title)}</th></tr>')
        named = "".join(
            f'<th scope="{"rowgroup" if n > 1 else "row"}" rowspan="{n}">{escape(head)}</th>'
            for head, n in zip(row.heads, span, strict=True)
            if n
        )
        cells = "".join(_cell(cell, table) for cell in row.cells)
        rows.append(f'<tr class="begins">{named}{cells}</tr>' if span[:1] != (0,) else f"<tr>{named}{cells}</tr>")
    body = "".join(rows) or f'<tr><td colspan="{len(table.heads + table.columns)}" class="missing">nothing</td></tr>'
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    listed = f'<ol class="notes">{notes}</ol>' if notes else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{listed}{facts_list(table.facts)}"
    )


def _spans(heads: Sequence[tuple[str, ...]]) -> list[tuple[int, ...]]:
    """For each row and head, over how many rows it reaches; 0 where an earlier one reaches here."""
    spans = []
    for at, row in enumerate(heads):
        of_row = []
        for depth in range(1, len(row) + 1):
            if at and heads[at - 1][:depth] == row[:depth] and depth < len(row):
                of_row.append(0)
                continue
            alike = 1
            while depth < len(row) and at + alike < len(heads) and heads[at + alike][:depth] == row[:depth]:
                alike += 1
            of_row.append(alike)
        spans.append(tuple(of_row))
    return spans


def _cell(cell: Entry | str, table: Table) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    word = "paper" if table.beside == "printed" else table.beside
    second = f'<span class="beside">{word} {cell.beside}</span>' if cell.beside and word else ""
    ours = cell.measured
    if ours is None:
        return f'<td class="missing">{escape(table.missing(cell))}{second}</td>'
    mean = "undefined" if ours.mean is None else number(ours.mean)
    band = f'<span class="interval">{interval(ours)}</span>' if interval(ours) else ""
    left_out = f'<span class="interval">{ours.undefined} undefined</span>' if ours.undefined else ""
    return f"<td><b>{mean}</b>{band}{left_out}{second}</td>"
