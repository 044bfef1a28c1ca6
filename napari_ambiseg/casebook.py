"""What the user has said of cases, and what is known of them from this session and earlier ones.  No Qt, torch-free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from psygnal import Signal

from napari_ambiseg.entries import SAID, Entry, contradict, merged, now
from napari_ambiseg.entry_json import as_json, checked, from_json
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.runs import Run
from training.errors import DataFormatError

#: Source, split and key of a case.
Spot = tuple[str, str, str]
#: Entries with the spot of each; there may be several of a spot, of other patients or images.
Entries = tuple[tuple[Spot, Entry], ...]

_EMPTY = Entry()
_UNKNOWN = ("", "")


class Casebook:
    """The entries of all cases, by where a case comes from: source, split and key.

    A file may be exchanged for another of the same name, with other patients under the same keys.  What is known of
    the patient and the image of a case is kept with its entry; where they are others now, the entry is set aside: kept
    and written into sessions, but not shown on that case, until the case that it is of is there again.

    Attributes
    ----------
    changed : emitted after each change
    """

    changed: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], dict[str, Entry]] = {}
        self._aside: dict[Spot, tuple[Entry, ...]] = {}
        self._known: dict[Spot, tuple[str, str]] = {}  # patient and content of the cases that were open

    def __len__(self) -> int:
        return sum(len(book) for book in self._books.values()) + sum(map(len, self._aside.values()))

    def of(self, origin: Origin, key: str) -> Entry:
        """The entry of a case; an empty one where nothing is kept."""
        return self.book(origin.source, origin.split).get(key, _EMPTY)

    def book(self, source: str, split: str) -> Mapping[str, Entry]:
        """The entries of a split, by key."""
        return self._books.get((source, split), {})

    def aside(self, source: str, split: str) -> int:
        """How many entries of a split are set aside, since its cases are of other patients or images now."""
        return sum(len(entries) for spot, entries in self._aside.items() if spot[:2] == (source, split))

    def known(self, origin: Origin, key: str) -> tuple[str, str]:
        """Patient and content of a case that was open, "" each where they are not known."""
        return self._known.get((origin.source, origin.split, key), _UNKNOWN)

    def change(self, origin: Origin, key: str, **changes: Any) -> Entry:
        """Change fields of a case's entry; returns it.

        Raises
        ------
        DataFormatError
            On a note that is too long, or a flag that there is not.
        """
        before = self.of(origin, key)
        after = checked(replace(before, **changes), f"the note of {key!r}")
        if all(getattr(before, name) is getattr(after, name) for name in changes):
            return after
        if not changes.keys().isdisjoint(SAID):
            after = replace(after, changed=now("microseconds"))
        patient, content = self.known(origin, key)
        after = replace(after, patient=patient or after.patient, content=content or after.content)
        self._books.setdefault((origin.source, origin.split), {})[key] = after
        self.changed.emit()
        return after

    def take(self, run: Run, key: str) -> None:
        """Keep the model's number of a finished drawing of the case of this key; none where nobody annotated it."""
        ged = SampleMeasures.of(run.masks, run.case).ged_v
        if math.isfinite(ged):
            self.change(run.origin, key, ged=ged, n=run.n, model=run.model, seed=run.seed)

    def follow(self, source: str, split: str, keys: Iterable[str], patients: Iterable[str]) -> None:
        """The cases of a split, as they are now: entries of other patients are set aside.

        Nothing is emitted: whoever opens a split shows its entries anew.
        """
        for key, patient in zip(keys, patients, strict=True):
            spot = (source, split, key)
            known, content = self._known.get(spot, _UNKNOWN)
            self._known[spot] = (patient, content if known == patient else "")
            if key in self.book(source, split) or spot in self._aside:
                self._settle(spot)

    def meet(self, origin: Origin, key: str, content: str) -> None:
        """The case that is about to be shown, of a split that was followed: entries of other images are set aside.

        Parameters
        ----------
        content : `entries.content_of` the case; "" where it may rightly change, as in layers of the user's own
        """
        spot = (origin.source, origin.split, key)
        patient = self.known(origin, key)[0]
        self._known[spot] = (patient, content)
        before = self.of(origin, key)
        self._settle(spot)
        after = self.of(origin, key)
        if after is not before:
            self.changed.emit()
        if after is not _EMPTY:
            kept = replace(after, patient=patient or after.patient, content=content or after.content)
            self._books[spot[:2]][key] = kept

    def all(self) -> list[tuple[Spot, Entry, bool]]:
        """Every entry with its spot, in their order, and whether it is set aside."""
        found = [((*where, key), entry, False) for where, book in self._books.items() for key, entry in book.items()]
        found += [(spot, entry, True) for spot, entries in self._aside.items() for entry in entries]
        return sorted(found, key=lambda one: (one[0], one[1].patient, one[1].content))

    def as_json(self) -> list[dict[str, Any]]:
        """Every entry as plain JSON values, for a session's file; a mask as the lengths of its runs, row by row."""
        return [
            {"source": source, "split": split, "key": key, **as_json(entry)}
            for (source, split, key), entry, _ in self.all()
        ]

    @staticmethod
    def read(values: Any) -> Entries:
        """The entries of `as_json`, not taken over yet.

        Raises
        ------
        DataFormatError
            With the entry, the field and its value.
        """
        if not isinstance(values, list):
            raise DataFormatError(f"cases of a session must be a list, got {type(values).__name__}")
        return tuple(from_json(value, f"case {at + 1} of the session") for at, value in enumerate(values))

    def merge(self, entries: Entries) -> tuple[str, ...]:
        """Take entries in beside those that there are; two of the same case become one, see `entries.merged`.

        Returns
        -------
        Keys of the cases of which something else was said here and there, so that what was said last counts.
        """
        gave_way = []
        for spot, entry in entries:
            here = self.book(*spot[:2]).get(spot[2], _EMPTY)
            if entry.is_of(here.patient, here.content) and contradict(here, entry):
                gave_way.append(spot[2])
            self._settle(spot, entry)
        if entries:
            self.changed.emit()
        return tuple(gave_way)

    def from_json(self, values: Any) -> None:
        """`merge` what `as_json` gave; nothing is changed if any of it is damaged; see `read`."""
        self.merge(self.read(values))

    def _settle(self, spot: Spot, *more: Entry) -> None:
        """Sort all entries of a spot into the one that is shown and those that are set aside."""
        source, split, key = spot
        here = self._books.get((source, split), {}).pop(key, None)
        groups: list[Entry] = []
        for entry in (*(() if here is None else (here,)), *self._aside.pop(spot, ()), *more):
            for at, group in enumerate(groups):
                if entry.is_of(group.patient, group.content):
                    groups[at] = merged(group, entry)
                    break
            else:
                groups.append(entry)
        known = self._known.get(spot, _UNKNOWN)
        shown = next((at for at, group in enumerate(groups) if group.is_of(*known)), None)
        if shown is not None:
            self._books.setdefault((source, split), {})[key] = groups.pop(shown)
        if groups:
            self._aside[spot] = tuple(groups)
