"""A case as napari's layers: the image, and one layer with the outlines of all its experts (see `experts`)."""

from __future__ import annotations

from typing import Any

from napari_ambiseg.layers.experts import expert_outlines, experts_layer
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import IMAGE, KEY, OPENED, LayerData, Origin
from training.records import AnnotatedSlice


def opened_layers(case: AnnotatedSlice, origin: Origin) -> list[LayerData]:
    """A case to be returned to napari: an open case browser takes its layers over."""
    place = Place.of(case)
    layers = [image_layer(case, origin, place), experts_layer(expert_outlines(case), case.key, place)]
    for _, options, _ in layers:
        options["metadata"][KEY][OPENED] = True
    return layers


def image_layer(case: AnnotatedSlice, origin: Origin, place: Place) -> LayerData:
    """The slice itself."""
    ours = {
        "role": IMAGE,
        "patient": case.patient,
        "source": origin.source,
        "split": origin.split,
        "index": origin.index,
        "key": case.key,
    }
    options: dict[str, Any] = {
        "name": "image",
        "colormap": "gray",
        "contrast_limits": (0.0, 1.0),
        **place.options(),
        "metadata": {KEY: ours},
    }
    return place.lift(case.image), options, "image"
