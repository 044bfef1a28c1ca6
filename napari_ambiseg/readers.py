"""npe2 reader of annotated slices in HDF5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_ambiseg.layers import LayerData

Reader = Callable[[str | Sequence[str]], "list[LayerData]"]


def read_hdf5(path: str | Sequence[str]) -> Reader | None:
    """A reader for ``path`` if it is one file of annotated slices, else None so that others may try.

    HDF5 is everybody's container: the file's layout decides, not its name.
    """
    from training.data.hdf5 import is_annotated_hdf5

    if not isinstance(path, str) or not is_annotated_hdf5(path):
        return None
    return _first_case


def _first_case(path: str | Sequence[str]) -> list[LayerData]:
    """The first case of the file's first split; the case browser, where it is open, takes over the rest."""
    import training
    from napari_ambiseg.layers import Origin, case_layers

    source = str(path)
    split, cases = next(iter(training.open_dataset(source).splits.items()))
    return case_layers(cases[0], Origin(source, split, 0))
