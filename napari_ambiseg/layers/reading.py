"""What the user draws in a blind read: one layer of labels on top of all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, READING, LayerData
from training.export.colours import OWN
from training.records import BoolArray

_BRUSHES_PER_SIDE = 24


def reading_layer(mask: BoolArray, place: Place, key: str) -> LayerData:
    """The user's own mask (H, W) of a case, to be painted with label 1."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, Any] = {None: OWN, 0: "transparent", 1: OWN}
    options = {
        "name": "my reading",
        "opacity": 0.45,
        "colormap": DirectLabelColormap(color_dict=colours),
        **place.options(),
        "metadata": {KEY: {"role": READING, "key": key}},
    }
    return place.lift(mask.astype(np.uint8)), options, "labels"


def brush_size(shape: tuple[int, ...]) -> int:
    """A brush, in pixels, that suits a lesion on a slice (H, W): wide enough to fill, narrow enough to outline."""
    return max(1, round(min(shape) / _BRUSHES_PER_SIDE))
