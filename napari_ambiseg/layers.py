"""Records to napari's layer data: the layers' names, colours and metadata keys live only here.

Every layer of ours carries ``metadata["ambiseg"] = {"role": ..., ...}``, by which `layer_book.LayerBook` finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.metrics import pixel_variance
from training.records import AnnotatedSlice, BoolArray, HalfArray

if TYPE_CHECKING:
    from napari.utils.colormaps import Colormap

KEY = "ambiseg"
IMAGE, VOTES, VARIANCE, TRAJECTORY, SAMPLES, EXPERT = "image", "votes", "variance", "trajectory", "samples", "expert"
ORDER = (IMAGE, VOTES, VARIANCE, TRAJECTORY, SAMPLES, EXPERT)  # bottom to top

# Okabe and Ito's colours that differ for every kind of colour vision, then Tol's "muted" ones; always with a number.
_EXPERT_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#DDCC77", "#88CCEE", "#AA4499", "#44AA99")
_SAMPLE_COLOUR = "#FFFFFF"
MAX_OUTLINES = 32
_EDGE_WIDTH, _SAMPLE_EDGE_WIDTH = 0.55, 0.12  # pixels of the slice
_ANCHORS = ("upper_left", "upper_right", "lower_left", "lower_right")  # so that the experts' numbers do not overlap

# Written by the reader and the sample data into what they return: napari opened it, and nobody browses it yet.
OPENED = "opened"

LayerData = tuple[Any, dict[str, Any], str]
Scale = tuple[float, float]


@dataclass(frozen=True)
class Origin:
    """Where a case comes from: a file's path or the demo's name, the split, and the index in it."""

    source: str
    split: str
    index: int


def expert_colour(number: int) -> str:
    """Colour of expert ``number`` (from 1); past the last colour they begin again, and the number tells."""
    return _EXPERT_COLOURS[(number - 1) % len(_EXPERT_COLOURS)]


def outlines(mask: BoolArray) -> list[np.ndarray]:
    """Sub-pixel outlines of a (H, W) mask: a list of (P, 2) paths in (row, column), closed, longest first.

    The mask is framed by background first, so that a lesion at the slice's edge gets a closed outline too.
    """
    from skimage.measure import find_contours

    paths = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    return sorted((path - 1 for path in paths), key=len, reverse=True)


def scale_of(case: AnnotatedSlice) -> Scale:
    """Size of a pixel: in millimetres where it is known, else 1."""
    return case.spacing_mm or (1.0, 1.0)


def opened_layers(case: AnnotatedSlice, origin: Origin) -> list[LayerData]:
    """The same as `case_layers`, to be returned to napari: an open case browser takes them over."""
    layers = case_layers(case, origin)
    for _, options, _ in layers:
        options["metadata"][KEY][OPENED] = True
    return layers


def case_layers(case: AnnotatedSlice, origin: Origin) -> list[LayerData]:
    """A case as napari's layer data: the image, the votes, and one layer of outlines per expert."""
    meta = {"source": origin.source, "split": origin.split, "index": origin.index, "key": case.key}
    scale = scale_of(case)
    layers: list[LayerData] = [
        (
            case.image,
            {
                "name": "image",
                "colormap": "gray",
                "contrast_limits": (0.0, 1.0),
                "scale": scale,
                "metadata": {KEY: {"role": IMAGE, "patient": case.patient, **meta}},
            },
            "image",
        ),
        (
            case.masks.sum(axis=0).astype(np.float32),
            {
                "name": "expert votes",
                "colormap": _votes_colormap(case.n_experts),
                "contrast_limits": (0.0, float(case.n_experts)),
                "scale": scale,
                "visible": False,
                "opacity": 0.6,
                "blending": "translucent",
                "metadata": {KEY: {"role": VOTES, **meta}},
            },
            "image",
        ),
    ]
    for number, mask in enumerate(case.masks, start=1):
        layers.append(_expert_layer(number, mask, scale, meta))
    return layers


def expert_names(number: int) -> tuple[str, str]:
    """Name of an expert's layer with outlines in it, and of an empty one."""
    return f"expert {number}", f"expert {number}: none"


