"""The experts' outlines, or what they agree on, as one layer of napari."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_ambiseg.layers.colours import AGREEMENT, STAPLE, SUMMARY
from napari_ambiseg.layers.dashes import POINTS_APART, Path, dash_dots, dashes
from napari_ambiseg.layers.lettering import TEXT_SIZE, Name, placed
from napari_ambiseg.layers.marked import votes_of
from napari_ambiseg.layers.outlines import outlines
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import EXPERTS, KEY, LayerData
from napari_ambiseg.layers.sharing import shared_out
from napari_ambiseg.settings import OUTLINE_WIDTH
from training.errors import ConfigError
from training.export.colours import OWN, expert_colour, expert_letter
from training.export.own_reading import ME
from training.records import AnnotatedSlice, BoolArray

_SHARED_DASH = 12.0  # pixels of the screen, where several experts drew the same line
_SCREEN_PIXEL = 0.2  # of a slice of 128 pixels in a window, about
_GOLDEN = (math.sqrt(5) - 1) / 2  # of a turn, from one label to the next
_NOWHERE = "#00000000"

Line = Literal["solid", "dashed", "dash-dot"]
_CUTS: Mapping[Line, Callable[[Path], list[Path]]] = {
    "solid": lambda path: [path],
    "dashed": dashes,
    "dash-dot": dash_dots,
}


@dataclass(frozen=True, eq=False)
class Outline:
    """One mask to be outlined in the layer of the experts.

    Parameters
    ----------
    mask : (H, W) bool
    label : written beside its longest path
    colour : of path and label, "#RRGGBB"
    width : of the path, in pixels of the slice
    line : how the path is drawn
    turn : where around the outline the label stands by choice, in turns clockwise from the upper left
    shown : whether it is drawn; one that is not keeps the place of its label
    lettered : whether its label is written
    shares : whether it takes turns with others where they coincide, which only a solid one can

    Raises
    ------
    ConfigError
        If a line with gaps is to take turns.
    """

    mask: BoolArray
    label: str
    colour: str
    width: float = OUTLINE_WIDTH
    line: Line = "solid"
    turn: float = 0.0
    shown: bool = True
    lettered: bool = True
    shares: bool = False

    def __post_init__(self) -> None:
        if self.shares and self.line != "solid":
            raise ConfigError(f"the outline {self.label!r} is {self.line} and cannot take turns; make it solid")


def expert_outlines(
    case: AnnotatedSlice, hidden: Sequence[int] = (), width: float = OUTLINE_WIDTH, *, lettered: bool = True
) -> list[Outline]:
    """The experts' own outlines; those of the experts of these numbers are not shown."""
    turns = [at / 4 if len(case.masks) <= 4 else at * _GOLDEN for at in range(len(case.masks))]
    return [
        Outline(
            mask,
            expert_letter(number),
            expert_colour(number),
            width,
            turn=turn,
            shown=number not in hidden,
            lettered=lettered,
            shares=True,
        )
        for number, (mask, turn) in enumerate(zip(case.masks, turns, strict=True), start=1)
    ]


