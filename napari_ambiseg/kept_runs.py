"""Drawings as a session keeps them, and back.  No Qt."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from napari_ambiseg.entries import content_of
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.runs import Run
from napari_ambiseg.sample_data import DEMO
from napari_ambiseg.session_file import MasksRecord, OriginRecord, RunRecord, WishRecord
from training.data.field import Field
from training.errors import DataFormatError
from training.records import AnnotatedSlice
from training.sampling_wish import SamplingWish


def record_of(run: Run) -> RunRecord:
    """What is kept of a drawing."""
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
    field, masks = Field.parse(kept.field), kept.masks.masks()
    seen = field.cut(case)
    if seen.key != kept.origin.key:
        raise DataFormatError(f"they are of {kept.origin.key}; draw them again")
    if kept.origin.patient not in ("", case.patient):
        raise DataFormatError(f"they are of the patient {kept.origin.patient!r}; draw them again")
    if kept.origin.content not in ("", content_in(origin.source, seen)):
        raise DataFormatError("they are of another image, or of other experts; draw them again")
    if masks.shape != (kept.n, *field.shape):
        raise DataFormatError(f"they have the shape {masks.shape}, not {(kept.n, *field.shape)}; draw them again")
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
        masks=masks,
        provenance=kept.provenance,
        seconds=kept.seconds,
        is_restored=True,
    )


def is_lasting(source: str) -> bool:
    """Whether a case from there can be found again: not if it was made of layers in a window."""
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
    """The same source as it is found from any folder."""
    return source if source == DEMO else str(Path(source).absolute())
