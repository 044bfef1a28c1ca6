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
    if path.is_dir():
        raise DataFormatError(f"{path}: is a folder; give an HDF5 file in PHiSeg's layout")
    if not path.is_file():
        raise DataFormatError(f"{path}: no such file; give an HDF5 file in PHiSeg's layout")
    from training.data.hdf5 import Hdf5Dataset, is_hdf5  # h5py, which `import training` need not wait for

    if is_hdf5(path):
        return Hdf5Dataset(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read: {error.strerror}") from error
    raise DataFormatError(f"{path}: not an HDF5 file (it starts with {head!r}); give an HDF5 file in PHiSeg's layout")
