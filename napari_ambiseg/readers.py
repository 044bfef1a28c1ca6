"""npe2 readers of annotated slices, in whatever form they are.

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
    from napari_ambiseg.sources import HDF5, layout_if_ours

    if not isinstance(path, str):
        return None
    layout = layout_if_ours(Path(path))
    if layout is None:
        return None
    return _first_case if layout == HDF5 else _offer_conversion


def _first_case(path: str | Sequence[str]) -> list[tuple[Any, ...]]:
    """The first case of the file's first split; the case browser, where it is open, takes over the rest."""
    from napari_ambiseg.layers import Origin, opened_layers
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


def _offer_conversion(path: str | Sequence[str]) -> list[tuple[Any, ...]]:
    """Hand the path to the dock of the current viewer, which offers to convert it.

    Raises
    ------
    DataFormatError
        Without a viewer, as in a script that calls npe2.
    """
    from napari import current_viewer

    from training.errors import DataFormatError

    viewer = current_viewer()
    if viewer is None:
        raise DataFormatError(f"{path}: has to be converted first: ambiseg prepare {path} OUT.hdf5; then open OUT.hdf5")
    from napari_ambiseg.controller import controller_of

    viewer.window.add_plugin_dock_widget(PLUGIN, VIEWER)
    controller_of(viewer).open_path(str(path))
    return _NO_LAYERS
