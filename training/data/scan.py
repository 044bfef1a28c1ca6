"""An image that nobody annotated yet: a NIfTI volume, or one DICOM slice, turned as radiologists look at it."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.forms._ct_series import read_series, read_series_header
from training.data.forms._nifti_names import is_mask, is_volume
from training.data.forms._nifti_volume import read_header
from training.data.forms.interface import Tally, UnusableError
from training.data.window import AIR
from training.errors import DataFormatError

_HEADER = 352  # bytes in which every one of the magic words lies
_NIFTI = ((344, b"n+1\0"), (4, b"n+2\0"))
_DICOM = (128, b"DICM")


@dataclass(frozen=True, eq=False)
class Scan:
    """What a file holds.

    Parameters
    ----------
    path : the file
    values : (Z, H, W) of a volume, (H, W) of a slice; slices from the feet up, rows from the front to the back, columns
        from the patient's right to the left.  Hounsfield units where `is_hounsfield`
    spacing_mm : size of a voxel along each of these axes
    affine : (4, 4), from (column, row, slice) to millimetres to the right, front and top of the patient; None where
        the file does not say it
    is_mask : whether it is a drawn mask, by its name and its whole numbers
    """

    path: Path
    values: NDArray[Any]
    spacing_mm: tuple[float, ...]
    affine: NDArray[np.float64] | None
    is_mask: bool

    @property
    def is_hounsfield(self) -> bool:
        """Whether the values are taken for Hounsfield units: there is air in them."""
        return not self.is_mask and bool(np.min(self.values) < AIR)


def is_scan(path: Path) -> bool:
    """Whether a file begins like a NIfTI volume or a DICOM file; never raises, and reads some hundred bytes at most."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        if is_volume(path):
            with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as stream:
                start = stream.read(_HEADER)
            return any(start[at : at + len(magic)] == magic for at, magic in _NIFTI)
        with path.open("rb") as stream:
            at, magic = _DICOM
            return stream.read(_HEADER)[at : at + len(magic)] == magic
    except (OSError, EOFError, zlib.error):
        return False


def read_scan(path: Path) -> Scan:
    """Read a NIfTI volume or a DICOM slice.

    Raises
    ------
    DataFormatError
        If it is neither, damaged, or declares more than it can hold; a file of more than 2 GiB of voxels is refused
        by its header.
    ConfigError
        If nibabel or pydicom is missing, with the command that installs it.
    """
    try:
        return _read_volume(path) if is_volume(path) else _read_slice(path)
    except UnusableError as error:
        raise DataFormatError(f"{path}: {error}; what can be opened is a NIfTI volume or an axial CT slice") from error


def _read_volume(path: Path) -> Scan:
    header = read_header(path)
    values = header.axial()
    whole = values.dtype.kind in "iu"
    affine = header.axial_affine
    column, row, height = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    told = affine if header.oriented else None
    return Scan(path, values, (height, row, column), told, whole and is_mask(path))


def _read_slice(path: Path) -> Scan:
    tally = Tally()
    series = read_series_header(path)
    try:
        (found,) = read_series(series.series_uid, [path], tally).slices
    except UnusableError:
        reason = next(iter(tally.dropped), "")  # which says more
        raise UnusableError(f"is a {reason}" if reason else "is no slice of a series") from None
    return Scan(path, found.hounsfield(), found.spacing_mm, None, False)