def summary_outlines(masks: BoolArray, width: float = OUTLINE_WIDTH) -> list[Outline]:
    """What all of the K experts (K, H, W) mark, what at least half of them do, and what anyone does.

    They differ by width and dashes, and each says which it is; those that are one and the same are drawn once.
    """
    count, votes = len(masks), votes_of(masks)
    wanted: list[tuple[int, str, float, Line]] = [
        (1, "any", 0.8, "dashed"), ((count + 1) // 2, "half", 1.0, "solid"), (count, "all", 2.0, "solid"),
    ]  # fmt: skip
    named = {least: (name, wide, line) for least, name, wide, line in wanted}  # of K = 1 and 2, the innermost
    turns = {"any": 0.25, "half": 0.0, "all": 0.5}
    return [
        Outline(votes >= least, name if least == 1 else f"{name}: {least}", SUMMARY, wide * width, line, turns[name])
        for least, (name, wide, line) in named.items()
    ]


def agreement_outline(masks: BoolArray, least: int, width: float = OUTLINE_WIDTH) -> Outline:
    """What at least so many of the K experts (K, H, W) mark."""
    return Outline(votes_of(masks) >= least, f"≥ {least}", AGREEMENT, 1.6 * width, turn=0.75)


def staple_outline(mask: BoolArray, width: float = OUTLINE_WIDTH) -> Outline:
    """The estimate by STAPLE, named as what it is."""
    return Outline(mask, "STAPLE", STAPLE, 1.6 * width, "dashed", turn=0.375)


def own_outline(mask: BoolArray, width: float = OUTLINE_WIDTH) -> Outline:
    """What the reader drew: dash and dot, so that an expert's outline under it is seen in the gaps."""
    return Outline(mask, ME, OWN, width, "dash-dot", turn=0.125)


def agreement_name(least: int, n_experts: int) -> str:
    """What the region is called that at least so many of K experts mark; "" where it has no name of its own."""
    if n_experts == 1:
        return "the only expert"
    names = {1: "union", n_experts // 2 + 1: "majority", n_experts: "intersection"}
    return names.get(least, "")


def experts_layer(
    outlined: Sequence[Outline],
    key: str,
    place: Place,
    screen_pixel: float = _SCREEN_PIXEL,
    elsewhere: BoolArray | None = None,
) -> LayerData:
    """Outlines in the order given, each with its label; a mask without foreground has none.

    A label hangs on a path of its own that is not seen: napari writes all texts of a layer at the same side of their
    shapes, and the letters of experts who agree would lie on top of each other.  Outlines that are one and the same
    have one label: "A=C".

    Parameters
    ----------
    outlined : the outlines, the lowest first
    key : of the case
    place : of the slice
    screen_pixel : size of a pixel of the screen, in pixels of the slice, for which the labels are placed
    elsewhere : (H, W), where else no label may stand: what other layers outline
    """
    drawn = [(outline, own) for outline in outlined if (own := outlines(outline.mask))]
    sharing = [own if outline.shares and outline.shown else [] for outline, own in drawn]
    shared = shared_out(sharing, max(2, round(_SHARED_DASH * screen_pixel / POINTS_APART)))
    paths: list[Path] = []
    rows: list[tuple[str, str, str, str, float]] = []
    for (outline, own), left in zip(drawn, shared, strict=True):
        if not outline.shown:
            continue
        pieces = left if outline.shares else [piece for path in own for piece in _CUTS[outline.line](path)]
        paths += pieces
        rows += [("", outline.label, outline.colour, outline.colour, outline.width)] * len(pieces)
    for text, at, outline in _labels(drawn, screen_pixel, elsewhere):
        paths.append(np.stack([at, np.add(at, (0.0, 0.01))]))
        rows.append((text, outline.label, _NOWHERE, outline.colour, outline.width))
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
        "text": {"string": "{label}", "color": {"feature": "ink"}, "size": TEXT_SIZE, "anchor": "center"},
        **place.options(),
        "metadata": {KEY: {"role": EXPERTS, "key": key}},
    }
    return [place.lift_points(path) for path in paths], options, "shapes"


def _labels(
    drawn: Sequence[tuple[Outline, Sequence[Path]]], screen_pixel: float, elsewhere: BoolArray | None
) -> Iterator[tuple[str, tuple[float, float], Outline]]:
    """What is written where, and in whose colour."""
    groups: dict[Hashable, list[tuple[Outline, Path]]] = {}
    for outline, paths in drawn:
        if outline.lettered:
            same = (outline.shown, outline.mask.tobytes()) if outline.shares else outline.label
            groups.setdefault(same, []).append((outline, paths[0]))
    if not groups:
        return
    names = []
    for members in groups.values():
        *others, last = [outline.label for outline, _ in members]
        names.append(Name((*(f"{label}=" for label in others), last), members[0][1], members[0][0].turn))
    marked: BoolArray = np.any([outline.mask for outline, _ in drawn], axis=0)
    if elsewhere is not None:
        marked = marked | elsewhere
    for name, places, members in zip(names, placed(names, marked, screen_pixel), groups.values(), strict=True):
        for text, at, (outline, _) in zip(name.texts, places, members, strict=True):
            if outline.shown:
                yield text, at, outline
