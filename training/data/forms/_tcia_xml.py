"""What LIDC's experts drew, from the XML file that comes with a CT series."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from training.data.forms._contours import Outline
from training.data.forms._folders import require_source
from training.data.forms.interface import LIDC_EXPERTS, Tally, UnusableError

ROOT = "LidcReadMessage"

# LIDC's own files have up to a few megabytes, a hundred thousand elements, seven levels and dozens of nodules.
MAX_BYTES = 32 * 2**20
MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 32
MAX_ANNOTATIONS = 1000

_PIXEL = re.compile(r"\s*([0-9]{1,5})\s*", re.ASCII)
_TRUTH = {"TRUE": True, "FALSE": False}


@dataclass(frozen=True, eq=False)
class PlacedOutline:
    """An outline and the slice it is on.

    Parameters
    ----------
    sop_uid : SOPInstanceUID of the slice, empty where the file does not say it
    z_mm : its z position; NaN where the file does not say it
    """

    outline: Outline
    sop_uid: str
    z_mm: float


@dataclass(frozen=True, eq=False)
class Annotation:
    """One nodule as one expert drew it, over all of its slices; ``expert`` is the number of the reading session."""

    expert: int
    outlines: tuple[PlacedOutline, ...]


@dataclass(frozen=True, eq=False)
class Readings:
    """All that the experts of one series drew.

    Parameters
    ----------
    series_uid : SeriesInstanceUID
    annotations : of all experts; those who saw no nodule have none
    """

    series_uid: str
    annotations: tuple[Annotation, ...]


def read_readings(path: Path, tally: Tally) -> Readings:
    """Read one XML file.

    Nodules below 3 mm, of which only a point was marked, and structures marked as no nodule are left out.  So is
    whatever makes no sense; the tally has it all.

    Raises
    ------
    UnusableError
        If the file as a whole cannot be used.
    """
    root = _parse(_content(path))
    if root.tag != ROOT:
        raise UnusableError(f"XML file that is no {ROOT} (of an X-ray, perhaps)")
    series_uid = _text(root, "ResponseHeader/SeriesInstanceUid")
    if not series_uid:
        raise UnusableError("XML file without a SeriesInstanceUid")
    sessions = root.findall("readingSession")
    if len(sessions) > LIDC_EXPERTS:
        tally.drop(f"reading session after the first {LIDC_EXPERTS}", path.name, len(sessions) - LIDC_EXPERTS)
    found: list[Annotation] = []
    for expert, session in enumerate(sessions[:LIDC_EXPERTS]):
        for _ in session.findall("nonNodule"):
            tally.drop("structure that an expert marked as no nodule", path.name)
        found += _annotations(session, expert, path.name, tally)
    if len(found) > MAX_ANNOTATIONS:
        raise UnusableError(f"XML file with more than {MAX_ANNOTATIONS} nodules")
    return Readings(series_uid, tuple(found))


def _annotations(session: Element, expert: int, name: str, tally: Tally) -> Iterator[Annotation]:
    for nodule in session.findall("unblindedReadNodule"):
        rois = nodule.findall("roi")
        if rois and all(len(roi.findall("edgeMap")) == 1 for roi in rois):
            tally.drop("nodule below 3 mm, of which an expert marked only a point", name)
            continue
        placed: list[PlacedOutline] = []
        for roi in rois:
            try:
                placed.append(_placed_outline(roi))
            except UnusableError as error:
                tally.drop(str(error), name)
        if placed:
            yield Annotation(expert, tuple(placed))
        else:
            tally.drop("nodule without a usable outline", name)


def _placed_outline(roi: Element) -> PlacedOutline:
    points = [(_pixel(edge, "yCoord"), _pixel(edge, "xCoord")) for edge in roi.findall("edgeMap")]
    if not points:
        raise UnusableError("outline without a point")
    inclusion = _TRUTH.get(_text(roi, "inclusion").upper())
    if inclusion is None:
        raise UnusableError("outline that is neither an inclusion nor an exclusion")
    sop_uid, z_mm = _text(roi, "imageSOP_UID"), _millimetres(_text(roi, "imageZposition"))
    if not sop_uid and math.isnan(z_mm):
        raise UnusableError("outline that names no slice")
    return PlacedOutline(Outline(np.array(points, np.int32), inclusion), sop_uid, z_mm)


def _pixel(edge: Element, tag: str) -> int:
    match = _PIXEL.fullmatch(edge.findtext(tag) or "")
    if match is None:
        raise UnusableError("outline with a coordinate that is no pixel")
    return int(match[1])


def _millimetres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        require_source(error)
        raise UnusableError(f"XML file that cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise UnusableError(f"XML file of more than {MAX_BYTES // 2**20} MiB")
    return content


def _parse(content: bytes) -> Element:
    """The tree of an XML file, tags without their namespaces, attributes left out.

    A file may declare nothing of its own: entities that expand to gigabytes, or name other files, need a DOCTYPE.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = count = 0

    def start(tag: str, _attributes: object) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise UnusableError(f"XML file with more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        builder.start(tag.rpartition(" ")[2], {})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition(" ")[2])

    def refuse(*_declaration: object) -> None:
        raise UnusableError("XML file with a DOCTYPE or entities of its own")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: encodings that expat cannot do
        raise UnusableError("XML file that is damaged or incomplete") from error
    return builder.close()
