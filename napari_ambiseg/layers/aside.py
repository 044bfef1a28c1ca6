"""Layers that are out of sight for a while, for one reason or several, and what is on again when the last one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from napari.layers import Layer


class Aside:
    """Hides layers, and knows which of them are on all the same: they are seen again when nothing hides them any more.

    Whoever turns such a layer on or off meanwhile does it by `set_visible`, which then counts in place of what was.

    Parameters
    ----------
    layers : gives all layers of the viewer
    """

    def __init__(self, layers: Callable[[], Iterable[Layer]]) -> None:
        self._layers = layers
        self._covers: dict[str, Callable[[Layer], bool]] = {}
        self._waiting: WeakKeyDictionary[Layer, set[str]] = WeakKeyDictionary()  # why each that is on is not seen

    def begin(self, reason: str, covers: Callable[[Layer], bool]) -> None:
        """Hide the layers that a reason covers, those that come later too: at each `update`."""
        self._covers[reason] = covers
        self.update()

    def update(self) -> None:
        """Hide what came, or was turned on, since."""
        for layer in list(self._layers()):
            if self.is_on(layer) and (reasons := self._reasons(layer)):
                self._hide(layer, reasons)

    def put(self, reason: str, layer: Layer) -> None:
        """Hide one more layer until this reason ends."""
        if self.is_on(layer):
            self._hide(layer, {reason})

    def end(self, reason: str) -> None:
        """A reason is no more: what was hidden for it alone, and is on, is seen again."""
        self._covers.pop(reason, None)
        for layer, reasons in list(self._waiting.items()):
            reasons.discard(reason)
            if not reasons:
                del self._waiting[layer]
                layer.visible = True

    def is_on(self, layer: Layer) -> bool:
        """Whether a layer is seen, or would be if nothing hid it."""
        return bool(layer.visible) or layer in self._waiting

    def set_visible(self, layer: Layer, visible: bool) -> None:
        """Turn a layer on or off; one that something hides is seen, or not, when that ends."""
        reasons = self._waiting.pop(layer, set()) | self._reasons(layer)
        if visible and reasons:
            self._hide(layer, reasons)
        elif layer.visible != visible:
            layer.visible = visible

    def _reasons(self, layer: Layer) -> set[str]:
        return {reason for reason, covers in self._covers.items() if covers(layer)}

    def _hide(self, layer: Layer, reasons: set[str]) -> None:
        self._waiting.setdefault(layer, set()).update(reasons)
        if layer.visible:
            layer.visible = False
