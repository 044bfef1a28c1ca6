"""The numbers of one case as a table for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from training.atomic import write_bytes, writing
from training.export.case_scores import CaseScores
from training.export.drawn_case import DrawnCase
from training.export.spreadsheet import Value, csv_text
from training.metrics import pairwise_distance
from training.metrics.glossary import SCORES
from training.records import BoolArray

#: What a line is about, its name, what that is called, its value for the masks as drawn with the 95 % range, and the
#: same for them after post-processing.
HEADING = ("part", "name", "label", "value", "low", "high", "cleaned", "cleaned_low", "cleaned_high")

_Row = tuple[Value, ...]


def write_table(path: Path, drawn: DrawnCase, warnings: Sequence[str] = ()) -> None:
    """Write the scores of one case, the distances of its experts, and what they are of, as CSV.

    Lines: ``case``, what is scored; ``score``, by the names of `training.metrics.glossary`; ``experts``, the distance
    1 - IoU of each pair; ``area``, the pixels in each mask.  Within a field, all of them are of the field.  A score
    that is undefined is an empty field.

    Parameters
    ----------
    warnings : what must not be overlooked, such as a model that never saw such images; they come first, as ``warning``

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    cautions: list[_Row] = [("warning", str(at), "warning", text) for at, text in enumerate(warnings, start=1)]
    content = csv_text(HEADING, (*cautions, *_rows(drawn))).encode()
    with writing(path):
        write_bytes(path, content)


def _rows(drawn: DrawnCase) -> Iterator[_Row]:
    for part, name, label, *values in _facts(drawn):
        yield (part, name, label, values[0], "", "", *values[1:])
    experts = drawn.seen.masks
    if len(experts):
        yield from _scores(drawn)
    for number, area in enumerate(_areas(experts), start=1):
        yield "area", f"expert-{number}", f"pixels of expert {number}", area
    kept = [] if drawn.cleaned is None else [_areas(drawn.cleaned)]
    for number, (area, *rest) in enumerate(zip(_areas(drawn.samples.masks), *kept, strict=True), start=1):
        yield ("area", f"sample-{number}", f"pixels of sample {number}", area, "", "", *rest)


def _scores(drawn: DrawnCase) -> Iterator[_Row]:
    """What there is only where somebody annotated the slice."""
    experts = drawn.seen.masks
    raw = CaseScores.of(drawn.samples.masks, experts)
    cleaned = None if drawn.cleaned is None else CaseScores.of(drawn.cleaned, experts)
    for name, score in SCORES.items():
        after = () if cleaned is None else (cleaned.values[name], *cleaned.range_of(name))
        yield ("score", name, score.label, raw.values[name], *raw.range_of(name), *after)
    distances = pairwise_distance(experts)
    for a, b in combinations(range(len(experts)), 2):
        yield "experts", f"{a + 1}-{b + 1}", f"distance of experts {a + 1} and {b + 1}", float(distances[a, b])


def _facts(drawn: DrawnCase) -> Iterator[tuple[str, str, str, *tuple[Value, ...]]]:
    case = drawn.seen
    yield "case", "key", "case", case.key
    yield "case", "patient", "patient", case.patient
    yield "case", "experts", "experts", case.n_experts
    yield "case", "found", "experts who drew something", case.n_found
    yield "case", "n", "drawn masks", len(drawn.samples)
    yield "case", "seed", "seed", drawn.samples.seed
    if case.spacing_mm is not None:
        yield "case", "spacing_mm", "row, column spacing in mm", "{:g}, {:g}".format(*case.spacing_mm)
    if drawn.field is not None:
        yield "case", "field", "field: top, left, size", str(drawn.field)
    if drawn.cleaned is not None:
        yield "case", "cleaning", "post-processing", "", " ".join(drawn.cleaning.options())
    for name, value in drawn.samples.provenance.items():
        if value is not None:
            yield "drawn", name, name.replace("_", " "), value


def _areas(masks: BoolArray) -> list[int]:
    return [int(area) for area in masks.sum(axis=(1, 2))]
