"""The bare image: all outlines and maps out of the way, because they hide what lies under them."""

from __future__ import annotations

from time import monotonic
from typing import Any
from weakref import WeakSet

from napari_ambiseg.layers.book import LayerBook, role_of
from napari_ambiseg.layers.roles import IMAGE
from napari_ambiseg.state import ViewerState

_TAP_S = 0.3  # a key that is let go sooner was tapped


class BareImage:
    """Hides every layer of ours but the image, and brings back those that were on.

    Tapped, it stays until the next tap; held, it ends when the key or button is let go.

    Parameters
    ----------
    state : says in its display part whether the image is bare
    layers : whose layers are hidden
    """

    def __init__(self, state: ViewerState, layers: LayerBook) -> None:
        self._display, self._layers = state.display, layers
        self._hidden: WeakSet[Any] = WeakSet()
        self._pressed: float | None = None  # when, while a press that may become a peek lasts
        state.display.events.bare.connect(self._show)

    def press(self) -> None:
        """The key or the button goes down."""
        if self._display.bare:
            self._display.bare, self._pressed = False, None
        else:
            self._display.bare, self._pressed = True, monotonic()

    def release(self) -> None:
        """It is let go: the end of a peek, unless it was a tap."""
        if self._pressed is not None and monotonic() - self._pressed > _TAP_S:
            self._display.bare = False
        self._pressed = None

    def toggle(self) -> None:
        """For a key whose release nobody tells of."""
        self._display.bare, self._pressed = not self._display.bare, None

    def update(self) -> None:
        """Hide what came since, too."""
        if self._display.bare:
            self._hide()

    def _show(self, bare: bool) -> None:
        if bare:
            self._hide()
            return
        for layer in list(self._hidden):
            layer.visible = True
        self._hidden.clear()

    def _hide(self) -> None:
        for layer in self._layers.viewer.layers:
            if layer.visible and role_of(layer) not in (None, IMAGE):
                layer.visible = False
                self._hidden.add(layer)
