"""The one map that lies over the image: which there are, and each as napari's layer data.

Every map has a fixed scale, so that two cases compare by eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_ambiseg.layers.colours import fading_colormap, votes_colormap
from napari_ambiseg.layers.marked import votes_of, within_marked
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, MAP, LayerData
from training.metrics import pixel_variance, vote_fraction
from training.records import BoolArray

NO_MAP, VOTES, EXPERT_VARIANCE = "none", "votes", "expert variance"
SAMPLE_SHARE, SAMPLE_VARIANCE, DIFFERENCE = "sample share", "sample variance", "difference"
OF_EXPERTS = (VOTES, EXPERT_VARIANCE)  # need no model
OF_SAMPLES = (SAMPLE_SHARE, SAMPLE_VARIANCE)
MAPS = (NO_MAP, *OF_EXPERTS, *OF_SAMPLES, DIFFERENCE)

_LARGEST_VARIANCE = 0.25  # of zeros and ones: half of them ones
_OPACITY = 0.65
_BOTH = "#80808066"  # pixels that both of a pair mark

#: What the dock says of each map: its scale, which is the same for every case.
SCALES = {
    NO_MAP: "The bare image",
    VOTES: "How many experts mark a pixel: one flat colour for each count, none is clear",
    EXPERT_VARIANCE: "p (1 − p) of the experts, from 0 (clear) to 0.25 (half of them); the same for every case",
    SAMPLE_SHARE: "Share of the samples that mark a pixel, from 0 (clear) to 1; the same for every case",
    SAMPLE_VARIANCE: "p (1 − p) of the samples, from 0 (clear) to 0.25 (half of them); the same for every case",
    DIFFERENCE: "Where two masks differ: choose a pair in the matrix below",
}


@dataclass(frozen=True, eq=False)
class _Look:
    colormap: Any
    limits: tuple[float, float]


def votes_map(masks: BoolArray, place: Place) -> LayerData:
    """How many of the K experts (K, H, W) mark each pixel."""
    look = _Look(votes_colormap(len(masks)), (0.0, float(len(masks))))
    return _layer(VOTES, votes_of(masks).astype(np.float32), look, place, {"n": len(masks)})


def share_map(masks: BoolArray, place: Place, about: Mapping[str, Any]) -> LayerData:
    """The share of the N samples (N, H, W) that mark each pixel, from 0 to 1."""
    look = _Look(fading_colormap("viridis", "share", 0.1), (0.0, 1.0))
    return _layer(
        SAMPLE_SHARE, within_marked(masks, vote_fraction, np.float32), look, place, {"n": len(masks), **about}
    )


def variance_map(masks: BoolArray, name: str, place: Place, about: Mapping[str, Any]) -> LayerData:
    """p (1 - p) of each pixel of a set of masks: ``name`` says whether the experts' or the samples'."""
    look = _Look(fading_colormap("magma", "variance", 0.25), (0.0, _LARGEST_VARIANCE))
    return _layer(name, within_marked(masks, pixel_variance, np.float32), look, place, {"n": len(masks), **about})


def difference_map(
    first: BoolArray, second: BoolArray, pair: tuple[str, str], colours: tuple[str, str], place: Place
) -> LayerData:
    """Pixels that only the first (1), only the second (2) or both (3) of two masks (H, W) mark.

    Parameters
    ----------
    first, second : (H, W) bool
    pair : what the two are called
    colours : of the pixels that only one of them marks
    """
    from napari.utils.colormaps import Colormap

    edges = [0, 1 / 6, 0.5, 5 / 6, 1]  # bins around 0, 1, 2 and 3, in units of the contrast limits
    look = _Look(
        Colormap(
            ["#00000000", colours[0], colours[1], _BOTH],
            name=" or ".join(pair),  # napari's left column grows with the longest name
            controls=edges,
            interpolation="zero",
        ),
        (0.0, 3.0),
    )
    values = first.astype(np.float32) + 2 * second.astype(np.float32)
    return _layer(DIFFERENCE, values, look, place, {"pair": pair})


def _layer(name: str, values: Any, look: _Look, place: Place, about: Mapping[str, Any]) -> LayerData:
    options = {
        "name": f"map: {name}",
        "colormap": look.colormap,
        "contrast_limits": look.limits,
        "opacity": _OPACITY,
        "blending": "translucent",
        "interpolation2d": "nearest",
        **place.options(),
        "metadata": {KEY: {"role": MAP, "map": name, **about}},
    }
    return place.lift(values), options, "image"
