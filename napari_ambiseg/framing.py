"""What part of a slice is seen: all of it at first, and from then on what the user looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        eye, canvas = self._camera, canvas_size(self._layers.viewer)
        *depth, _, _ = eye.center
        eye.center = (*depth, (first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
        eye.zoom = _LESION_SHARE * min(canvas[0] / height, canvas[1] / width)
        self._close = _pose(eye)

    @property
    def pixel_on_screen(self) -> float:
        """Size of a pixel of the slice, in pixels of the screen."""
        return float(self._camera.zoom) * min(self._steps)

    @property
    def screen_pixel(self) -> float:
        """Size of a pixel of the screen, in pixels of the slice, about.

        In steps of half an octave, so that zooming does not draw anew at each turn of the wheel what depends on it.
        """
        return float(2 ** (-round(2 * math.log2(self.pixel_on_screen)) / 2))

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
    def _camera(self) -> Any:
        return camera(self._layers.viewer)

    def _is_untouched(self) -> bool:
        return self._aimed == _pose(self._camera)

    def _aim(self) -> None:
        """Show the slice whole.  Not by napari's own reset, which counts all layers, those of the slice before too."""
        viewer, eye = self._layers.viewer, self._camera
        if self._extent is None or grid_of(viewer).enabled:
            viewer.reset_view(margin=_MARGIN)
        else:
            *depth, _, _ = eye.center
            middle = [(length - step) / 2 for length, step in zip(self._extent, self._steps, strict=True)]
            eye.center = (*depth, *middle)
            eye.zoom = (1 - _MARGIN) * min(
                side / length for side, length in zip(canvas_size(viewer), self._extent, strict=True)
            )
        self._aimed, self._canvas, self._sliders = _pose(eye), canvas_size(viewer), _slider_count(viewer)


def _slider_count(viewer: Any) -> int:
    """How many sliders napari shows: one for each axis that is not displayed and has anything to go through."""
    dims = viewer.dims
    return sum(count > 1 for axis, count in enumerate(dims.nsteps) if axis not in dims.displayed)


def _pose(eye: Any) -> tuple[float, ...]:
    """Where a camera looks, and how closely; napari puts its depth and its last digits elsewhere as layers come."""
    return tuple(round(float(value), 6) for value in (*eye.center[-2:], eye.zoom))
