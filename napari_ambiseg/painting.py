"""The layer that the user paints an own outline in.  No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ReferenceType, ref

import numpy as np

from napari_ambiseg.browser import Browser
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.reading import brush_size, reading_layer
from napari_ambiseg.layers.roles import IMAGE, READING
from training.records import AnnotatedSlice, BoolArray


class Painting:
    """Lets the user paint, says what is painted, and outlines it among the experts' when it is revealed.

    Parameters
    ----------
    layers : has the layer
    browser : knows where the case lies
    outline : outlines a mask (H, W) among the experts'; None is none

    Attributes
    ----------
    is_stale : whether the layer says that its pixels changed since `mask` was asked for
    """

    def __init__(self, layers: LayerBook, browser: Browser, outline: Callable[[BoolArray | None], None]) -> None:
        self._layers, self._browser, self._outline = layers, browser, outline
        self._watched: ReferenceType[Any] | None = None  # the layer that says it
        self.is_stale = False

    @property
    def is_there(self) -> bool:
        """Whether there is a layer to paint in: the user may delete it."""
        return self._layers.find(READING) is not None

    def mask(self, case: AnnotatedSlice) -> BoolArray | None:
        """What is painted, (H, W); None where there is no layer of this case."""
        self.is_stale = False
        layer = self._layers.find(READING)
        if layer is None or layer.data.size != case.image.size:
            return None
        return np.asarray(self._browser.place.flat(np.asarray(layer.data)) > 0)

    def begin(self, case: AnnotatedSlice, mask: BoolArray | None) -> None:
        """Let the user paint on a mask of the case, or on an empty one."""
        self._outline(None)
        layer = self._show(case, mask)
        self._layers.set_visible(READING, True)
        layer.editable, layer.selected_label = True, 1
        self._layers.viewer.layers.selection.active = layer
        layer.mode = "paint"

    def add(self, mask: BoolArray) -> None:
        """Paint the pixels of a mask (H, W) too, as one stroke that napari can undo."""
        layer = self._layers.find(READING)
        if layer is not None:
            layer.data_setitem(np.nonzero(self._browser.place.lift(mask)), 1)

    def reveal(self, case: AnnotatedSlice, mask: BoolArray) -> None:
        """Outline a mask among the others'; its layer stays, switched off, for it would hide them."""
        self._outline(mask)
        layer = self._show(case, mask)
        layer.mode = "pan_zoom"
        self._layers.set_visible(READING, False)
        layer.editable = False
        self._put_away()

    def remove(self) -> None:
        """There is nothing to show."""
        self._outline(None)
        self._put_away()
        self._layers.remove(READING)

    def _show(self, case: AnnotatedSlice, mask: BoolArray | None) -> Any:
        if mask is None or mask.shape != case.image.shape:
            mask = np.zeros(case.image.shape, bool)
        is_new = not self.is_there
        layer = self._layers.show(reading_layer(mask, self._browser.place, case.key))
        if is_new:
            layer.brush_size = brush_size(mask.shape)
        self._watch(layer)
        return layer

    def _put_away(self) -> None:
        """Select the image instead, where the layer is selected: napari's controls are for what can be seen."""
        selection = self._layers.viewer.layers.selection
        if selection.active is not None and selection.active is self._layers.find(READING):
            selection.active = self._layers.find(IMAGE)

    def _watch(self, layer: Any) -> None:
        """Be told when the user paints: a large slice cannot be compared with what was kept at every beat."""
        if self._watched is not None and self._watched() is layer:
            return
        self._watched = ref(layer)
        for event in (layer.events.paint, layer.events.labels_update, layer.events.data, layer.events.set_data):
            event.connect(self._on_painted)

    def _on_painted(self) -> None:
        self.is_stale = True
