"""What is kept of one case, and how two such entries become one.  No Qt, torch-free."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from training.export.own_reading import Distance
from training.records import AnnotatedSlice, BoolArray

NO_FLAG, IMPORTANT, UNSURE = "", "!", "?"
FLAGS = {NO_FLAG: "no flag", IMPORTANT: "important", UNSURE: "unsure"}


@dataclass(frozen=True)
class ComparedWith:
    """What drew the samples that a reading was compared with.

    Parameters
    ----------
    model, n, seed : as asked for
    cleaning : how they were post-processed, as options of the command; "" if they were not
    """

    model: str
    n: int
    seed: int
    cleaning: str = ""


@dataclass(frozen=True, eq=False)
class Entry:
    """All that is kept of one case.

    Parameters
    ----------
    flag : one of `FLAGS`
    note : one line of the user's
    seen : when the experts' outlines were first shown (ISO 8601, UTC); "" if never
    mask : (H, W) bool, the user's own outline; None if there is none
    nothing : whether the user said that there is nothing to outline
    revealed : when the user compared the own outline with the experts'; "" if not yet
    blind : whether the outline was made before the experts' were ever shown
    model_seen : when samples of a model were first shown; "" if never
    after_model : whether they had been when the outline was begun; None where nobody knows
    seconds : how long the case was open to be read, breaks included; 0 where nobody knows
    spacing_mm : size of a pixel, (row, column); None where it was not known when the case was read
    distances : of the own outline, see `training.export.own_reading`
    compared : what drew the samples among those; None where there are none
    ged, n, model, seed : GED (V) of the last samples of this case, how many they were, and what drew them; None, 0,
        "", None
    changed : when the user last said something of the case; "" if never
    patient : whose case it is; "" where that was not known
    content : `content_of` the case; "" where that was not known
    """

    flag: str = NO_FLAG
    note: str = ""
    seen: str = ""
    mask: BoolArray | None = None
    nothing: bool = False
    revealed: str = ""
    blind: bool = False
    model_seen: str = ""
    after_model: bool | None = None
    seconds: float = 0.0
    spacing_mm: tuple[float, float] | None = None
    distances: tuple[Distance, ...] = ()
    compared: ComparedWith | None = None
    ged: float | None = None
    n: int = 0
    model: str = ""
    seed: int | None = None
    changed: str = ""
    patient: str = ""
    content: str = ""

    @property
    def answered(self) -> bool:
        """Whether there is a reading: an outline, or the word that there is nothing."""
        return self.nothing or (self.mask is not None and bool(self.mask.any()))

    def is_of(self, patient: str, content: str) -> bool:
        """Whether it may be of the case with this patient and content; what is not known, "", may be anything."""
        return _agree(self.patient, patient) and _agree(self.content, content)


#: The fields that the user fills.
SAID = ("flag", "note", "mask", "nothing")


def content_of(case: AnnotatedSlice) -> str:
    """SHA-256 of the image and the experts' masks of a case, in hexadecimal digits."""
    digest = hashlib.sha256(f"{case.image.shape} {case.masks.shape}".encode())
    digest.update(np.ascontiguousarray(case.image, "<f4").data)
    digest.update(np.ascontiguousarray(case.masks).data)
    return digest.hexdigest()


def merged(here: Entry, other: Entry) -> Entry:
    """One entry of two of the same case, such as one of this window and one of a session that is opened.

    Flag and note are those of the entry that the user changed last, or of the other one where that has none; so is
    the reading.  It counts as blind only if no entry says that the experts were seen before its end; the same holds
    for the model.  The numbers of the model are those of ``other``, where it has some.
    """
    newer, older = (here, other) if _moment(here.changed) > _moment(other.changed) else (other, here)
    reading = newer if newer.answered or not older.answered else older
    seen, model_seen = _first(here.seen, other.seen), _first(here.model_seen, other.model_seen)
    seen_before, model_before = (bool(at) and _is_before_end(at, reading) for at in (seen, model_seen))
    drawn = here if other.ged is None else other
    return replace(
        reading,
        flag=newer.flag or older.flag,
        note=newer.note or older.note,
        seen=seen,
        blind=reading.blind and not seen_before,
        model_seen=model_seen,
        after_model=True if model_before else reading.after_model,
        ged=drawn.ged,
        n=drawn.n,
        model=drawn.model,
        seed=drawn.seed,
        changed=newer.changed,
        patient=here.patient or other.patient,
        content=here.content or other.content,
    )


def contradict(here: Entry, other: Entry) -> bool:
    """Whether both say something of the same case, and not the same: one of them gives way."""
    read = here.answered and other.answered
    return (
        bool(here.note and other.note and here.note != other.note)
        or bool(here.flag and other.flag and here.flag != other.flag)
        or (read and not np.array_equal(np.asarray(here.mask), np.asarray(other.mask)))
    )


def now(timespec: str = "seconds") -> str:
    """The time of day as an entry has it."""
    return datetime.now(UTC).isoformat(timespec=timespec)


def _first(*times: str) -> str:
    """The earliest of some times, "" where there is none."""
    return min((at for at in times if at), key=_moment, default="")


def _is_before_end(at: str, reading: Entry) -> bool:
    """Whether a time is before the reveal of a reading; always, where that has not come."""
    return not reading.revealed or _moment(at) < _moment(reading.revealed)


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


def _moment(text: str) -> datetime:
    """A time to compare with others; what was never is before all of them."""
    found = datetime.fromisoformat(text) if text else datetime.min
    return found if found.tzinfo else found.replace(tzinfo=UTC)
