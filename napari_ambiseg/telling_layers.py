"""Layers of the user's own that would tell, during a blind read, what experts or model say.  No Qt."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import numpy as np

from napari_ambiseg.browser import Browser
from napari_ambiseg.counts import COUNTS
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.state import ViewerState


class TellingLayers:
    """Hides them until the reveal: layers that an expert of the open case drew in, and masks that were put back.

    Nothing in them is changed but their small pictures in the list of layers, which tell nothing until then either.

    Parameters
    ----------
    state : its reading part says whether the read is blind
    layers : of the viewer
    browser : knows which layers the open case was made of
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser) -> None:
        self._reading, self._layers, self._browser = state.reading, layers, browser
        self._hidden: WeakSet[Any] = WeakSet()
        state.reading.events.blind.connect(self._on_blind)

    def update(self) -> None:
        """Hide those that came or were turned on since, too."""
        if self._reading.blind:
            self._hide()

    def _on_blind(self, blind: bool) -> None:
        if blind:
            self._hide()
            return
        for layer in list(self._hidden):
            layer.visible = True
        self._hidden.clear()

    def _hide(self) -> None:
        opened = self._browser.layer_set
        drawn_in = frozenset() if opened is None else opened.annotated_in
        for layer in self._layers.viewer.layers:
            if layer.visible and (COUNTS in layer.metadata or layer in drawn_in):
                layer.visible = False
                layer.thumbnail = np.zeros((1, 1, 4), np.uint8)  # napari makes another when it is shown again
                self._hidden.add(layer)
