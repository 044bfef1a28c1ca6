"""What entries of napari's menus do that are no docks."""

from __future__ import annotations

from typing import Any

from napari import current_viewer

from napari_ambiseg._qt import key_list
from napari_ambiseg._qt.open_buttons import choose_file
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.dock_names import VIEWER


def convert() -> None:
    """Choose annotated slices of another form, which are then offered to be converted to HDF5."""
    viewer = _viewer()
    panel = open_all_docks(viewer)[VIEWER]
    if path := choose_file(panel):
        controller_of(viewer).opener.open_path(path)


def use_layers() -> None:
    """Read on the layers that are selected in the layer list."""
    viewer = _viewer()
    open_all_docks(viewer)
    controller_of(viewer).opener.use_layers()


def show_keys() -> key_list.KeyList:
    """Tell what each key does."""
    viewer = _viewer()
    return key_list.show_keys(open_all_docks(viewer)[VIEWER])


def _viewer() -> Any:
    """The viewer whose menu was used."""
    viewer = current_viewer()
    if viewer is None:
        raise RuntimeError("this menu entry needs a viewer; make one with napari.Viewer() first")
    return viewer
