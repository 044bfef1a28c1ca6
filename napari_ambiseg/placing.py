"""Where on a large slice the model looks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_ambiseg._compat import camera
from napari_ambiseg.browser import Browser
from napari_ambiseg.known_models import KnownModels
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.field import field_layer
from napari_ambiseg.layers.place import Pair
from napari_ambiseg.layers.plane import Plane
from napari_ambiseg.layers.roles import FIELD, READING
from napari_ambiseg.state import ViewerState
from training.data.field import Field
from training.records import AnnotatedSlice

SMALLEST = 8  # pixels: a drag of less than that in either direction is a click


class Placer:
    """Keeps the field of the case that is shown, and draws it where it is not the whole slice.

    A field that the user placed stays where it is when another model is chosen, but for its size.  Samples that are
    there stay at their own place; the next drawing is for the new one.

    Parameters
    ----------
    state : its placing part has the field
    layers : where it is drawn, and whose viewer's mouse places it
    browser : has the case
    models : say what size of slice they were made for
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser, models: KnownModels) -> None:
        self._state, self._layers, self._browser, self._models = state, layers, browser, models
        self._dragged: Field | None = None  # the box under the mouse
        self._box = False  # whether the user chose the size as well
        self._stale = False
        self._with_reading = False  # whether the user's own outline was there when `update` looked
        self._plane: Plane | None = None  # of the case that was shown last
        self._drawn: tuple[Field, Plane | None] | None = None
        self._modes: list[tuple[Any, str]] = []  # of the layer that would take the click, to be given back
        layers.viewer.mouse_drag_callbacks.append(self._on_drag)
        state.sampling.events.model.connect(self._on_model)
        state.placing.events.choosing.connect(self._on_choosing)
        for signal in (state.placing.events.field, state.reading.events.blind):
            signal.connect(self.redraw)
        self._on_model()

    def arrive(self) -> None:
        """Another case is shown: on the next slice of a volume, what the user placed stays where it is."""
        opened, placing = self._browser.layer_set, self._state.placing
        before, self._plane = self._plane, None if opened is None else opened.plane
        keeps = placing.by_hand and self._plane is not None and self._plane is before
        field = placing.field
        self.reset()
        if keeps and field is not None:
            self._put(field, box=field.shape != (placing.size, placing.size))

    def reset(self) -> None:
        """The whole of a small slice; of a larger one the square about what the experts marked, or its middle."""
        placing, case = self._state.placing, self._browser.case
        placing.choosing = placing.by_hand = self._box = False
        self._dragged = None
        opened = self._browser.layer_set
        placing.windows, placing.window = ((), "") if opened is None else (opened.windows, opened.window)
        placing.shape = (0, 0) if case is None else (case.image.shape[0], case.image.shape[1])
        placing.field = None if case is None else field_of(case, placing.size)
        self.redraw()

    def take_whole(self) -> None:
        """Let the model look at the whole slice, however large."""
        if self._browser.case is not None:
            self._put(Field.whole(self._browser.case.image.shape), box=True)

    def put(self, centre: Pair) -> None:
        """Place the model's square about a pixel (row, column), moved until it lies in the slice."""
        case = self._browser.case
        if case is not None and all(map(math.isfinite, centre)):
            self._put(Field.around(centre, self._state.placing.size, case.image.shape), box=False)

    def put_box(self, first: Pair, second: Pair) -> None:
        """Place a box between two of its corners, pixels (row, column); one that is hardly a box is a click."""
        field = self._between(first, second)
        if field is None:
            self.put(((first[0] + second[0]) / 2, (first[1] + second[1]) / 2))
        else:
            self._put(field, box=True)

    def move(self, rows: int, columns: int) -> None:
        """Move the field by whole pixels, as far as the slice reaches."""
        placing, case = self._state.placing, self._browser.case
        if case is None or placing.field is None:
            return
        field, (height, width) = placing.field, case.image.shape
        top = min(max(field.top + rows, 0), height - field.height)
        left = min(max(field.left + columns, 0), width - field.width)
        self._put(Field(top, left, field.height, field.width), box=self._box)

    def take(self, field: Field) -> None:
        """Place a field that the user placed earlier.

        Raises
        ------
        ConfigError
            If it reaches beyond the slice, or there is none.
        """
        placing = self._state.placing
        field.require_within(placing.shape)
        self._put(field, box=field.shape != (placing.size, placing.size))

    def redraw(self) -> None:
        """Draw the field anew at the next `update`."""
        self._stale = True

    def update(self) -> None:
        """Draw what became stale."""
        # The user's own outline takes the place of the field: no more than six layers.
        with_reading, self._with_reading = self._with_reading, self._layers.find(READING) is not None
        if not self._stale and with_reading == self._with_reading:
            return
        self._stale = False
        case, placing = self._browser.case, self._state.placing
        field = self._dragged or (None if self._with_reading else placing.field)
        # A field about the experts' marks would tell a blind reader where they are.
        if case is None or field is None or field.is_whole(placing.shape) or self._state.reading.blind:
            self._layers.remove(FIELD)
            return
        shape = (case.image.shape[0], case.image.shape[1])
        layer, place = self._layers.find(FIELD), self._browser.place
        if layer is not None and self._plane is not None and self._drawn == (field, self._plane):
            with self._layers.by_us():
                layer.translate = place.translate  # on another slice; to draw it anew takes longer
            return
        self._drawn = (field, self._plane)
        self._layers.show(field_layer(field, shape, place))

    def _put(self, field: Field, *, box: bool) -> None:
        self._box = box
        self._state.placing.by_hand = True
        self._state.placing.field = field
        self._state.placing.choosing = False

    def _between(self, first: Pair, second: Pair) -> Field | None:
        """The pixels between two corners that lie in the slice, None where they are too few."""
        case = self._browser.case
        if case is None or not all(map(math.isfinite, (*first, *second))):
            return None
        sides = []
        for one, other, length in zip(first, second, case.image.shape, strict=True):
            low = min(max(math.floor(min(one, other) + 0.5), 0), length)
            high = min(max(math.floor(max(one, other) + 0.5) + 1, 0), length)
            sides.append((low, high - low))
        (top, height), (left, width) = sides
        return Field(top, left, height, width) if min(height, width) > SMALLEST else None

    def _on_model(self) -> None:
        """Another model: the field gets the size that this one was made for."""
        size = self._models.size(self._state.sampling.model)
        placing, case = self._state.placing, self._browser.case
        if size is None or size == placing.size:
            return
        placing.size = size
        if case is None or placing.field is None or self._box:
            return
        if placing.by_hand:
            field = placing.field
            centre = (field.top + (field.height - 1) / 2, field.left + (field.width - 1) / 2)
            placing.field = Field.around(centre, size, case.image.shape)
        else:
            placing.field = field_of(case, size)

    def _on_choosing(self, choosing: bool) -> None:
        """While a click places the field, it neither moves the image nor paints."""
        viewer = self._layers.viewer
        active = viewer.layers.selection.active
        if choosing:
            if active is not None and getattr(active, "mode", "pan_zoom") != "pan_zoom":
                self._modes = [(active, str(active.mode))]
                active.mode = "pan_zoom"
            camera(viewer).mouse_pan = False
            viewer.cursor.style = "crosshair"
            return
        self._dragged = None
        camera(viewer).mouse_pan = True if active is None else active.mouse_pan
        viewer.cursor.style = "standard" if active is None else active.cursor
        for layer, mode in self._modes:
            layer.mode = mode
        self._modes = []
        self.redraw()

    def _on_drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        """A click, or a box from the press to the release of the left button."""
        if not self._state.placing.choosing or event.button != 1 or self._browser.case is None:
            return
        place = self._browser.place
        first = last = place.pixel(event.position)
        yield
        while event.type == "mouse_move":
            last = place.pixel(event.position)
            self._dragged = self._between(first, last)
            self.redraw()
            yield
        if self._state.placing.choosing:  # it may have been given up in between
            self.put_box(first, last)


def field_of(case: AnnotatedSlice, size: int) -> Field:
    """The field by itself: the whole of a small slice, else the square about what the experts marked, or its middle."""
    return Field.around(_middle(case), size, case.image.shape)


def _middle(case: AnnotatedSlice) -> Pair:
    """What the field lies around by itself: the middle of what the experts marked, or of the slice."""
    rows, columns = np.nonzero(case.masks.any(axis=0))
    if len(rows):
        return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    return (case.image.shape[0] - 1) / 2, (case.image.shape[1] - 1) / 2
