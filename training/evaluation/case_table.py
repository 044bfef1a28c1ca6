"""The table of an evaluation's cases: one line per case and variant, for spreadsheets and for `comparison`.

Numbers are written so that reading gives the very same ones, an undefined score is an empty field, and the
same cases give the same bytes.  Keys and patients are quoted, whatever they consist of.  A spreadsheet takes a
text that begins with one of ``= + - @``, a tab or a line end for a formula: an apostrophe is written before such a
text, and before one that begins with an apostrophe, and is taken off when the table is read.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.atomic import replacing
from training.errors import DataFormatError
from training.metrics.glossary import NAMES, SCORES

if TYPE_CHECKING:
    from _csv import Reader as _Lines

    from training.evaluation.cases import CaseScores, Plan

#: The columns before the scores: the case, then the variant.
HEADING = ("index", "key", "patient", "experts", "found", "seed", "n", "postprocess")
_CASE = HEADING[:6]
# By any of these a spreadsheet, or our reader, would take a text for something else.
_GUARD, _GUARDED = "'", tuple("=+-@\t\r\n'")

_Variant = tuple[int, float | None]


class CaseTable:
    """Writes the table of an evaluation, case by case; at the end of the ``with`` block it gets its name.

    Parameters
    ----------
    path : the CSV file; as long as the block has not ended well, what was there before stays
    plan : what is scored
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self._replacing: AbstractContextManager[Path] = replacing(path)
        self._variants = [(variant.n, "" if variant.r is None else repr(float(variant.r))) for variant in plan.variants]

    def __enter__(self) -> CaseTable:
        self._file = self._replacing.__enter__().open("w", encoding="utf-8", newline="")
        self._file.write(",".join(HEADING + NAMES) + "\n")
        return self

    def add(self, case: CaseScores) -> None:
        """Write one case: a line per variant, in the plan's order."""
        heading = (
            f"{case.index},{_quoted(case.key)},{_quoted(case.patient)},{case.n_experts},{case.n_found},{case.seed}"
        )
        for (n, r), scores in zip(self._variants, case.scores.tolist(), strict=True):
            numbers = ",".join("" if math.isnan(x) else repr(x) for x in scores)
            self._file.write(f"{heading},{n},{r},{numbers}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._replacing.__exit__(kind, error, trace)


@dataclass(frozen=True)
class CaseName:
    """What the lines of one case have in common.

    Parameters
    ----------
    index, key, patient : which case of the split, and whose
    experts, found : K, and how many of them drew a non-empty mask
    seed : what the segmenter was given here
    """

    index: int
    key: str
    patient: str
    experts: int
    found: int
    seed: int


class CaseTableFile:
    """A table on disk, read case by case: memory does not grow with it.

    Iterating gives pairs of a case's name and its scores (V, S) float64, NaN where undefined.

    Parameters
    ----------
    path : the CSV file

    Attributes
    ----------
    names : (S,) the scores, in the file's order
    variants : (V,) what every case has: n, and r of the post-processing or None

    Raises
    ------
    DataFormatError
        At once or while iterating, naming line and column: a column that is missing, unknown or there twice; a
        field that is no number or out of range; cases out of order or there twice; a file that was cut.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as lines:
            self.names = _score_names(next(lines, []), path)
        first = next(self._groups(), None)
        if first is None:
            raise DataFormatError(f"{path}: has no case; was the file cut?  Evaluate again")
        self.variants = tuple(line.variant for line in first)
        if len(set(self.variants)) < len(first):
            raise DataFormatError(
                f"{first[-1].where}, column 'n': case {first[0].case.index} has {in_words(self.variants)}, "
                f"expected each once; evaluate again"
            )

    def __iter__(self) -> Iterator[tuple[CaseName, NDArray[np.float64]]]:
        last = -1
        for group in self._groups():
            case = group[0].case
            if case.index <= last:
                raise DataFormatError(
                    f"{group[0].where}, column 'index': {case.index} comes after {last}; each case must stand once, "
                    f"in the order of the split; evaluate again"
                )
            for line in group:
                for name in (name for name in _CASE if getattr(line.case, name) != getattr(case, name)):
                    raise DataFormatError(
                        f"{line.where}, column {name!r}: {getattr(line.case, name)!r}, though the first line of case "
                        f"{case.index} says {getattr(case, name)!r}; evaluate again"
                    )
            if tuple(line.variant for line in group) != self.variants:
                raise DataFormatError(
                    f"{group[-1].where}, column 'n': case {case.index} has "
                    f"{in_words(line.variant for line in group)}, expected {in_words(self.variants)} as in the "
                    f"first case; was a line lost or doubled?  Evaluate again"
                )
            last = case.index
            yield case, np.array([line.scores for line in group])

    def _groups(self) -> Iterator[list[_Line]]:
        """Neighbouring lines of the same case."""
        with _opened(self.path) as lines:
            next(lines)
            parsed = (_parsed(fields, self.names, f"{self.path}, line {lines.line_num}") for fields in lines)
            for _, group in groupby(parsed, key=lambda line: line.case.index):
                yield list(group)


@dataclass(frozen=True, eq=False)
class CaseColumns:
    """A whole table in memory: R = cases x variants lines, column by column.

    Parameters
    ----------
    index, experts, found, seed, n : (R,) int64
    key, patient : R names
    postprocess : (R,) float64, r; NaN without post-processing
    scores : name -> (R,) float64, NaN where undefined
    """

    index: NDArray[np.int64]
    key: Sequence[str]
    patient: Sequence[str]
    experts: NDArray[np.int64]
    found: NDArray[np.int64]
    seed: NDArray[np.int64]
    n: NDArray[np.int64]
    postprocess: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]


def read_case_table(path: Path) -> CaseColumns:
    """Read a table as a whole; `CaseTableFile` does it case by case, and says which errors there are."""
    table = CaseTableFile(path)
    cases, blocks = zip(*table, strict=True)
    lines = [(case, variant) for case in cases for variant in table.variants]
    scores = np.concatenate(blocks)

    def integers(name: str) -> NDArray[np.int64]:
        return np.array([getattr(case, name) for case, _ in lines], np.int64)

    return CaseColumns(
        index=integers("index"),
        key=[case.key for case, _ in lines],
        patient=[case.patient for case, _ in lines],
        experts=integers("experts"),
        found=integers("found"),
        seed=integers("seed"),
        n=np.array([n for _, (n, _) in lines], np.int64),
        postprocess=np.array([math.nan if r is None else r for _, (_, r) in lines]),
        scores={name: scores[:, column] for column, name in enumerate(table.names)},
    )


@dataclass(frozen=True)
class _Line:
    where: str
    case: CaseName
    variant: _Variant
    scores: list[float]


@contextmanager
def _opened(path: Path) -> Iterator[_Lines]:
    """The lines of a CSV file as lists of fields; whatever keeps them from being read is told in one line."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read() != b"\n":
                raise DataFormatError(f"{path}: the last line has no end; the file was cut, evaluate again")
        with path.open(encoding="utf-8", newline="") as text:
            yield csv.reader(text, strict=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFormatError(f"{path}: cannot read the table of cases: {error}; evaluate again") from error


def _score_names(heading: Sequence[str], path: Path) -> tuple[str, ...]:
    for column in HEADING:
        if column not in heading:
            raise DataFormatError(
                f"{path}, line 1: there is no column {column!r}; give a table that `ambiseg evaluate` wrote"
            )
    names = tuple(heading[len(HEADING) :])
    if tuple(heading[: len(HEADING)]) != HEADING or not names or len(set(heading)) != len(heading):
        raise DataFormatError(
            f"{path}, line 1: columns must be {', '.join(HEADING)} and then scores, each once, "
            f"got {', '.join(heading)}; give a table that `ambiseg evaluate` wrote"
        )
    for name in names:
        if name not in SCORES:
            raise DataFormatError(
                f"{path}, line 1: unknown score {name!r}; another version wrote it, evaluate again with this one"
            )
    return names


def _parsed(fields: Sequence[str], names: Sequence[str], where: str) -> _Line:
    if len(fields) != len(HEADING) + len(names):
        raise DataFormatError(
            f"{where}: has {len(fields)} fields instead of {len(HEADING) + len(names)}; was it cut?  Evaluate again"
        )
    field = dict(zip((*HEADING, *names), fields, strict=True))

    def text(column: str) -> str:
        return field[column].removeprefix(_GUARD)

    def whole(column: str, least: int = 0) -> int:
        text = field[column]
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) < 2**63:
            raise DataFormatError(
                f"{where}, column {column!r}: {text!r} is no whole number from {least}; evaluate again"
            )
        return int(text)

    def number(column: str) -> float:
        try:
            value = float(field[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataFormatError(
                f"{where}, column {column!r}: {field[column]!r} is no number (an undefined one is left empty); "
                f"evaluate again"
            )
        return value

    case = CaseName(whole("index"), text("key"), text("patient"), whole("experts", 1), whole("found"), whole("seed"))
    if case.found > case.experts:
        raise DataFormatError(f"{where}, column 'found': {case.found} of {case.experts} experts; evaluate again")
    r = number("postprocess") if field["postprocess"] else None
    if r is not None and not 0 <= r <= 1:
        raise DataFormatError(f"{where}, column 'postprocess': {r:g} is not in [0, 1]; evaluate again")
    scores = [number(name) if field[name] else math.nan for name in names]
    return _Line(where, case, (whole("n", 1), r), scores)


def _quoted(text: str) -> str:
    """A field of text, by our own hand: which of them ``csv`` quotes depends on the version of Python."""
    guarded = _GUARD + text if text.startswith(_GUARDED) else text
    return '"' + guarded.replace('"', '""') + '"'


def in_words(variants: Iterable[_Variant]) -> str:
    """Variants for an error's line."""
    return ", ".join(f"n = {n} {'raw' if r is None else f'with r = {r!r}'}" for n, r in variants)
