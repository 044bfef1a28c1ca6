"""What the masks say of the pixel under the mouse: "9 of 16 samples, 2 of 4 experts (A, C)"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from napari_ambiseg.browser import Browser
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.place import Place
from napari_ambiseg.results import Results
from napari_ambiseg.state import ViewerState
from training.export.colours import expert_letter
from training.records import BoolArray

_SHOWN_LETTERS = 8


class Hover:
    """Follows the mouse, and tells of the pixel under it in the state and beside napari's own status.

    A move of the mouse is only noted; `update`, called by the timer, looks at the masks.

    Parameters
    ----------
    state : its disagreement part gets the text
    layers : of the viewer whose mouse is followed
    browser : has the case
    results : has the samples
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser, results: Results) -> None:
        self._state, self._layers, self._browser, self._results = state, layers, browser, results
        self._position: tuple[float, ...] | None = None  # in the world; None where the mouse is elsewhere
        self._status: Any = layers.viewer.status  # napari's own
        self._told: Any = None  # napari's own with ours behind it
        viewer = layers.viewer
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.events.mouse_over_canvas.connect(self._on_canvas)
        # After napari's own, which shows what it is given: ours has the last word.
        viewer.events.status.connect(self._on_status, position="last")

    def update(self) -> None:
        """Bring the text up to date with mouse, case and samples."""
        viewer, told = self._layers.viewer, self._state.disagreement
        text = self._text() if self._position is not None else ""
        if text != told.hover:
            told.hover = text
            self._tell(viewer)

    def close(self) -> None:
        """Follow the mouse no longer."""
        try:
            viewer = self._layers.viewer
        except ReferenceError:  # it is gone, and with it what called us
            return
        if self._on_move in viewer.mouse_move_callbacks:
            viewer.mouse_move_callbacks.remove(self._on_move)
        viewer.events.mouse_over_canvas.disconnect(self._on_canvas)
        viewer.events.status.disconnect(self._on_status)

    def _on_move(self, viewer: Any, event: Any) -> None:
        self._position = tuple(event.position)

    def _on_canvas(self) -> None:
        """The mouse came over the canvas, or left it."""
        if not self._layers.viewer.mouse_over_canvas:
            self._position = None

    def _on_status(self) -> None:
        """Napari said something of its own: ours stands behind it."""
        viewer = self._layers.viewer
        if viewer.status == self._told:  # by us: napari may tell of it only after other changes
            return
        self._status = viewer.status
        if self._state.disagreement.hover:
            self._tell(viewer)

    def _tell(self, viewer: Any) -> None:
        self._told = _with(self._status, self._state.disagreement.hover)
        viewer.status = self._told

    def _text(self) -> str:
        case, position = self._browser.case, self._position
        if case is None or position is None or self._state.reading.blind or not self._is_seen():
            return ""
        parts = []
        if (samples := self._results.samples) is not None:
            marks = _marks(samples.masks, samples.place, position)
            if marks is not None:
                parts.append(f"{sum(marks)} of {len(marks)} samples")
        marks = _marks(case.masks, self._browser.place, position)
        if marks:
            letters = [expert_letter(number) for number, mark in enumerate(marks, start=1) if mark]
            named = f" ({', '.join(letters[:_SHOWN_LETTERS])}{', ...' if len(letters) > _SHOWN_LETTERS else ''})"
            parts.append(f"{len(letters)} of {len(marks)} experts{named if letters else ''}")
        return ", ".join(parts)

    def _is_seen(self) -> bool:
        """Whether the slice is looked at from above: neither from the side nor in 3D."""
        dims, place = self._layers.viewer.dims, self._browser.place
        return sorted(dims.displayed) == sorted(dims.ndim - place.ndim + axis for axis in place.axes)


def _marks(masks: BoolArray, place: Place, position: Sequence[float]) -> list[bool] | None:
    """Which masks (N, H, W) mark the pixel at a position of the world; None beyond their border and their depth."""
    if len(position) < place.ndim or not place.holds(position):
        return None
    row, column = (math.floor(at + 0.5) for at in place.pixel(position))
    if not (0 <= row < masks.shape[1] and 0 <= column < masks.shape[2]):
        return None
    marks: list[bool] = masks[:, row, column].tolist()
    return marks


def _with(status: Any, text: str) -> Any:
    """Napari's status, a text or a dict of its parts, with ours behind it."""
    if isinstance(status, dict):
        return {**status, "coordinates": "   ".join(filter(None, (status.get("coordinates", ""), text)))}
    return "   ".join(filter(None, (str(status), text)))
