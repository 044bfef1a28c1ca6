"""Pictures side by side: layers of their own for napari's grid, away again afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_ambiseg.layers.case import image_layer
from napari_ambiseg.layers.experts import expert_outlines, experts_layer
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, LayerData, Origin
from napari_ambiseg.layers.samples import samples_layer
from training.export.colours import expert_letter
from training.records import AnnotatedSlice, BoolArray

CELL = "cell"  # in place of a role: no part fills such a layer but `beside.Beside`
_ON_IMAGE = "on_image"  # whether it lies on its cell's image


@dataclass(frozen=True, eq=False)
class Picture:
    """One cell: the layers of it, from bottom to top, each cell of a grid with equally many.

    Parameters
    ----------
    name : written in its corner
    layers : as napari makes them
    """

    name: str
    layers: tuple[LayerData, ...]


def run_picture(
    name: str,
    case: AnnotatedSlice,
    origin: Origin,
    place: Place,
    masks: BoolArray,
    masks_place: Place,
    screen_pixel: float,
) -> Picture:
    """A case with its experts and the samples of one run, (N, H, W) bool at a place of their own.

    The experts' letters are placed for a pixel of the screen of this size, in pixels of the slice.
    """
    return _picture(
        name,
        image_layer(case, origin, place),
        experts_layer(expert_outlines(case), case.key, place, screen_pixel),
        samples_layer(masks, None, masks_place, {}),
    )


def expert_pictures(case: AnnotatedSlice, origin: Origin, place: Place) -> list[Picture]:
    """A case once for each expert, with this one's outline alone."""
    return [
        _picture(
            f"Expert {expert_letter(number)}" + ("" if mask.any() else ": nothing"),
            image_layer(case, origin, place),
            experts_layer(outlines_of(case, number), case.key, place),
        )
        for number, mask in enumerate(case.masks, start=1)
    ]


def outlines_of(case: AnnotatedSlice, number: int) -> Sequence[Any]:
    """The outline of one expert (from 1)."""
    others = [other for other in range(1, case.n_experts + 1) if other != number]
    return expert_outlines(case, others, lettered=False)  # the cell says whose it is


def is_cell(layer: Any) -> bool:
    """Whether a layer is one of a picture side by side with others."""
    ours = layer.metadata.get(KEY)
    return isinstance(ours, dict) and ours.get("role") == CELL


def lies_on_image(layer: Any) -> bool:
    """Whether a layer of a picture is anything but its image."""
    return is_cell(layer) and bool(layer.metadata[KEY].get(_ON_IMAGE))


def _picture(name: str, *layers: LayerData) -> Picture:
    for at, (_, options, _) in enumerate(layers):
        options["name"] = f"{name}: {options['name']}" if at else name
        options["metadata"][KEY] = {"role": CELL, _ON_IMAGE: at > 0}
    return Picture(name, layers)
