"""The layers of one viewer that are ours: found by role, filled in place, made again where deleted.

A user may rename, recolour, hide, move or delete any of them.  A deleted one comes back when it is next needed; what
a user changed on one that is still there is left alone.  A duplicate that the user makes of one is the user's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_ambiseg._compat import camera, no_advice_on_features, without_thumbnail
from napari_ambiseg.layers.aside import Aside
from napari_ambiseg.layers.filling import Filler, nothing_to_see
from napari_ambiseg.layers.roles import IMAGE, KEY, MAP, OPENED, ORDER, READING, TRAJECTORY, LayerData

if TYPE_CHECKING:
    from napari.layers import Layer


class LayerBook:
    """Shows layers in a viewer, one of each role.

    Parameters
    ----------
    viewer : napari viewer or viewer model; held weakly

    Attributes
    ----------
    ours : whether what happens right now to layers and sliders is done by us and not by the user; see `by_us`
    aside : what is out of sight for a while
    in_pixels : whether ours say that they are in pixels, as the user's own beside them do: see `scale_bar.ScaleBar`
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._visible: dict[str, bool] = {}  # what `set_visible` said, for layers that are not there yet
        self._filler = Filler()
        self.aside = Aside(lambda: self.viewer.layers)
        self._held: dict[str, LayerData | None] = {}  # see `hold`; what waits to be shown
        self.ours = self.in_pixels = False

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

    def find(self, role: str) -> Layer | None:
        """The layer with this role, None where there is none."""
        return next((layer for layer in self.viewer.layers if role_of(layer) == role), None)

    def show(self, layer_data: LayerData) -> Layer:
        """Fill the layer of this role with other data, as `Filler.fill` does, or make it where it is missing."""
        _, options, _ = layer_data
        role = options["metadata"][KEY]["role"]
        if role in self._held:
            self._held[role] = layer_data
            return self.find(role)
        with self.by_us():
            layer = self.find(role)
            if layer is not None and layer.ndim != len(options["scale"]):  # a slice of a volume has other axes
                self._visible[role] = self.aside.is_on(layer)
                self.remove(role)
                layer = None
            if layer is None:
                return self._add(*self.suited(layer_data))
            self.fill(layer, layer_data)
            return layer

    def fill(self, layer: Layer, layer_data: LayerData) -> None:
        """Fill a layer of the same kind with other data; see `Filler.fill`."""
        with self.by_us():
            self._filler.fill(layer, self.suited(layer_data))

    def suited(self, layer_data: LayerData) -> LayerData:
        """The same data, in pixels where the layers beside them are."""
        data, options, kind = layer_data
        return data, {**options, "units": ("pixel",) * len(options["scale"])} if self.in_pixels else options, kind

    def refresh_trajectory(self) -> None:
        """Draw what was written into the trajectory's array."""
        if (layer := self.find(TRAJECTORY)) is not None and layer.visible:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def clear(self, role: str) -> None:
        """Empty the layer of a role, and keep it."""
        if role in self._held:
            self._held[role] = None
        layer = self.find(role)
        if layer is None:
            return
        with self.by_us():
            self._filler.empty(layer)

    def blank_trajectory(self) -> None:
        """Empty the trajectory and keep its sliders, where another one comes at once."""
        if TRAJECTORY in self._held:
            self._held[TRAJECTORY] = None
        if (layer := self.find(TRAJECTORY)) is not None:
            with self.by_us():
                layer.data = nothing_to_see(layer.data.shape[:2], layer.ndim)

    def remove(self, role: str) -> None:
        """Take the layer of a role out of the viewer."""
        if (layer := self.find(role)) is not None:
            with self.by_us(), self._still_camera():
                self.viewer.layers.remove(layer)

    def remove_all(self) -> None:
        """Take all our layers out of the viewer."""
        for role in ORDER:
            self.remove(role)

    def opened_from(self, layer: Layer) -> Mapping[str, Any] | None:
        """Look at a layer that somebody else added.

        Returns
        -------
        Where its file and case are if it is an image that napari opened with our reader, else None.  A copy of one
        of our layers loses its mark, so that two layers never play one role.
        """
        if (role := role_of(layer)) is None:
            return None
        if not layer.metadata[KEY].get(OPENED):
            del layer.metadata[KEY]
            return None
        origin: Mapping[str, Any] = layer.metadata[KEY]
        return origin if role == IMAGE else None

    def adopt(self) -> None:
        """Make the layers that napari opened with our reader ours, except where the role is taken."""
        layers = [layer for layer in self.viewer.layers if role_of(layer) is not None]
        taken = {role_of(layer) for layer in layers if not layer.metadata[KEY].get(OPENED)}
        for layer in reversed(layers):  # of several openings the newest, which lies on top
            if not layer.metadata[KEY].pop(OPENED, False):
                continue
            if role_of(layer) in taken:
                self.viewer.layers.remove(layer)
            else:
                taken.add(role_of(layer))
                _lock(layer)

    def set_visible(self, role: str, visible: bool) -> None:
        """Show or hide the layer of a role, now or when it comes; one that is aside, when it comes back."""
        self._visible[role] = visible
        if role in self._held:
            return
        if (layer := self.find(role)) is not None:
            self.aside.set_visible(layer, visible)

    def hold(self, roles: Iterable[str]) -> None:
        """Empty and hide the layers of these roles; what is to be shown in them from now on waits for `release`.

        Called again, it hides those that somebody has turned on meanwhile.
        """
        for role in roles:
            layer = self.find(role)
            if role not in self._held:
                if layer is not None:
                    self._visible[role] = self.aside.is_on(layer)
                self._empty(role)
                self._held[role] = None
            if layer is not None:
                self.aside.set_visible(layer, False)

    def _empty(self, role: str) -> None:
        """Leave nothing to see, in the list of layers neither: napari makes no new thumbnail of a hidden layer."""
        self.clear(role)
        if (layer := self.find(role)) is not None:
            layer.thumbnail = np.zeros((1, 1, 4), np.uint8)

    def release(self) -> None:
        """Show what waits; a layer that was on before `hold` is on again, with what is next shown in it."""
        held, self._held = self._held, {}
        for role, data in held.items():
            if data is not None:
                self.show(data)
            if (layer := self.find(role)) is not None:
                self.aside.set_visible(layer, self._visible.get(role, True))

    def is_visible(self, role: str) -> bool:
        """Whether there is a layer of this role, and it is on."""
        layer = self.find(role)
        return layer is not None and bool(layer.visible)

    def _add(self, data: Any, options: dict[str, Any], kind: str) -> Layer:
        from napari.layers import Layer

        layer = Layer.create(data, options, kind)
        role, layers = options["metadata"][KEY]["role"], self.viewer.layers
        if kind == "vectors":
            without_thumbnail(layer)
        rank, selected = ORDER.index(role), layers.selection.active
        above = [at for at, other in enumerate(layers) if (its := role_of(other)) and ORDER.index(its) > rank]
        with self._still_camera(), no_advice_on_features():
            layers.insert(above[0] if above else len(layers), layer)
        # napari selects what is added; the user may be in the middle of drawing on another layer.
        layers.selection.active = selected or self.find(IMAGE) or layer
        self.aside.set_visible(layer, role not in self._held and self._visible.get(role, bool(layer.visible)))
        if role == MAP:
            layer.colorbar.visible = True
        _lock(layer)
        return layer

    @contextmanager
    def _still_camera(self) -> Iterator[None]:
        """Keep what the user looks at: napari shows everything when the first layer with more axes comes or goes."""
        is_first, eye = not self.viewer.layers, camera(self.viewer)
        before = eye.center, eye.zoom, eye.angles
        yield
        if not is_first and (eye.center, eye.zoom, eye.angles) != before:
            eye.center, eye.zoom, eye.angles = before


def role_of(layer: Layer) -> str | None:
    """Role of a layer of ours; None for any other layer."""
    ours = layer.metadata.get(KEY)
    role = ours.get("role") if isinstance(ours, dict) else None
    return role if role in ORDER else None


def _lock(layer: Layer) -> None:
    """Keep outlines, which stand for what somebody else drew, from being moved by accident."""
    from napari.layers import Shapes

    if isinstance(layer, Shapes) and role_of(layer) != READING:
        layer.editable = False
        layer.locked = True
