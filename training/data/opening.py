"""The one door to annotated slices, whatever they are stored in: the content decides, not the file's name."""

from __future__ import annotations

from pathlib import Path

from training.data.dataset import Dataset
from training.errors import DataFormatError


def open_dataset(path: str | Path) -> Dataset:
    """Open annotated slices for reading; the file stays open until ``close()`` or the end of a ``with`` block.

    Raises
    ------
    DataFormatError
        If there is no such file, or it is damaged, unsafe or of a kind that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise DataFormatError(f"{path}: no such file; give an HDF5 file in PHiSeg's layout")
    from training.data.hdf5 import Hdf5Dataset, is_hdf5  # h5py, which `import training` need not wait for

    if path.is_file() and is_hdf5(path):
        return Hdf5Dataset(path)
    raise DataFormatError(f"{path}: {_what_it_is(path)}")


def _what_it_is(path: Path) -> str:
    from training.data.forms.sniffing import recognise

    name = recognise(path)
    if name is not None:
        return f"holds annotated slices in the layout {name!r}; convert it first: ambiseg prepare {path} OUT.hdf5"
    if path.is_dir():
        return "is a folder of no known layout; give an HDF5 file in PHiSeg's layout"
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"not an HDF5 file (it starts with {head!r}); give an HDF5 file in PHiSeg's layout"
