"""The part of a large slice that the model looks at, as a rectangle on the image."""

from __future__ import annotations

import numpy as np

from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import FIELD, KEY, LayerData
from training.data.field import Field
from training.export.colours import YELLOW

_WIDTH = 0.004  # of the longer side of the slice


def field_layer(field: Field, shape: tuple[int, int], place: Place) -> LayerData:
    """The border of a field, along the outer edges of its pixels, with its size beside it.

    Parameters
    ----------
    shape : (H, W) of the slice
    place : of the slice
    """
    top, left = field.top - 0.5, field.left - 0.5
    bottom, right = top + field.height, left + field.width
    border = np.array([[top, left], [top, right], [bottom, right], [bottom, left], [top, left]])
    options = {
        "name": "field",
        "ndim": place.ndim,
        "shape_type": "path",
        "edge_color": [YELLOW],
        "face_color": "transparent",
        "edge_width": [_WIDTH * max(shape)],
        "opacity": 0.9,
        "features": {"label": [f"field {field.height} x {field.width}"]},
        "text": {"string": "{label}", "color": YELLOW, "size": 10, "anchor": "upper_left"},
        **place.options(),
        "metadata": {KEY: {"role": FIELD, "field": str(field)}},
    }
    return [place.lift_points(border)], options, "shapes"
