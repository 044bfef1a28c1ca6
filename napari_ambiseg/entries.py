"""What is kept of one case, and how two such entries become one.  No Qt, torch-free."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from napari_ambiseg.likeness import Distance
from training.records import AnnotatedSlice, BoolArray

NO_FLAG, IMPORTANT, UNSURE = "", "!", "?"
FLAGS = {NO_FLAG: "no flag", IMPORTANT: "important", UNSURE: "unsure"}


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
    distances : of the own outline, see `napari_ambiseg.likeness`
    ged, n, model : GED (V) of the last samples of this case, how many they were, and what drew them; None, 0, ""
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
    distances: tuple[Distance, ...] = ()
    ged: float | None = None
    n: int = 0
    model: str = ""
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
    the reading.  It counts as blind only if no entry says that the experts were seen before its end.  The numbers of
    the model are those of ``other``, where it has some.
    """
    newer, older = (here, other) if _moment(here.changed) > _moment(other.changed) else (other, here)
    reading = newer if newer.answered or not older.answered else older
    seen = sorted((entry.seen for entry in (here, other) if entry.seen), key=_moment)
    seen_before = bool(seen) and (not reading.revealed or _moment(seen[0]) < _moment(reading.revealed))
    drawn = here if other.ged is None else other
    return replace(
        reading,
        flag=newer.flag or older.flag,
        note=newer.note or older.note,
        seen=seen[0] if seen else "",
        blind=reading.blind and not seen_before,
        ged=drawn.ged,
        n=drawn.n,
        model=drawn.model,
        changed=newer.changed,
        patient=here.patient or other.patient,
        content=here.content or other.content,
    )


def now(timespec: str = "seconds") -> str:
    """The time of day as an entry has it."""
    return datetime.now(UTC).isoformat(timespec=timespec)


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


def _moment(text: str) -> datetime:
    """A time to compare with others; what was never is before all of them."""
    found = datetime.fromisoformat(text) if text else datetime.min
    return found if found.tzinfo else found.replace(tzinfo=UTC)
