"""The bare image: all outlines and maps out of the way, because they hide what lies under them."""

from __future__ import annotations

from time import monotonic
from typing import Any

from napari_ambiseg.layers.book import LayerBook, role_of
from napari_ambiseg.layers.cells import lies_on_image
from napari_ambiseg.layers.roles import IMAGE
from napari_ambiseg.state import ViewerState

_TAP_S = 0.3  # a key that is let go sooner was tapped
_REASON = "bare"


class BareImage:
    """Hides every layer of ours but the image, side by side but the images, and brings back those that were on.

    Tapped, it stays until the next tap; held, it ends when the key or button is let go.

    Parameters
    ----------
    state : says in its display part whether the image is bare
    layers : whose layers are hidden
    """

    def __init__(self, state: ViewerState, layers: LayerBook) -> None:
        self._display, self._layers = state.display, layers
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
            self._layers.aside.update()

    def _show(self, bare: bool) -> None:
        if bare:
            self._layers.aside.begin(_REASON, _lies_on_image)
        else:
            self._layers.aside.end(_REASON)


def _lies_on_image(layer: Any) -> bool:
    """Whether a layer lies on an image of ours: the one, or one of those side by side."""
    return role_of(layer) not in (None, IMAGE) or lies_on_image(layer)
