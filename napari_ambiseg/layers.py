"""Records to napari layers: the layers' names, colours and metadata keys live only here.

Every layer of ours carries ``metadata["ambiseg"] = {"role": ..., ...}`` and is found by that role, never by its
name, so that a user may rename, recolour, hide or delete any of them.  A deleted one comes back when it is next
needed; what a user changed on one that is still there is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.metrics import pixel_variance
from training.records import AnnotatedSlice, BoolArray, HalfArray

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Shapes

KEY = "ambiseg"
IMAGE, VOTES, VARIANCE, TRAJECTORY, SAMPLES, EXPERT = "image", "votes", "variance", "trajectory", "samples", "expert"
_ORDER = (IMAGE, VOTES, VARIANCE, TRAJECTORY, SAMPLES, EXPERT)  # bottom to top

# Okabe and Ito's colours that differ for every kind of colour vision, then Tol's "muted" ones; always with a number.
EXPERT_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#DDCC77", "#88CCEE", "#AA4499", "#44AA99")
SAMPLE_COLOUR = "#FFFFFF"
MAX_OUTLINES = 32
_EDGE_WIDTH, _SAMPLE_EDGE_WIDTH = 0.45, 0.16  # pixels of the slice
_ANCHORS = ("upper_left", "upper_right", "lower_left", "lower_right")  # so that the experts' numbers do not overlap
_X_T_RANGE, _X0_RANGE = (-2.0, 2.0), (-1.0, 1.0)

LayerData = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class Origin:
    """Where a case comes from: a file's path or the demo's name, the split, and the index in it."""

    source: str
    split: str
    index: int


def expert_colour(number: int) -> str:
    """Colour of expert ``number`` (from 1); past the last colour they begin again, and the number tells."""
    return EXPERT_COLOURS[(number - 1) % len(EXPERT_COLOURS)]


def outlines(mask: BoolArray) -> list[np.ndarray]:
    """Sub-pixel outlines of a (H, W) mask: a list of (P, 2) paths in (row, column), closed, longest first.

    The mask is framed by background first, so that a lesion at the slice's edge gets a closed outline too.
    """
    from skimage.measure import find_contours

    paths = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    return sorted((path - 1 for path in paths), key=len, reverse=True)


def case_layers(case: AnnotatedSlice, origin: Origin) -> list[LayerData]:
    """A case as napari's layer data: the image, the votes, and one layer of outlines per expert."""
    meta = {"source": origin.source, "split": origin.split, "index": origin.index, "key": case.key}
    scale = case.spacing_mm or (1.0, 1.0)
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


def _expert_layer(number: int, mask: BoolArray, scale: tuple[float, float], meta: Mapping[str, Any]) -> LayerData:
    paths, colour = outlines(mask), expert_colour(number)
    labels = [str(number)] + [""] * (len(paths) - 1)
    return (
        paths,
        {
            "name": f"expert {number}" if paths else f"expert {number}: none",
            "ndim": 2,
            "shape_type": "path",
            "edge_color": colour,
            "face_color": "transparent",
            "edge_width": _EDGE_WIDTH,
            "features": {"label": labels[: len(paths)]},
            "text": {
                "string": "{label}",
                "color": colour,
                "size": 12,
                "anchor": _ANCHORS[(number - 1) % len(_ANCHORS)],
            },
            "scale": scale,
            "metadata": {KEY: {"role": EXPERT, "number": number, "area_px": int(mask.sum()), **meta}},
        },
        "shapes",
    )


def _votes_colormap(n_experts: int) -> Any:
    """One flat colour per vote count; no vote is transparent."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    shades = ensure_colormap("viridis").map(np.linspace(0.15, 1, n_experts))
    colours = np.vstack([[0, 0, 0, 0], shades])
    # Bins around the whole numbers 0..K, in units of the contrast limits (0, K).
    edges = np.concatenate([[0], (np.arange(n_experts) + 0.5) / n_experts, [1]])
    return Colormap(colours, name=f"ambiseg votes of {n_experts}", controls=edges, interpolation="zero")


def _fading_colormap(base: str, name: str, opaque_from: float) -> Any:
    """A colormap that is transparent at 0 and gains full opacity at ``opaque_from``."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    at = np.linspace(0, 1, 65)
    colours = np.array(ensure_colormap(base).map(at))
    colours[:, 3] = np.clip(at / opaque_from, 0, 1)
    return Colormap(colours, name=name, controls=at)


