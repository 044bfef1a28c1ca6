"""The experts' outlines, or what they agree on, as one layer of napari."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.colours import AGREEMENT, STAPLE, SUMMARY
from napari_ambiseg.layers.marked import votes_of
from napari_ambiseg.layers.outlines import outlines
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import EXPERTS, KEY, LayerData
from napari_ambiseg.settings import OUTLINE_WIDTH
from training.export.colours import expert_colour, expert_letter
from training.records import AnnotatedSlice, BoolArray

_TEXT_SIZE = 14
_DASH = 2  # pixels of the slice; as long as the gap behind it
_FROM_OUTLINE = 2.5  # pixels of the slice, of a label
_GOLDEN = (math.sqrt(5) - 1) / 2  # of a turn, from one label to the next: no two of them meet
_NOWHERE = "#00000000"

Path = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outline:
    """One mask to be outlined in the layer of the experts.

    Parameters
    ----------
    mask : (H, W) bool
    label : written beside its longest path
    colour : of path and label, "#RRGGBB"
    width : of the path, in pixels of the slice
    dashed : whether the path has gaps
    turn : where around the outline the label stands, in turns clockwise from the upper left
    """

    mask: BoolArray
    label: str
    colour: str
    width: float = OUTLINE_WIDTH
    dashed: bool = False
    turn: float = 0.0


def expert_outlines(case: AnnotatedSlice, hidden: Sequence[int] = (), width: float = OUTLINE_WIDTH) -> list[Outline]:
    """The experts' own outlines, but for the experts of these numbers.

    Each label has a direction of its own, so that the letters of equal outlines do not cover each other.
    """
    turns = [at / 4 if len(case.masks) <= 4 else at * _GOLDEN for at in range(len(case.masks))]
    return [
        Outline(mask, expert_letter(number), expert_colour(number), width, turn=turn)
        for number, (mask, turn) in enumerate(zip(case.masks, turns, strict=True), start=1)
        if number not in hidden
    ]


def summary_outlines(masks: BoolArray, width: float = OUTLINE_WIDTH) -> list[Outline]:
    """What all of the K experts (K, H, W) mark, what at least half of them do, and what anyone does.

    They differ by width and dashes, and each says which it is; those that are one and the same are drawn once.
    """
    count, votes = len(masks), votes_of(masks)
    wanted = [(1, "any", 0.8, True), ((count + 1) // 2, "half", 1.0, False), (count, "all", 2.0, False)]
    named = {least: (name, wide, dashed) for least, name, wide, dashed in wanted}  # of K = 1 and 2, the innermost
    turns = {"any": 0.25, "half": 0.0, "all": 0.5}
    return [
        Outline(votes >= least, name if least == 1 else f"{name}: {least}", SUMMARY, wide * width, dashed, turns[name])
        for least, (name, wide, dashed) in named.items()
    ]


def agreement_outline(masks: BoolArray, least: int, width: float = OUTLINE_WIDTH) -> Outline:
    """What at least so many of the K experts (K, H, W) mark."""
    return Outline(votes_of(masks) >= least, f"≥ {least}", AGREEMENT, 1.6 * width, turn=0.75)


def staple_outline(mask: BoolArray, width: float = OUTLINE_WIDTH) -> Outline:
    """The estimate by STAPLE, named as what it is."""
    return Outline(mask, "STAPLE", STAPLE, 1.6 * width, dashed=True, turn=0.375)


def agreement_name(least: int, n_experts: int) -> str:
    """What the region is called that at least so many of K experts mark; "" where it has no name of its own."""
    if n_experts == 1:
        return "the only expert"
    names = {1: "union", n_experts // 2 + 1: "majority", n_experts: "intersection"}
    return names.get(least, "")


def experts_layer(shown: Sequence[Outline], key: str, place: Place) -> LayerData:
    """Outlines in the order given, each with its label; a mask without foreground has none.

    A label hangs on a path of its own that is not seen: napari writes all texts of a layer at the same side of their
    shapes, and the letters of experts who agree would lie on top of each other.
    """
    paths: list[Path] = []
    rows: list[tuple[str, str, str, str, float]] = []
    for outline in shown:
        own = outlines(outline.mask)
        if not own:
            continue
        for path in own:
            pieces = _dashes(path) if outline.dashed else [path]
            paths += pieces
            rows += [("", outline.label, outline.colour, outline.colour, outline.width)] * len(pieces)
        paths.append(_label_path(own[0], outline.turn))
        rows.append((_padded(outline.label, outline.turn), outline.label, _NOWHERE, outline.colour, outline.width))
    labels, owners, colours, inks, widths = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    options = {
        "name": "experts",
        "ndim": place.ndim,
        "shape_type": "path",
        "edge_color": list(colours) or _NOWHERE,
        "face_color": "transparent",
        "edge_width": list(widths),
        "opacity": 1.0,
        "features": {"label": list(labels), "outline": list(owners), "colour": list(colours), "ink": list(inks)},
        "text": {"string": "{label}", "color": {"feature": "ink"}, "size": _TEXT_SIZE, "anchor": "center"},
        **place.options(),
        "metadata": {KEY: {"role": EXPERTS, "key": key}},
    }
    return [place.lift_points(path) for path in paths], options, "shapes"


def _label_path(path: Path, turn: float) -> Path:
    """The point a little outside of an outline in a direction, as a path that napari can draw."""
    angle = 2 * math.pi * (turn - 0.375)  # 0 is the upper left, then clockwise
    direction = np.array([math.sin(angle), math.cos(angle)])
    farthest = path[np.argmax(path @ direction)]
    at = farthest + _FROM_OUTLINE * direction
    return np.stack([at, at + np.array([0.0, 0.01])])


def _padded(label: str, turn: float) -> str:
    """A word pushed away from the outline: napari centres a text, and the lesion would be behind half of it."""
    if len(label) == 1:
        return label
    spaces = " " * (2 * len(label) + 4)
    to_right = math.cos(2 * math.pi * (turn - 0.375))
    return spaces + label if to_right > 0.1 else label + spaces if to_right < -0.1 else label


def _dashes(path: Path) -> list[Path]:
    """Pieces of an outline, with gaps as long as they are; a point of an outline is about 0.7 pixels from the next."""
    step = max(2, round(_DASH / 0.7))
    return [path[at : at + step + 1] for at in range(0, len(path) - 1, 2 * step)]
