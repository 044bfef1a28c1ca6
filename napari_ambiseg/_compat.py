"""Where napari's versions differ, and the few private things of it that we need: all in this one place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

_LETTERS_PER_BLANK = 20  # five pixels make up for what so many letters are wider than napari thinks


def unwrapped(viewer: Any) -> Any:
    """The viewer behind napari's public-only proxy, so that one viewer has one identity."""
    return getattr(viewer, "__wrapped__", viewer)


def text_overlay(viewer: Any) -> Any:
    """The text on the canvas; it moved from the viewer to its canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.text_overlay if canvas is None else canvas.overlays.text


def boxed(text: str) -> str:
    """A line of text for the canvas that begins inside of napari's black box.

    napari 0.9.2 measures the box with letters rounded to whole pixels, and draws letters that are not: the line is 2 %
    longer than its box (0.2 pixels a letter, whatever the scale of the screen).
    """
    return "\N{NO-BREAK SPACE}" * math.ceil(len(text) / _LETTERS_PER_BLANK) + text


def scale_bar(viewer: Any) -> Any:
    """The scale bar on the canvas; it moved from the viewer to its canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.scale_bar if canvas is None else canvas.overlays.scale_bar


def camera(viewer: Any) -> Any:
    """What looks at the canvas; it moved from the viewer to its scene in napari 0.9."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def canvas_size(viewer: Any) -> tuple[int, ...]:
    """Height and width of the canvas in pixels of the screen; it moved from the viewer to its canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return tuple(viewer._canvas_size if canvas is None else canvas.size)


def grid_of(viewer: Any) -> Any:
    """napari's grid of layers; it moved from the viewer to its canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.grid if canvas is None else canvas.grid


@contextmanager
def no_advice_on_features() -> Iterator[None]:
    """Without napari's advice to make floats of whole numbers that go with vectors, which concerns colours not in use.

    napari 0.7 tells it to the user whenever such a layer comes.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Feature .* looks like categorical data", RuntimeWarning)
        yield


def changed_together(viewer: Any) -> AbstractContextManager[Any]:
    """Several layers come or go as one: the canvas is laid out, and garbage collected, once at the end.

    napari 0.9.2 collects all garbage for every layer that goes, which takes a tenth of a second and more.
    """
    together = getattr(viewer.layers, "batched_update", nullcontext)
    context: AbstractContextManager[Any] = together()
    return context


def fit_slider_labels(viewer: Any) -> None:
    """Make room for the names of napari's sliders, which it does by itself only when the number of axes changes.

    Without a window, or where a later napari has no such method, there is nothing to do.
    """
    qt_viewer = getattr(getattr(getattr(viewer, "window", None), "_qt_window", None), "_qt_viewer", None)
    fit = getattr(getattr(qt_viewer, "dims", None), "_resize_axis_labels", None)
    if fit is not None:
        fit()


def without_thumbnail(layer: Any) -> None:
    """Leave the small picture in the list of layers empty; of many outlines it takes longer to draw than they do."""
    if hasattr(layer, "_update_thumbnail"):
        layer._update_thumbnail = lambda *_: None


@cache
def free_in_own_window() -> None:
    """Where a layer is removed, free its textures and shader programs in its own window's OpenGL context.

    napari 0.9.2 frees them in whichever context is current.  With two windows open that may be the other one's, which
    then loses what has the same numbers there; with one it may be that of Qt itself, and the next change of the
    canvas' size ends the process (seen with vispy 0.17 and Mesa 22).
    """
    from vispy.gloo.context import GLContext

    finish = GLContext.finish

    def finish_in_own(context: Any) -> None:
        backend = context.shared.ref
        if backend.isValid():  # else nothing was drawn yet, and what waits goes on waiting
            backend._vispy_set_current()
            finish(context)

    GLContext.finish = finish_in_own


def main_window(viewer: Any) -> Any:
    """The Qt main window of a viewer: to be told of its end, to parent a timer, to take its picture."""
    return unwrapped(viewer).window._qt_window


def when_window_closes(viewer: Any, call: Callable[[], None]) -> None:
    """Call once when the viewer's window is really gone, closed by hand or from code."""
    main_window(viewer).destroyed.connect(lambda *_: call())
