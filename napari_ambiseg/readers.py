"""npe2 readers of annotated slices, in whatever form they are, and of sessions.

What is HDF5 becomes layers at once.  Every other form has to be converted first, which a reader cannot do: it must
return before the window goes on.  It opens our dock instead, and hands the path over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_ambiseg.dock_names import PLUGIN, VIEWER

Reader = Callable[[str | Sequence[str]], list[tuple[Any, ...]]]

_NO_LAYERS: list[tuple[Any, ...]] = [(None,)]  # napari's word for "read, and there is nothing to show"


def read_slices(path: str | Sequence[str]) -> Reader | None:
    """A reader for ``path`` if it is one file or folder of annotated slices, else None so that others may try.

    HDF5, pickles and folders are everybody's containers: the content decides, not the name.
    """
    from napari_ambiseg.sources import HDF5, SCAN, layout_if_ours

    if not isinstance(path, str):
        return None
    layout = layout_if_ours(Path(path))
    if layout is None:
        return None
    readers: dict[str, Reader] = {HDF5: _first_case, SCAN: _scan}
    reader: Reader = readers.get(layout, _hand_over)
    return reader


def _first_case(path: str | Sequence[str]) -> list[tuple[Any, ...]]:
    """The first case of the file's first split; the case browser, where it is open, takes over the rest."""
    from napari_ambiseg.layers.case import opened_layers
    from napari_ambiseg.layers.roles import Origin
    from training.data.reading import open_isolated
    from training.errors import AmbisegError

    source = str(path)
    try:
        with open_isolated(source) as dataset:
            split, cases = next(iter(dataset.splits.items()))
            return list(opened_layers(cases[0], Origin(source, split, 0)))
    except AmbisegError as error:
        from napari.utils.notifications import show_error

        show_error(str(error))  # raised, it would become a traceback in the window
        return _NO_LAYERS


def _scan(path: str | Sequence[str]) -> list[tuple[Any, ...]]:
    """A scan that nobody annotated, as one layer at its true place; "Use selected layers" reads on it."""
    from napari_ambiseg.layers.scan import scan_layer
    from training.data.scan import read_scan
    from training.errors import AmbisegError

    try:
        return [scan_layer(read_scan(Path(str(path))))]
    except AmbisegError as error:
        from napari.utils.notifications import show_error

        show_error(str(error))  # raised, it would become a traceback in the window
        return _NO_LAYERS


def _hand_over(path: str | Sequence[str]) -> list[tuple[Any, ...]]:
    """Hand the path to the dock of the current viewer: a session goes on, anything else is offered to be converted.

    Raises
    ------
    DataFormatError
        Without a viewer, as in a script that calls npe2.
    """
    from napari import current_viewer

    from napari_ambiseg.sources import SESSION, layout_if_ours
    from training.errors import DataFormatError

    viewer = current_viewer()
    if viewer is None:
        if layout_if_ours(Path(str(path))) == SESSION:
            raise DataFormatError(f"{path}: a session needs a window: napari-ambiseg {path}")
        raise DataFormatError(f"{path}: has to be converted first: ambiseg prepare {path} OUT.hdf5; then open OUT.hdf5")
    from napari_ambiseg.controller import controller_of

    viewer.window.add_plugin_dock_widget(PLUGIN, VIEWER)
    controller_of(viewer).opener.open_path(str(path))
    return _NO_LAYERS
