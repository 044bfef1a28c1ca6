"""Other data in a layer that is there: what a user may have chosen for it stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.roles import KEY, MAP, TRAJECTORY, LayerData

if TYPE_CHECKING:
    from napari.layers import Layer, Shapes


class Filler:
    """Fills layers of ours in place, and remembers how the user coloured what was in them."""

    def __init__(self) -> None:
        self._recoloured: dict[str, NDArray[np.float64]] = {}  # what outlines of a colour or role look like now

    def fill(self, layer: Layer, layer_data: LayerData) -> None:
        """Fill a layer of the same kind.

        What says what the data are (place, metadata, the scale of a map) is taken over; what a user may have chosen
        (colour, name, opacity, whether it is on) stays.
        """
        from pint import Unit  # slow to import, and napari has it by then

        data, options, kind = layer_data
        before, layer.metadata[KEY] = layer.metadata[KEY], options["metadata"][KEY]
        if kind == "shapes":
            self._redraw_shapes(layer, data, options)
        elif kind == "vectors":
            self._redraw_vectors(layer, data, options)
        else:
            layer.data = data
        if kind == "image" and _subject(before) != _subject(layer.metadata[KEY]):
            _retune(layer, options)
        for name in ("scale", "translate", "affine"):
            wanted = options.get(name, np.eye(layer.ndim + 1) if name == "affine" else None)
            if wanted is not None and not np.array_equal(np.asarray(getattr(layer, name)), wanted):
                setattr(layer, name, wanted)
        units = tuple(Unit(name) for name in options.get("units", ("pixel",) * layer.ndim))
        if units != layer.units:
            layer.units = units
        _measure_anew(layer)

    def empty(self, layer: Layer) -> None:
        """Leave nothing to see in a layer."""
        if layer.metadata[KEY]["role"] == TRAJECTORY:
            layer.data = nothing_to_see((1, 1), layer.ndim)
            _measure_anew(layer)
        elif type(layer).__name__ == "Shapes":
            # Its columns stay: the texts are coloured by one of them.
            self._redraw_shapes(layer, [], {"features": layer.features.iloc[:0]})
        elif type(layer).__name__ == "Vectors":
            self._redraw_vectors(layer, np.empty((0, 2, layer.ndim), np.float32), {"features": {}})
        else:
            layer.data = np.zeros_like(layer.data)

    def _redraw_shapes(self, layer: Shapes, paths: Sequence[np.ndarray], options: Mapping[str, Any]) -> None:
        """Put other paths into a layer of outlines; what the user coloured otherwise keeps that colour."""
        for ours, its in zip(layer.features.get("colour", ()), layer.edge_color, strict=False):
            self._recoloured[ours] = its
        layer.data = []
        if len(paths):
            # napari writes the texts of new shapes before their features can be set: from these.
            layer.features = {name: np.empty(0, object) for name in options["features"]}
            layer.feature_defaults = {name: values[0] for name, values in options["features"].items()}
            colours = [self._recoloured.get(colour, colour) for colour in options["edge_color"]]
            layer.add_paths(list(paths), edge_color=colours, edge_width=options["edge_width"])
        layer.features = options["features"]
        layer.refresh_text()

    def _redraw_vectors(self, layer: Layer, segments: np.ndarray, options: Mapping[str, Any]) -> None:
        """Put other segments into a layer of outlines, in the colour and width that the user may have chosen for it."""
        role = layer.metadata[KEY]["role"]
        if len(layer.data):
            self._recoloured[role] = layer.edge_color[0]
        layer.data = segments
        layer.features = options["features"]
        colour = self._recoloured.get(role)
        if colour is not None and not (layer.edge_color == colour).all():  # napari gives more of them another one
            layer.edge_color = colour


def nothing_to_see(leading: tuple[int, ...], ndim: int) -> NDArray[np.float16]:
    """A trajectory of this many samples and steps with nothing to see, which takes no memory."""
    return np.broadcast_to(np.array(np.nan, np.float16), (*leading, *(1,) * (ndim - 2)))


def _subject(ours: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an image layer shows: another one has another scale and other colours."""
    of_votes = ours.get("n") if ours.get("map") == "votes" else None
    return ours.get("map"), ours.get("pair"), ours.get("quantity"), of_votes


def _measure_anew(layer: Layer) -> None:
    """Let napari know how large a hidden layer is now: by itself it does not look, not even when it is shown again."""
    if not layer.visible:
        layer.scale = layer.scale


def _retune(layer: Layer, options: Mapping[str, Any]) -> None:
    layer.contrast_limits_range = options["contrast_limits"]
    layer.contrast_limits = options["contrast_limits"]
    layer.colormap = options["colormap"]
    if layer.metadata[KEY]["role"] == MAP:
        layer.name = options["name"]
