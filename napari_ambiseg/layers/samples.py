"""The outlines of drawn masks in one layer: as they are now and, dashed, as they were before post-processing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_ambiseg.layers.outlines import dashed, outline_segments
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, SAMPLES, LayerData
from training.export.colours import SAMPLE
from training.records import BoolArray

MAX_OUTLINES = 32
EDGE_WIDTH = 0.3  # pixels of the slice


def samples_layer(masks: BoolArray, ghost: BoolArray | None, place: Place, about: Mapping[str, Any]) -> LayerData:
    """Outlines of the first samples, at most `MAX_OUTLINES`.

    Parameters
    ----------
    masks : (N, H, W) bool
    ghost : the same samples before post-processing, dashed where it changed them; None draws none
    about : what the layer's metadata says of them
    """
    segments, owners = outline_segments(masks[:MAX_OUTLINES])
    before = np.zeros(len(segments), bool)
    if ghost is not None:
        changed = (masks[:MAX_OUTLINES] != ghost[:MAX_OUTLINES]).any(axis=(1, 2)).nonzero()[0]
        dashes, whose = outline_segments(ghost[changed])
        drawn = dashed(dashes)
        segments = np.concatenate([segments, dashes[drawn]])
        owners = np.concatenate([owners, changed[whose[drawn]]])
        before = np.concatenate([before, np.ones(drawn.sum(), bool)])
    options = {
        "name": "samples",
        "ndim": place.ndim,
        "vector_style": "line",
        "edge_width": EDGE_WIDTH,
        "edge_color": SAMPLE,
        "length": 1.0,
        "opacity": 0.5,
        "features": {"sample": owners + 1, "before": before},
        **place.options(),
        "metadata": {KEY: {"role": SAMPLES, "n": len(masks), **about}},
    }
    return place.lift_points(segments), options, "vectors"
