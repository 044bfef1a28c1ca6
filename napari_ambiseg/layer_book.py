"""The layers of one viewer that are ours: found by role, filled in place, made again where deleted.

A user may rename, recolour, hide, move or delete any of them.  A deleted one comes back when it is next needed; what
a user changed on one that is still there is left alone.  A duplicate that the user makes of one is the user's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_ambiseg.layers import (
    EXPERT,
    IMAGE,
    KEY,
    OPENED,
    ORDER,
    SAMPLES,
    TRAJECTORY,
    VARIANCE,
    VOTES,
    LayerData,
    Origin,
    Scale,
    case_layers,
    expert_names,
    sample_layers,
    trajectory_layer,
)
from training.records import AnnotatedSlice, BoolArray, HalfArray

if TYPE_CHECKING:
    from napari.layers import Layer, Shapes


class LayerBook:
    """Shows cases and samples in a viewer.

    Parameters
    ----------
    viewer : napari viewer or viewer model; held weakly

    Attributes
    ----------
    ours : whether what happens right now to layers and sliders is done by us and not by the user; see `by_us`
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._visible: dict[str, bool] = {}  # what `set_visible` said, for layers that are not there yet
        self.ours = False

    @property
    def viewer(self) -> Any:
        """The viewer.  Whoever asks after its end has outlived the window that should have ended it."""
        viewer = self._viewer()
        if viewer is None:
            raise ReferenceError("the viewer is gone")
        return viewer

    @contextmanager
    def by_us(self) -> Iterator[None]:
        """What happens in here to layers and sliders was not done by the user."""
        before, self.ours = self.ours, True
        try:
            yield
        finally:
            self.ours = before

    def find(self, role: str, number: int = 0) -> Layer | None:
        """The layer with this role (and expert's number), None where there is none."""
        return next((layer for layer in self.viewer.layers if _identity(layer) == (role, number)), None)

    def show_case(self, case: AnnotatedSlice, origin: Origin) -> None:
        """Show another case in the layers that are there; experts that it does not have lose their layer."""
        for data in case_layers(case, origin):
            self._put(data)
        for layer in list(self.viewer.layers):
            if _is(layer, EXPERT) and layer.metadata[KEY]["number"] > case.n_experts:
                self.viewer.layers.remove(layer)

    def show_trajectory(self, frames: HalfArray, quantity: str, scale: Scale) -> None:
        """Show an array (N, F, H, W) that will be filled in place; `refresh_trajectory` draws what came in."""
        there = self.find(TRAJECTORY)
        before = None if there is None else there.metadata[KEY]["quantity"]
        data = trajectory_layer(frames, quantity, scale)
        layer = self._put(data)
        if before not in (None, quantity):
            layer.contrast_limits = data[1]["contrast_limits"]
            layer.colormap = data[1]["colormap"]

    def refresh_trajectory(self) -> None:
        """Draw what was written into the trajectory's array."""
        if (layer := self.find(TRAJECTORY)) is not None and layer.visible:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def show_samples(self, masks: BoolArray, provenance: Mapping[str, Any], scale: Scale) -> None:
        """Show drawn masks (N, H, W), and how far they differ at each pixel."""
        for data in sample_layers(masks, provenance, scale):
            self._put(data)

    def clear_samples(self) -> None:
        """Empty the layers of drawn masks, and keep them."""
        if (layer := self.find(SAMPLES)) is not None:
            _redraw(layer, [], {"sample": []})
        if (layer := self.find(VARIANCE)) is not None:
            layer.data = np.zeros_like(layer.data)

    def clear_trajectory(self, *, keep_sliders: bool = False) -> None:
        """Empty the trajectory's layer, and keep it.

        napari takes a tenth of a second to take its sliders away and to make them again: ``keep_sliders`` spares
        that where another trajectory is about to come.
        """
        if (layer := self.find(TRAJECTORY)) is not None:
            n, frames, *size = layer.data.shape
            layer.data = np.full((n, frames, *size) if keep_sliders else (1, 1, *size), np.nan, np.float16)

    def remove_all(self) -> None:
        """Take all our layers out of the viewer."""
        for layer in list(self.viewer.layers):
            if _identity(layer) is not None:
                self.viewer.layers.remove(layer)

    def opened_from(self, layer: Layer) -> Mapping[str, Any] | None:
        """Look at a layer that somebody else added.

        Returns
        -------
        Where its file and case are if it is an image that napari opened with our reader, else None.  A copy of one
        of our layers loses its mark, so that two layers never play one role.
        """
        if (identity := _identity(layer)) is None:
            return None
        if not layer.metadata[KEY].get(OPENED):
            del layer.metadata[KEY]
            return None
        origin: Mapping[str, Any] = layer.metadata[KEY]
        return origin if identity[0] == IMAGE else None

    def adopt(self) -> None:
        """Make the layers that napari opened with our reader ours, except where the role is taken."""
        layers = [layer for layer in self.viewer.layers if _identity(layer) is not None]
        taken = {_identity(layer) for layer in layers if not layer.metadata[KEY].get(OPENED)}
        for layer in reversed(layers):  # of several openings the newest, which lies on top
            if not layer.metadata[KEY].pop(OPENED, False):
                continue
            if _identity(layer) in taken:
                self.viewer.layers.remove(layer)
            else:
                taken.add(_identity(layer))
                _lock(layer)

    def set_visible(self, role: str, visible: bool) -> None:
        """Show or hide the layer of a role, now or when it comes."""
        self._visible[role] = visible
        if (layer := self.find(role)) is not None:
            layer.visible = visible

    def is_visible(self, role: str) -> bool:
        """Whether there is a layer of this role, and it is on."""
        layer = self.find(role)
        return layer is not None and bool(layer.visible)

    def _put(self, layer_data: LayerData) -> Layer:
        """Fill the layer of this role, or make it where it is missing."""
        data, options, kind = layer_data
        meta = options["metadata"][KEY]
        layer = self.find(meta["role"], meta.get("number", 0))
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
        if meta["role"] == EXPERT and layer.name in expert_names(meta["number"]):
            layer.name = options["name"]
        layer.scale = options["scale"]
        layer.metadata[KEY] = meta
        return layer

    def _add(self, data: Any, options: dict[str, Any], kind: str) -> Layer:
        from napari.layers import Layer

        layer = Layer.create(data, options, kind)
        rank, layers = _rank(layer), self.viewer.layers
        above = [at for at, other in enumerate(layers) if _identity(other) is not None and _rank(other) > rank]
        layers.insert(above[0] if above else len(layers), layer)
        role = options["metadata"][KEY]["role"]
        layer.visible = self._visible.get(role, layer.visible)
        if role == VARIANCE:
            layer.colorbar.visible = True
        _lock(layer)
        return layer


