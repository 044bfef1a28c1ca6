"""Which cases of a split are listed, and in which order: the table shows it, and J and K follow it.  No Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.casebook import Casebook
from napari_ambiseg.entries import FLAGS, Entry
from napari_ambiseg.state import (
    ALL,
    BY_CASE,
    BY_DISTANCE,
    BY_FLAG,
    BY_GED,
    BY_NOTE,
    BY_PATIENT,
    BY_READ,
    BY_SEEN,
    DISAGREEING,
    DRAWN,
    FILE_ORDER,
    FLAGGED,
    NOTED,
    SPLIT_ON_PRESENCE,
    UNREAD,
    Listing,
    Reading,
)
from napari_ambiseg.survey import CaseSummary, Survey

Order = NDArray[np.intp]
_OF_SURVEY = (DISAGREEING, SPLIT_ON_PRESENCE)
TELLING_SORTS = (BY_SEEN, BY_DISTANCE, BY_GED)
TELLING_FILTERS = (*_OF_SURVEY, DRAWN)  # of experts or model, be it which cases they say nothing of
WAITING, READ, READ_BLIND = "waiting", "read", "read blind"  # how far the reading of a case is
_PROGRESS = (WAITING, READ, READ_BLIND)
_SHORT = 18  # letters of an identifier that the table has room for
_EMPTY: Order = np.empty(0, np.intp)


class Ranking:
    """The order of the cases of the open split.

    It is made anew when another ranking, filter or search is asked for, and once more when the survey has all
    numbers.  In between no row moves: newly surveyed cases that pass the filter are added at the end, and a flag or
    note that is changed leaves its row where it is.  While cases are read blind, what would tell of experts or model
    is not followed; afterwards it is again.

    Parameters
    ----------
    listing : what is asked for; gets how many cases are listed
    casebook : has flags, notes and the model's numbers
    reading : says whether cases are read blind

    Attributes
    ----------
    order : (M,) int, indices into the split, as listed
    survey : the cases of the split, None while none is open
    """

    def __init__(self, listing: Listing, casebook: Casebook, reading: Reading) -> None:
        self.order = _EMPTY
        self.survey: Survey | None = None
        self._listing, self._casebook, self._reading = listing, casebook, reading
        self._source = self._split = ""
        self._patients: tuple[str, ...] = ()
        self._dropped = 0  # letters that all identifiers begin with
        self.keys: tuple[str, ...] = ()
        self._haystacks: list[str] = []
        self._places: dict[int, int] = {}  # index in the split to row
        self._known = 0  # how many summaries the order takes into account
        self._followed = (FILE_ORDER, ALL)
        events = listing.events
        for signal in (events.sort, events.descending, events.kept, events.search):
            signal.connect(self.rank)
        reading.events.blind.connect(self._on_blind)
        reading.events.keep.connect(self._on_blind)

    @property
    def sort(self) -> str:
        """What the cases are ranked by now."""
        hidden = self._reading.hides_others and self._listing.sort in TELLING_SORTS
        return FILE_ORDER if hidden else self._listing.sort

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self._listing.descending and self.sort == self._listing.sort

    @property
    def kept(self) -> str:
        """Which cases are listed now."""
        hidden = self._reading.hides_others and self._listing.kept in TELLING_FILTERS
        return ALL if hidden else self._listing.kept

    def follow(self, survey: Survey | None, source: str, split: str) -> None:
        """List the cases of another split; those of another source in the file's order, and all of them."""
        if source != self._source:
            listing, plain = self._listing, Listing()
            listing.sort, listing.descending, listing.kept = plain.sort, plain.descending, plain.kept
            listing.search = plain.search
        self.survey, self._source, self._split = survey, source, split
        rows = [] if survey is None else [(key, patient) for key, patient, _ in survey.rows()]
        self.keys = tuple(key for key, _ in rows)
        self._patients = tuple(patient for _, patient in rows)
        self._casebook.follow(source, split, self.keys, self._patients)
        self._dropped = _shared_start(self.keys)
        self._haystacks = [f"{key}\n{patient}".casefold() for key, patient in rows]
        self.rank()

    def entry(self, index: int) -> Entry:
        """What is kept of a case."""
        return self._casebook.book(self._source, self._split).get(self.keys[index], Entry())

    def name(self, index: int) -> str:
        """Identifier of a case, without what all identifiers begin with where they are long."""
        return self.keys[index][self._dropped :]

    def patient(self, index: int) -> str:
        """Patient of a case."""
        return self._patients[index]

    @property
    def keys_name_patients(self) -> bool:
        """Whether every identifier holds that of the patient, so that nobody has to be told it again."""
        return all(patient in key for key, patient in zip(self.keys, self._patients, strict=True))

    @property
    def n_read(self) -> int:
        """Of how many cases the experts were seen."""
        book = self._casebook.book(self._source, self._split)
        return sum(1 for key in self.keys if key in book and book[key].seen)

    def hides(self, index: int) -> bool:
        """Whether nothing may be told of experts and model: in a blind read, and of what is still to be read so."""
        return self._reading.blind or (self._reading.keep and not self.entry(index).seen)

    def summary(self, index: int) -> CaseSummary | None:
        """What the experts say of a case; None where that is not known yet."""
        return self.survey.summaries[index] if self.survey and index < len(self.survey.summaries) else None

    def row(self, index: int) -> int | None:
        """In which row a case is listed; None where it is not."""
        return self._places.get(index)

    def step(self, index: int, by: int) -> int:
        """The case ``by`` rows on from a case, or at the end of the list where it ends before.

        From a case that is not listed the next one is the first listed after it in the file, the previous one the
        last before it; where there is none, or nothing is listed, the case itself.
        """
        if not len(self.order):
            return index
        if (row := self.row(index)) is not None:
            return int(self.order[min(max(row + by, 0), len(self.order) - 1)])
        listed = self.order[self.order > index] if by > 0 else self.order[self.order < index]
        if not len(listed):
            return index
        return int(listed.min() if by > 0 else listed.max())

    def has(self, index: int, by: int) -> bool:
        """Whether there is a case to go to from here."""
        return self.step(index, by) != index

    def update(self) -> None:
        """Take in what the survey has learnt: its end ranks anew, before it the list only grows."""
        survey = self.survey
        if survey is None or len(survey.summaries) == self._known:
            return
        if survey.done:
            self.rank()
        elif self.kept in _OF_SURVEY:
            known, self._known = self._known, len(survey.summaries)
            self._set(np.concatenate([self.order, self._passing(range(known, self._known))]))

    def rank(self) -> None:
        """List and order the cases anew."""
        self._followed = self.sort, self.kept
        self._known = 0 if self.survey is None else len(self.survey.summaries)
        listed = self._passing(range(len(self.keys)))
        self._set(self._sorted(listed))

    def _on_blind(self) -> None:
        if (self.sort, self.kept) != self._followed:  # else no row is to move
            self.rank()

    def _set(self, order: Order) -> None:
        if not np.array_equal(order, self.order):  # else who shows it need not begin anew
            self.order = order
        self._places = {int(index): row for row, index in enumerate(order)}
        self._listing.shown = len(order)
        self._listing.revision += 1

    def _passing(self, indices: Sequence[int]) -> Order:
        """Those of some cases that pass filter and search."""
        book, kept = self._casebook.book(self._source, self._split), self.kept
        if kept != ALL:
            indices = [index for index in indices if self._passes(index, book.get(self.keys[index], Entry()), kept)]
        words = self._listing.search.casefold().split()
        if words:
            notes = {key: entry.note.casefold() for key, entry in book.items() if entry.note}
            indices = [
                index
                for index in indices
                if all(word in self._haystacks[index] or word in notes.get(self.keys[index], "") for word in words)
            ]
        return np.array(indices, np.intp)

    def _passes(self, index: int, entry: Entry, kept: str) -> bool:
        if kept in _OF_SURVEY:
            summary = self.summary(index)
            if summary is None:
                return False
            in_doubt = 0 < summary.n_found < summary.n_experts
            return in_doubt or (kept == DISAGREEING and summary.disagreement > 0)
        return {
            FLAGGED: bool(entry.flag),
            NOTED: bool(entry.note),
            UNREAD: not entry.seen,
            DRAWN: entry.ged is not None,
        }[kept]

    def _sorted(self, listed: Order) -> Order:
        """Stable, so that equal cases stay in the file's order; what has no value comes last either way."""
        sort, descending = self.sort, self.descending
        if sort in (BY_CASE, BY_PATIENT, BY_NOTE):
            texts = {BY_CASE: self.keys, BY_PATIENT: self._patients}.get(sort)
            known = [(index, texts[index] if texts else self.entry(index).note) for index in listed.tolist()]
            named = sorted((pair for pair in known if pair[1]), key=lambda pair: _natural(pair[1]), reverse=descending)
            return np.array([index for index, _ in (*named, *(pair for pair in known if not pair[1]))], np.intp)
        if sort not in (BY_SEEN, BY_DISTANCE, BY_GED, BY_FLAG, BY_READ):
            return listed[::-1] if descending else listed
        values = np.array([self._value(index, sort) for index in listed.tolist()], float)
        return listed[np.argsort(-values if descending else values, kind="stable")]  # NaN goes last

    def _value(self, index: int, sort: str) -> float:
        if sort == BY_FLAG:
            flag = self.entry(index).flag
            return list(FLAGS).index(flag) if flag else np.nan
        if sort == BY_READ:
            done = progress(self.entry(index))
            return _PROGRESS.index(done) if done else np.nan
        if sort == BY_GED:
            ged = self.entry(index).ged
            return np.nan if ged is None else ged
        summary = self.summary(index)
        if summary is None or summary.fault or not summary.n_experts:
            return np.nan
        return summary.disagreement if sort == BY_DISTANCE else summary.n_found / summary.n_experts


def progress(entry: Entry) -> str:
    """`WAITING` for the reveal, `READ` with the experts shown, `READ_BLIND` before they were; "" if not read yet."""
    if entry.answered and not entry.revealed:
        return WAITING
    if entry.revealed and entry.blind:
        return READ_BLIND
    return READ if entry.seen else ""


def _shared_start(keys: Sequence[str]) -> int:
    """How many letters long identifiers all begin with, no number or word cut in two."""
    if len(keys) < 2 or max(map(len, keys)) <= _SHORT:
        return 0
    first, last = min(keys), max(keys)  # all others begin as these two do
    shared = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    whole = re.match(r".*[^a-zA-Z0-9]", first[:shared], re.DOTALL)
    return whole.end() if whole else 0


def _natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts "slice 10" behind "slice 9"."""
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", text))
