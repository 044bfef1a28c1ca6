"""The drawn masks step back while an earlier state of their walk is looked at.  No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.roles import SAMPLES, TRAJECTORY
from napari_ambiseg.state import NOISY, ViewerState

if TYPE_CHECKING:
    from napari.layers import Layer

DIMMED = 0.15  # opacity


class Dimmer:
    """Dims the outlines of the samples while the trajectory shows something else, and gives the user's opacity back.

    An opacity that the user sets meanwhile is the user's: it stays.

    Parameters
    ----------
    state : its playback part says what the trajectory shows
    layers : where the outlines are
    """

    def __init__(self, state: ViewerState, layers: LayerBook) -> None:
        self._state, self._layers = state, layers
        self._dimmed: ReferenceType[Layer] | None = None
        self._own = 1.0  # opacity of that layer, as the user has it
        playback = state.playback.events
        for signal in (playback.frame, playback.quantity, playback.times):
            signal.connect(self.update)

    def update(self) -> None:
        """Dim or undim, where that has changed."""
        layer, wanted = self._layers.find(SAMPLES), self._is_elsewhere()
        known = None if self._dimmed is None else self._dimmed()
        if known is not None and (not wanted or known is not layer):
            if known.opacity == DIMMED:
                known.opacity = self._own
            self._dimmed = None
        if wanted and layer is not None and self._dimmed is None:
            self._dimmed, self._own = ref(layer), layer.opacity
            layer.opacity = min(DIMMED, layer.opacity)

    def _is_elsewhere(self) -> bool:
        """Whether the trajectory shows anything but the clean masks at the end of the walk."""
        playback = self._state.playback
        if not playback.times or not self._layers.is_visible(TRAJECTORY):
            return False
        return playback.frame < len(playback.times) - 1 or playback.quantity == NOISY
