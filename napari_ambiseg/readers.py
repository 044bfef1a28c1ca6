"""npe2 reader of annotated slices in HDF5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Reader = Callable[[str | Sequence[str]], list[tuple[Any, ...]]]

_NO_LAYERS: list[tuple[Any, ...]] = [(None,)]  # napari's word for "read, and there is nothing to show"


def read_hdf5(path: str | Sequence[str]) -> Reader | None:
    """A reader for ``path`` if it is one file of annotated slices, else None so that others may try.

    HDF5 is everybody's container: the file's layout decides, not its name.
    """
    from training.data.hdf5 import is_annotated_hdf5

    if not isinstance(path, str) or not is_annotated_hdf5(path):
        return None
    return _first_case


def _first_case(path: str | Sequence[str]) -> list[tuple[Any, ...]]:
    """The first case of the file's first split; the case browser, where it is open, takes over the rest."""
    import training
    from napari_ambiseg.layers import Origin, opened_layers
    from training.errors import AmbisegError

    source = str(path)
    try:
        with training.open_dataset(source) as dataset:
            split, cases = next(iter(dataset.splits.items()))
            return list(opened_layers(cases[0], Origin(source, split, 0)))
    except AmbisegError as error:
        from napari.utils.notifications import show_error

        show_error(str(error))  # raised, it would become a traceback in the window
        return _NO_LAYERS
