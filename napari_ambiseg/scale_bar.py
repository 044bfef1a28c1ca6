"""napari's scale bar: on from the first case, in a corner where it covers nothing that is marked.  No Qt."""

from __future__ import annotations

import numpy as np

from napari_ambiseg._compat import camera, canvas_size, grid_of, scale_bar
from napari_ambiseg.browser import Browser
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.marked import marked_window
from napari_ambiseg.layers.roles import KEY
from napari_ambiseg.state import ViewerState
from training.records import AnnotatedSlice

_HEIGHT, _WIDTH = 60, 200  # pixels of the screen, of the bar with its text and what napari leaves around it
_LOWER, _UPPER = "bottom_right", "top_right"

_PIXEL = "pixel"  # a layer's unit, if nobody says anything else

Box = tuple[float, float, float, float]  # first row, first column, last row, last column


class ScaleBar:
    """Turns the bar on once, in millimetres where the spacing is known, else in pixels; napari's menu turns it off.

    During a blind read it stands in its usual corner, wherever the lesion is.  napari takes the unit from all layers,
    and complains at every drawing where they differ: beside a layer of the user's own in pixels ours say pixels too,
    and a bar that would call millimetres pixels is hidden.

    Parameters
    ----------
    state : says whether the read is blind
    layers : of the viewer whose bar it is
    browser : has the case
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser) -> None:
        self._reading, self._layers, self._browser = state.reading, layers, browser
        self._is_begun = self._is_withheld = False
        self._case: AnnotatedSlice | None = None
        self._marked: Box | None = None  # of that case, in pixels of the slice
        for event in (layers.viewer.layers.events.inserted, layers.viewer.layers.events.removed):
            event.connect(self._agree)  # at once: napari complains at every drawing

    def update(self) -> None:
        """Put it where it covers nothing now."""
        case, viewer = self._browser.case, self._layers.viewer
        if case is None:
            return
        bar = scale_bar(viewer)
        if not self._is_begun:
            self._is_begun, bar.visible = True, True
        self._agree()
        if case is not self._case:
            self._case, self._marked = case, _marked(case)
        corner = _LOWER if self._reading.blind or grid_of(viewer).enabled else self._free_corner()
        if str(bar.position) != corner:
            bar.position = corner

    def _agree(self) -> None:
        """Let our layers say millimetres, but beside a layer of the user's own that says pixels."""
        case, book = self._browser.case, self._layers
        if case is None or case.spacing_mm is None or self._browser.layer_set is not None:
            book.in_pixels = False  # they say so by themselves, or lie in a volume and have its units
            self._withhold(False)
            return
        layers = list(book.viewer.layers)
        book.in_pixels = any(_PIXEL in map(str, layer.units[-2:]) for layer in layers if KEY not in layer.metadata)
        unit = _PIXEL if book.in_pixels else "millimeter"
        for layer in layers:
            if KEY in layer.metadata and {str(of) for of in layer.units[-2:]} != {unit}:
                layer.units = (_PIXEL,) * (layer.ndim - 2) + (unit,) * 2
        self._withhold(book.in_pixels)

    def _withhold(self, wanted: bool) -> None:
        """Hide a bar that would call millimetres pixels, and show it again afterwards."""
        bar = scale_bar(self._layers.viewer)
        if wanted and bar.visible:
            self._is_withheld, bar.visible = True, False
        elif self._is_withheld and not wanted:
            self._is_withheld, bar.visible = False, True

    def _free_corner(self) -> str:
        if self._marked is None:
            return _LOWER
        top, left, bottom, right = self._on_canvas(self._marked)
        height, width = canvas_size(self._layers.viewer)
        covers = top < height and bottom > height - _HEIGHT and left < width and right > width - _WIDTH
        return _UPPER if covers else _LOWER

    def _on_canvas(self, box: Box) -> Box:
        """The rectangle in pixels of the screen from the upper left of the canvas."""
        eye, canvas = camera(self._layers.viewer), np.array(canvas_size(self._layers.viewer))
        place = self._browser.place
        corners = [np.array(place.world(corner)[-2:]) for corner in (box[:2], box[2:])]
        seen = [(corner - eye.center[-2:]) * eye.zoom + canvas / 2 for corner in corners]
        first, last = np.minimum(*seen), np.maximum(*seen)
        return float(first[0]), float(first[1]), float(last[0]), float(last[1])


def _marked(case: AnnotatedSlice) -> Box | None:
    """The rectangle about all that the experts marked; None where they marked nothing."""
    rows, columns = marked_window(case.masks)
    return (rows.start, columns.start, rows.stop - 1, columns.stop - 1) if rows.stop else None
