"""Tables as CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

Value = str | int | float | None

# A spreadsheet takes a text that begins with one of these for a formula; an apostrophe keeps it from that.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")


def csv_text(heading: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """A table as text; a row that is shorter than the heading is filled up.

    Numbers are written so that reading them gives the very same ones.  None and NaN are empty fields.  A text with
    commas, quotes or line breaks stands in quotes, and one that a spreadsheet would take for a formula gets an
    apostrophe.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([_field(name) for name in heading])
    for row in rows:
        lines.writerow([_field(value) for value in row] + [""] * (len(heading) - len(row)))
    return text.getvalue()


def _field(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value)
