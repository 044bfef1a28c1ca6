"""What part of a slice is seen: all of it at first, and from then on what the user looks at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from napari_ambiseg._compat import camera, canvas_size, grid_of
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.place import Place

_MARGIN = 0.08  # of the canvas, about a whole slice: napari's sliders will take some of it
_LESION_SHARE = 0.4  # of the canvas, for a lesion that is looked at closely
_NEAREST = 24.0  # pixels of the slice that are seen at least


class Framing:
    """Aims the camera.  It is aimed once for each source, and again while nobody has moved it and the canvas changes.

    Parameters
    ----------
    layers : of the viewer whose camera it is
    """

    def __init__(self, layers: LayerBook) -> None:
        self._layers = layers
        self._extent: tuple[float, ...] | None = None  # of the slice that is shown, in the world
        self._steps: tuple[float, ...] = (1.0, 1.0)  # of its pixels there
        self._aimed: tuple[float, ...] = ()  # the camera as it was aimed at a whole slice
        self._canvas: tuple[int, ...] = ()  # its size when it was last looked at
        self._sliders = 0  # of napari's, below the canvas then
        self._close: tuple[float, ...] = ()  # the camera as it was aimed at a lesion

    def begin(self) -> None:
        """The next slice is of another source."""
        self._extent = None

    def show(self, place: Place, shape: tuple[int, ...]) -> None:
        """Another slice is shown.  Slices differ in millimetres: the part that is seen stays the same."""
        before, self._steps = self._extent, tuple(place.scale[-2:])
        self._extent = tuple(step * side for step, side in zip(self._steps, shape, strict=True))
        if before is None or self._is_untouched():
            self._aim()
        elif before != self._extent:
            eye, grown = self._camera, [now / then for now, then in zip(self._extent, before, strict=True)]
            *depth, row, column = eye.center
            eye.center = (*depth, row * grown[0], column * grown[1])
            eye.zoom /= math.sqrt(grown[0] * grown[1])

    def zoom_to(self, first: Sequence[float], last: Sequence[float]) -> None:
        """Look closely at a rectangle between two corners of the world, with something of its surroundings.

        Parameters
        ----------
        first, last : positions of the world, of which the last two coordinates count
        """
        first, last = first[-2:], last[-2:]
        nearest = _NEAREST * min(self._steps)
        height, width = (max(abs(end - start), nearest * _LESION_SHARE) for start, end in zip(first, last, strict=True))
        eye, view = self._camera, self._view
        *depth, _, _ = eye.center
        eye.center = (*depth, (first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
        eye.zoom = _LESION_SHARE * min(view[0] / height, view[1] / width)
        self._close = _pose(eye)

    @property
    def rounded_screen_pixel(self) -> float:
        """Size of a pixel of the screen, in pixels of the slice, about.

        In steps of half an octave, so that zooming does not draw anew at each turn of the wheel what depends on it.
        """
        return self._rounded(self._camera.zoom)

    def rounded_screen_pixel_in(self, shape: Sequence[int], spacing: float) -> float:
        """What `rounded_screen_pixel` will be when `same_part` has divided the canvas into such rows and columns."""
        view = cell_size(canvas_size(self._layers.viewer), shape, spacing)
        if self._extent is not None and self._is_untouched():
            return self._rounded(_whole(self._extent, view))
        return self._rounded(self._camera.zoom * min(view) / min(self._view))

    def _rounded(self, zoom: float) -> float:
        return float(2 ** (-round(2 * math.log2(zoom * min(self._steps))) / 2))

    @contextmanager
    def same_part(self) -> Iterator[None]:
        """What is seen stays so, in every cell, while the canvas is divided into cells in here, or made whole again."""
        eye, before = self._camera, self._view
        center, zoom, is_whole, is_close = eye.center, eye.zoom, self._is_untouched(), self.is_close
        yield
        if is_whole:
            self._aim()
            return
        eye.center, eye.zoom = center, zoom * min(self._view) / min(before)
        self._canvas, self._sliders = canvas_size(self._layers.viewer), _slider_count(self._layers.viewer)
        if is_close:
            self._close = _pose(eye)

    @property
    def is_close(self) -> bool:
        """Whether the camera is where `zoom_to` aimed it last."""
        return self._close == _pose(self._camera)

    def show_all(self) -> None:
        """Look at the whole slice again."""
        self._aim()

    def update(self) -> None:
        """Aim anew where the canvas has got another size and nobody has moved the camera.

        Where somebody has, and napari's sliders come or go below the canvas, the picture stays in its place.
        """
        viewer = self._layers.viewer
        before, self._canvas = self._canvas, canvas_size(viewer)
        if self._extent is None or self._canvas == before:
            return
        sliders, self._sliders = self._sliders, _slider_count(viewer)
        if self._is_untouched():
            self._aim()
        elif before and sliders != self._sliders and not grid_of(viewer).enabled:
            eye, was_close = self._camera, self.is_close
            *depth, row, column = eye.center
            eye.center = (*depth, row + (self._canvas[0] - before[0]) / 2 / eye.zoom, column)
            if was_close:
                self._close = _pose(eye)

    @property
    def _view(self) -> tuple[float, float]:
        """Height and width of what shows one picture, in pixels of the screen: the canvas, or a cell of it."""
        viewer = self._layers.viewer
        canvas, grid = canvas_size(viewer), grid_of(viewer)
        return cell_size(canvas, grid.shape, grid.spacing) if grid.enabled else (float(canvas[0]), float(canvas[1]))

    @property
    def _camera(self) -> Any:
        return camera(self._layers.viewer)

    def _is_untouched(self) -> bool:
        return self._aimed == _pose(self._camera)

    def _aim(self) -> None:
        """Show the slice whole.  Not by napari's own reset, which counts all layers, those of the slice before too."""
        viewer, eye = self._layers.viewer, self._camera
        if self._extent is None or (
            grid_of(viewer).enabled and min(grid_of(viewer).shape) < 1
        ):  # a grid of napari's own
            viewer.reset_view(margin=_MARGIN)
        else:
            *depth, _, _ = eye.center
            middle = [(length - step) / 2 for length, step in zip(self._extent, self._steps, strict=True)]
            eye.center = (*depth, *middle)
            eye.zoom = _whole(self._extent, self._view)
        self._aimed, self._canvas, self._sliders = _pose(eye), canvas_size(viewer), _slider_count(viewer)


def cell_size(canvas: Sequence[int], shape: Sequence[int], spacing: float) -> tuple[float, float]:
    """Height and width of a cell where a canvas is divided into rows and columns, in pixels of the screen."""
    height, width = (
        (side - (count - 1) * spacing) / count if count > 0 else float(side)  # -1 where napari chooses
        for side, count in zip(canvas, shape, strict=True)
    )
    return height, width


def _whole(extent: tuple[float, ...], view: tuple[float, float]) -> float:
    """The zoom that shows a whole slice."""
    return (1 - _MARGIN) * min(side / length for side, length in zip(view, extent, strict=True))


def _slider_count(viewer: Any) -> int:
    """How many sliders napari shows: one for each axis that is not displayed and has anything to go through."""
    dims = viewer.dims
    return sum(count > 1 for axis, count in enumerate(dims.nsteps) if axis not in dims.displayed)


def _pose(eye: Any) -> tuple[float, ...]:
    """Where a camera looks, and how closely; napari puts its depth and its last digits elsewhere as layers come."""
    return tuple(round(float(value), 6) for value in (*eye.center[-2:], eye.zoom))