def _identity(layer: Layer) -> tuple[str, int] | None:
    """Role and expert's number (0 for all other roles) of a layer of ours; None for any other layer."""
    ours = layer.metadata.get(KEY)
    return (ours["role"], ours.get("number", 0)) if isinstance(ours, dict) and ours.get("role") in ORDER else None


def _is(layer: Layer, role: str) -> bool:
    identity = _identity(layer)
    return identity is not None and identity[0] == role


def _rank(layer: Layer) -> tuple[int, int]:
    role, number = layer.metadata[KEY]["role"], layer.metadata[KEY].get("number", 0)
    return ORDER.index(role), number


def _lock(layer: Layer) -> None:
    """Keep outlines, which stand for what somebody else drew, from being moved by accident."""
    from napari.layers import Shapes

    if isinstance(layer, Shapes):
        layer.editable = False
        layer.locked = True


def _redraw(layer: Shapes, paths: Sequence[np.ndarray], features: Mapping[str, list[Any]]) -> None:
    """Put other paths into a layer of outlines, in the colour and width that the user may have chosen for it."""
    if layer.nshapes:  # an empty layer remembers them as "current"
        layer.current_edge_color, layer.current_edge_width = layer.edge_color[0], layer.edge_width[0]
    layer.data = []
    if paths:
        layer.add_paths(list(paths), edge_color=layer.current_edge_color, edge_width=layer.current_edge_width)
    layer.features = features
    layer.refresh_text()