def _expert_layer(number: int, mask: BoolArray, scale: Scale, meta: Mapping[str, Any]) -> LayerData:
    paths, colour = outlines(mask), expert_colour(number)
    labels = [str(number)] + [""] * (len(paths) - 1)
    return (
        paths,
        {
            "name": expert_names(number)[not paths],
            "ndim": 2,
            "shape_type": "path",
            "edge_color": colour,
            "face_color": "transparent",
            "edge_width": _EDGE_WIDTH,
            "opacity": 1.0,
            "features": {"label": labels[: len(paths)]},
            "text": {
                "string": "{label}",
                "color": colour,
                "size": 14,
                "anchor": _ANCHORS[(number - 1) % len(_ANCHORS)],
            },
            "scale": scale,
            "metadata": {KEY: {"role": EXPERT, "number": number, "area_px": int(mask.sum()), **meta}},
        },
        "shapes",
    )


def trajectory_layer(frames: HalfArray, quantity: str, scale: Scale) -> LayerData:
    """The frames (N, F, H, W) of a walk: axes sample, step, y, x; NaN is transparent.

    The noisy state "x_t" is shown in grey over [-2, 2], the predicted mask "x0_hat" as a veil over [-1, 1]: fixed,
    so that the brightness does not flicker from step to step.
    """
    noisy = quantity == "x_t"
    options = {
        "name": "trajectory",
        "scale": (1.0, 1.0, *scale),
        "colormap": "gray" if noisy else _predicted_colormap(),
        "contrast_limits": (-2.0, 2.0) if noisy else (-1.0, 1.0),
        "blending": "translucent",
        "interpolation2d": "nearest",
        "metadata": {KEY: {"role": TRAJECTORY, "quantity": quantity}},
    }
    return frames, options, "image"


def sample_layers(masks: BoolArray, provenance: Mapping[str, Any], scale: Scale) -> list[LayerData]:
    """Outlines of the first samples, at most `MAX_OUTLINES`, and the per-pixel variance of all of them."""
    drawn = [(path, number) for number, mask in enumerate(masks[:MAX_OUTLINES], 1) for path in outlines(mask)]
    samples = {
        "name": "samples",
        "ndim": 2,
        "shape_type": "path",
        "edge_color": _SAMPLE_COLOUR,
        "face_color": "transparent",
        "edge_width": _SAMPLE_EDGE_WIDTH,
        "opacity": 0.5,
        "features": {"sample": [number for _, number in drawn]},
        "scale": scale,
        "metadata": {KEY: {"role": SAMPLES, "n": len(masks), **provenance}},
    }
    variance = {
        "name": "variance",
        "colormap": _fading_colormap("magma", "ambiseg variance", 0.25),
        "contrast_limits": (0.0, 0.25),
        "scale": scale,
        "visible": False,
        "opacity": 0.7,
        "blending": "translucent",
        "metadata": {KEY: {"role": VARIANCE, "n": len(masks), **provenance}},
    }
    return [([path for path, _ in drawn], samples, "shapes"), (pixel_variance(masks), variance, "image")]


def _votes_colormap(n_experts: int) -> Colormap:
    """One flat colour per vote count; no vote is transparent."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    shades = ensure_colormap("viridis").map(np.linspace(0.15, 1, n_experts))
    colours = np.vstack([[0, 0, 0, 0], shades])
    # Bins around the whole numbers 0..K, in units of the contrast limits (0, K).
    edges = np.concatenate([[0], (np.arange(n_experts) + 0.5) / n_experts, [1]])
    return Colormap(colours, name=f"ambiseg votes of {n_experts}", controls=edges, interpolation="zero")


def _fading_colormap(base: str, name: str, opaque_from: float) -> Colormap:
    """A colormap that is transparent at 0 and gains full opacity at ``opaque_from``."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    at = np.linspace(0, 1, 65)
    colours = np.array(ensure_colormap(base).map(at))
    colours[:, 3] = np.clip(at / opaque_from, 0, 1)
    return Colormap(colours, name=name, controls=at)


def _predicted_colormap() -> Colormap:
    """x0_hat from -1 (transparent) over 0 (the mask's border) to 1: a light veil over the lesion."""
    from napari.utils.colormaps import Colormap

    return Colormap(
        [[1, 0.95, 0.55, 0.0], [1, 0.95, 0.55, 0.05], [1, 0.95, 0.55, 0.15], [1, 0.95, 0.55, 0.25]],
        name="ambiseg predicted mask",
        controls=[0, 0.3, 0.5, 1],
    )