def _predicted_colormap() -> Any:
    """x0_hat from -1 (transparent) over 0 (the mask's border) to 1: a light veil over the lesion."""
    from napari.utils.colormaps import Colormap

    return Colormap(
        [[1, 0.95, 0.55, 0.0], [1, 0.95, 0.55, 0.06], [1, 0.95, 0.55, 0.22], [1, 0.95, 0.55, 0.45]],
        name="ambiseg predicted mask",
        controls=[0, 0.3, 0.5, 1],
    )


class LayerBook:
    """The layers of one viewer, found by role, filled in place, made again where deleted.

    Parameters
    ----------
    viewer : napari viewer or viewer model
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._trajectory: HalfArray | None = None

    def find(self, role: str, number: int | None = None) -> Layer | None:
        """The newest layer with this role (and expert's number), None where there is none."""
        for layer in reversed(self._viewer.layers):
            if _role(layer) == role and (number is None or layer.metadata[KEY].get("number") == number):
                return layer
        return None

    def show_case(self, case: AnnotatedSlice, origin: Origin) -> None:
        """Show another case in the layers that are there; experts that it does not have lose their layer."""
        for data, options, kind in case_layers(case, origin):
            self._put(data, options, kind)
        for layer in list(self._viewer.layers):
            if _role(layer) == EXPERT and layer.metadata[KEY]["number"] > case.n_experts:
                self._viewer.layers.remove(layer)

    def drop_strangers(self, source: str) -> None:
        """Remove layers of ours that show another file, and second ones of a role.

        Opening a file by napari's own menu adds layers beside those of the file that was open before.
        """
        seen: set[tuple[str, int]] = set()
        for layer in reversed(list(self._viewer.layers)):
            if (role := _role(layer)) is None:
                continue
            name = (role, layer.metadata[KEY].get("number", 0))
            if name in seen or layer.metadata[KEY].get("source", source) != source:
                self._viewer.layers.remove(layer)
            seen.add(name)

    def clear_samples(self) -> None:
        """Empty what a previous case's samples left, and keep the layers."""
        self._trajectory = None
        if (layer := self.find(TRAJECTORY)) is not None:
            layer.data = np.zeros((1, 1, *layer.data.shape[-2:]), np.float16)
        if (layer := self.find(SAMPLES)) is not None:
            _redraw(layer, [], {"sample": []})
        if (layer := self.find(VARIANCE)) is not None:
            layer.data = np.zeros_like(layer.data)

    def show_trajectory(self, frames: HalfArray, quantity: str, scale: tuple[float, float]) -> None:
        """Show an array (N, F, H, W) that will be filled in place; `refresh_trajectory` draws what came in.

        ``quantity`` "x_t" is shown in grey over [-2, 2], "x0_hat" as a veil over [-1, 1]: fixed, so that the
        brightness does not flicker from step to step.
        """
        noisy = quantity == "x_t"
        look = {
            "colormap": "gray" if noisy else _predicted_colormap(),
            "contrast_limits": _X_T_RANGE if noisy else _X0_RANGE,
        }
        existing = self.find(TRAJECTORY)
        layer = self._put(
            frames,
            {
                "name": "trajectory",
                "scale": (1.0, 1.0, *scale),
                "blending": "translucent",
                "interpolation2d": "nearest",
                "metadata": {KEY: {"role": TRAJECTORY, "quantity": quantity}},
                **look,
            },
            "image",
        )
        if existing is not None:
            layer.contrast_limits = look["contrast_limits"]
            layer.colormap = look["colormap"]

    def refresh_trajectory(self) -> None:
        """Draw what was written into the trajectory's array."""
        if (layer := self.find(TRAJECTORY)) is not None and layer.visible:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def show_samples(self, masks: BoolArray, provenance: Mapping[str, Any], scale: tuple[float, float]) -> None:
        """Outlines of the first samples, at most `MAX_OUTLINES`, and the per-pixel variance of all of them."""
        drawn = [(path, number) for number, mask in enumerate(masks[:MAX_OUTLINES], 1) for path in outlines(mask)]
        self._put(
            [path for path, _ in drawn],
            {
                "name": "samples",
                "ndim": 2,
                "shape_type": "path",
                "edge_color": SAMPLE_COLOUR,
                "face_color": "transparent",
                "edge_width": _SAMPLE_EDGE_WIDTH,
                "opacity": 0.8,
                "features": {"sample": [number for _, number in drawn]},
                "scale": scale,
                "metadata": {KEY: {"role": SAMPLES, "n": len(masks), **provenance}},
            },
            "shapes",
        )
        layer = self._put(
            pixel_variance(masks),
            {
                "name": "variance",
                "colormap": _fading_colormap("magma", "ambiseg variance", 0.25),
                "contrast_limits": (0.0, 0.25),
                "scale": scale,
                "visible": False,
                "blending": "translucent",
                "metadata": {KEY: {"role": VARIANCE, "n": len(masks), **provenance}},
            },
            "image",
        )
        _show_colour_bar(layer)

    def set_visible(self, role: str, visible: bool) -> None:
        """Show or hide all layers of a role."""
        for layer in self._viewer.layers:
            if _role(layer) == role:
                layer.visible = visible

    def is_visible(self, role: str) -> bool:
        """Whether there is a layer of this role, and it is on."""
        layer = self.find(role)
        return layer is not None and bool(layer.visible)

    def _put(self, data: Any, options: dict[str, Any], kind: str) -> Layer:
        """Fill the layer of this role, or make it where it is missing."""
        meta = options["metadata"][KEY]
        layer = self.find(meta["role"], meta.get("number"))
        if layer is None:
            return self._add(data, options, kind)
        if kind == "shapes":
            _redraw(layer, data, options["features"])
        else:
            layer.data = data
            if meta["role"] == VOTES and tuple(layer.contrast_limits) != options["contrast_limits"]:
                layer.contrast_limits_range = options["contrast_limits"]
                layer.contrast_limits = options["contrast_limits"]
                layer.colormap = options["colormap"]
        layer.scale = options["scale"]
        layer.metadata = options["metadata"]
        if meta["role"] == EXPERT and _is_our_name(layer.name, meta["number"]):
            layer.name = options["name"]
        return layer

    def _add(self, data: Any, options: dict[str, Any], kind: str) -> Layer:
        from napari.layers import Layer

        layer = Layer.create(data, options, kind)
        rank = _rank(layer)
        above = [at for at, other in enumerate(self._viewer.layers) if _role(other) and _rank(other) > rank]
        self._viewer.layers.insert(above[0] if above else len(self._viewer.layers), layer)
        if kind == "shapes":
            layer.editable = False
            layer.locked = True
        return layer


def _role(layer: Layer) -> str | None:
    ours = layer.metadata.get(KEY)
    return ours["role"] if isinstance(ours, dict) else None


def _rank(layer: Layer) -> tuple[int, int]:
    return _ORDER.index(layer.metadata[KEY]["role"]), layer.metadata[KEY].get("number", 0)


def _is_our_name(name: str, number: int) -> bool:
    return name in (f"expert {number}", f"expert {number}: none")


def _redraw(layer: Shapes, paths: Sequence[np.ndarray], features: dict[str, list[Any]]) -> None:
    """Put other paths into a layer of outlines, in the colour that the user may have chosen for it."""
    colour = layer.edge_color[0] if len(layer.edge_color) else layer.current_edge_color
    width = layer.edge_width[0] if layer.edge_width else layer.current_edge_width
    layer.data = []
    if paths:
        layer.add_paths(list(paths), edge_color=colour, edge_width=width)
    layer.features = features
    layer.refresh_text()


def _show_colour_bar(layer: Image) -> None:
    layer.colorbar.visible = True
