"""Drawings as a session keeps them, and back.  No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from napari_ambiseg.entries import content_of
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.runs import Run
from napari_ambiseg.sample_data import DEMO
from napari_ambiseg.session_file import UNWRITABLE, MasksRecord, OriginRecord, RunRecord, WishRecord
from training.data.field import Field
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice
from training.sampling_wish import SamplingWish

_OF_LAYERS = re.compile(r"layer .* \(\d+\)", re.DOTALL)  # as `layer_case.LayerSet` calls its source


KEPT_OF_A_CASE = 8  # drawings of a case that can be compared; the oldest one makes way, but not A

Letter = Literal["", "A", "B"]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawing of a session.

    Parameters
    ----------
    run : what was drawn
    letter : which one it is in a comparison; "" for neither
    shown : whether it is the one that is shown with its case
    """

    run: Run
    letter: Letter = ""
    shown: bool = True


def record_of(drawing: Drawing) -> RunRecord:
    """What is kept of a drawing."""
    run = drawing.run
    origin = OriginRecord(
        source=absolute(run.origin.source),
        split=run.origin.split,
        index=run.origin.index,
        key=run.case.key,
        patient=run.case.patient,
        content=content_in(run.origin.source, run.case),
    )
    return RunRecord(
        origin=origin,
        field=str(run.field),
        model=run.model,
        wish=WishRecord(**asdict(run.wish)),
        n=run.n,
        seed=run.seed,
        device=run.device,
        provenance=dict(run.provenance),
        seconds=run.seconds,
        masks=MasksRecord.of(run.masks),
        letter=drawing.letter,
        shown=drawing.shown,
    )


def run_of(kept: RunRecord, origin: Origin, case: AnnotatedSlice, place: Place) -> Run:
    """The drawing again, without the states of its walk.

    Parameters
    ----------
    case : the whole slice
    place : where it lies

    Raises
    ------
    ConfigError, DataFormatError
        If the masks are damaged, or of another slice.
    """
    field = Field.parse(kept.field)
    seen = field.cut(case)
    if seen.key != kept.origin.key:
        raise DataFormatError(f"they are of {kept.origin.key}; draw them again")
    if kept.origin.patient not in ("", case.patient):
        raise DataFormatError(f"they are of the patient {kept.origin.patient!r}; draw them again")
    if kept.origin.content not in ("", content_in(origin.source, seen)):
        raise DataFormatError("they are of another image, or of other experts; draw them again")
    if kept.masks.shape != (kept.n, *field.shape):
        raise DataFormatError(f"they have the shape {kept.masks.shape}, not {(kept.n, *field.shape)}; draw them again")
    return Run(
        case=seen,
        origin=origin,
        field=field,
        place=place.within(field),
        model=kept.model,
        wish=SamplingWish(**dict(kept.wish)),
        n=kept.n,
        seed=kept.seed,
        device=kept.device,
        masks=kept.masks.masks(),
        provenance=kept.provenance,
        seconds=kept.seconds,
        is_restored=True,
    )


def by_case(records: Iterable[RunRecord]) -> dict[Origin, tuple[RunRecord, ...]]:
    """The drawings of each case in their order: no more than a window has, whatever a file says."""
    found: dict[Origin, list[RunRecord]] = {}
    for kept in records:
        found.setdefault(Origin(kept.origin.source, kept.origin.split, kept.origin.index), []).append(kept)
    # One more than can be compared: what was drawn last may not be noted for that yet.
    return {origin: tuple(of_case[-KEPT_OF_A_CASE - 1 :]) for origin, of_case in found.items()}


def drawings_of(shown: Iterable[Run], compared: Mapping[Origin, Iterable[tuple[Run, Letter]]]) -> tuple[Drawing, ...]:
    """The drawings of all cases: those that are shown with their cases, and those that can be compared with them.

    Parameters
    ----------
    shown : one of each case
    compared : the drawings of a case, the oldest first, with their letters
    """
    newest = {run.origin: run for run in shown}
    found = []
    for origin in dict.fromkeys((*newest, *compared)):
        run, of_case = newest.get(origin), tuple(compared.get(origin, ()))
        at = next((at for at, (one, _) in enumerate(of_case) if run is not None and one.is_same(run)), None)
        found += [Drawing(one, letter, shown=at == number) for number, (one, letter) in enumerate(of_case)]
        if run is not None and at is None:
            found.append(Drawing(run))
    return tuple(found)


def is_lasting(source: str) -> bool:
    """Whether a case from there can be found again: not if it was made of layers in a window.

    A file that is not there may be on a disk that is away for a moment.
    """
    return is_there(source) or not _OF_LAYERS.fullmatch(source)


def is_there(source: str) -> bool:
    """Whether a case from there can be read now."""
    return source == DEMO or is_file(source)


def content_in(source: str, case: AnnotatedSlice) -> str:
    """`entries.content_of` a case of a file; "" of others: the demo stays the same, and layers may rightly change."""
    return content_of(case) if source != DEMO and is_file(source) else ""


def is_file(source: str) -> bool:
    """Whether there is a file of this path; a path that no file can have names none."""
    try:
        return Path(source).is_file()
    except OSError:  # such as one that is too long
        return False


def absolute(source: str) -> str:
    """The same source as it is found from any folder.

    Raises
    ------
    ConfigError
        If a session cannot hold its name.
    """
    if source == DEMO:
        return source
    found = str(Path(source).absolute())
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{found!a}: {UNWRITABLE}") from error
    return found
