"""Where napari's versions differ, and the few private things of it that we need: all in this one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def unwrapped(viewer: Any) -> Any:
    """The viewer behind napari's public-only proxy, so that one viewer has one identity."""
    return getattr(viewer, "__wrapped__", viewer)


def text_overlay(viewer: Any) -> Any:
    """The text on the canvas; it moved from the viewer to its canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.text_overlay if canvas is None else canvas.overlays.text


def fit_slider_labels(viewer: Any) -> None:
    """Make room for the names of napari's sliders, which it does by itself only when the number of axes changes.

    Without a window, or where a later napari has no such method, there is nothing to do.
    """
    qt_viewer = getattr(getattr(getattr(viewer, "window", None), "_qt_window", None), "_qt_viewer", None)
    fit = getattr(getattr(qt_viewer, "dims", None), "_resize_axis_labels", None)
    if fit is not None:
        fit()


def main_window(viewer: Any) -> Any:
    """The Qt main window of a viewer: to be told of its end, to parent a timer, to take its picture."""
    return unwrapped(viewer).window._qt_window


def when_window_closes(viewer: Any, call: Callable[[], None]) -> None:
    """Call once when the viewer's window is really gone, closed by hand or from code."""
    main_window(viewer).destroyed.connect(lambda *_: call())
