"""What a reading session leaves behind as a table: one row for each case of the case book.  No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from napari_ambiseg.casebook import Spot
from napari_ambiseg.entries import FLAGS, Entry
from training.atomic import write_bytes, writing
from training.export.own_reading import SAMPLES, Distance
from training.export.spreadsheet import Value, csv_text

#: A spot, what is kept of it, and whether that is set aside: what `casebook.Casebook.all` gives.
Row = tuple[Spot, Entry, bool]

# Before and after the columns of experts and samples, of which there are as many as there are experts.
_SAID = (
    "file", "split", "case", "patient", "flag", "note", "reading", "state", "read_blind", "experts_seen_before",
    "model_seen_before", "revealed_at_utc", "seconds_open", "area_px", "area_mm2",
)  # fmt: skip
_MADE = (
    "samples_model", "samples_n", "samples_seed", "samples_postprocessing", "ged_v", "ged_n", "ged_model", "ged_seed",
    "experts_first_seen_utc", "model_first_seen_utc", "of_other_case_now",
)  # fmt: skip
_FAR = ("one_minus_iou", "dice", "area_px")


def write_readings(path: Path, rows: Sequence[Row]) -> None:
    """Write the table as CSV, with a mark for spreadsheets that it is UTF-8.

    Nothing is told of experts or model where the user has not seen them yet.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    with writing(path):
        # A path may hold bytes that are no letters.
        write_bytes(path, readings_text(rows).encode("utf-8-sig", "backslashreplace"))


def readings_text(rows: Sequence[Row]) -> str:
    """The table; `docs/output.md` says what its columns mean."""
    names = {one.name for _, entry, _ in rows for one in _told(entry)} - {SAMPLES}
    letters = sorted(names, key=lambda name: (len(name), name))
    others = [*((name, f"expert_{name}") for name in letters), (SAMPLES, "samples_mean")]
    heading = (*_SAID, *(f"{title}_{what}" for _, title in others for what in _FAR), *_MADE)
    return csv_text(heading, [_row(row, [name for name, _ in others]) for row in rows])


def _row(row: Row, others: Sequence[str]) -> list[Value]:
    (source, split, key), entry, aside = row
    far = {one.name: (one.distance, one.dice, one.area) for one in _told(entry)}
    distances = [value for name in others for value in far.get(name, (None, None, None))]
    said = [source, split, key, entry.patient, FLAGS[entry.flag] if entry.flag else "", entry.note]
    return [*said, *_reading(entry), *distances, *_drawn(entry), "yes" if aside else "no"]


def _reading(entry: Entry) -> list[Value]:
    """From "reading" on; empty where there is none."""
    if not entry.answered or entry.mask is None:
        return [None] * (len(_SAID) - 6)
    area = int(np.count_nonzero(entry.mask))
    mm2 = None if entry.spacing_mm is None else round(area * math.prod(entry.spacing_mm), 4)
    return [
        "outline" if area else "nothing there",
        "revealed" if entry.revealed else "waiting",
        _yes(entry.blind),
        _yes(not entry.blind),
        _yes(entry.after_model),
        _utc(entry.revealed),
        round(entry.seconds, 1) or None,
        area,
        mm2,
    ]


def _drawn(entry: Entry) -> list[Value]:
    """What the samples are of that the reading was compared with, and the model's number of the case."""
    compared = entry.compared if entry.revealed else None
    made: list[Value] = [None] * 4
    if compared is not None:
        made = [compared.model, compared.n, compared.seed, compared.cleaning]
    ged: list[Value] = [None] * 4
    if entry.seen and entry.ged is not None:
        ged = [entry.ged, entry.n, entry.model, entry.seed]
    return [*made, *ged, _utc(entry.seen), _utc(entry.model_seen)]


def _told(entry: Entry) -> tuple[Distance, ...]:
    """The distances, where the reading is revealed."""
    return entry.distances if entry.revealed else ()


def _yes(answer: bool | None) -> str:
    return "" if answer is None else "yes" if answer else "no"


def _utc(text: str) -> str:
    """A time as spreadsheets read it; "" for none."""
    if not text:
        return ""
    at = datetime.fromisoformat(text)
    at = at.astimezone(UTC) if at.tzinfo else at
    return at.strftime("%Y-%m-%d %H:%M:%S")
