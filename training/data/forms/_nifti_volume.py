"""One NIfTI volume: the header first and bounded, then its voxels, turned the way that radiologists look at them.

Only nibabel's header classes are used.  Its image classes would also read the header's extensions, whose size the
file can choose at will.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from training.data.forms._folders import require_source
from training.data.forms.interface import MAX_SIDE, UnusableError
from training.errors import ConfigError

MAX_BYTES = 2 * 2**30  # of voxels as stored
_MAX_RATIO = 1040  # deflate cannot pass 1032:1
_MAX_OFFSET = 16 * 2**20  # of the voxels behind the header: room for extensions
_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}  # NIfTI's other units of length
_TOLERANCE = 1e-3  # of affines, in millimetres, and of voxels where these are smaller


@dataclass(frozen=True, eq=False)
class Volume:
    """What the header of a file says, checked.

    Parameters
    ----------
    path : the file
    shape : voxels along each axis as stored
    dtype : as stored
    offset : of the first voxel, in bytes
    slope, inter : value = slope * stored + inter
    affine : (4, 4), from voxel indices to millimetres to the right, front and top of the patient
    oriented : whether the file tells its affine; otherwise it is NIfTI's default
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    affine: NDArray[np.float64]
    oriented: bool

    @property
    def is_scaled(self) -> bool:
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def n_axial(self) -> int:
        """How many axial slices there are."""
        return self.shape[int(np.argmax(self._axes() == 2))]

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """(row, column) size of a pixel of an axial slice."""
        axes, sizes = self._axes(), np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(sizes[axes == 1][0]), float(sizes[axes == 0][0])

    @property
    def axial_affine(self) -> NDArray[np.float64]:
        """(4, 4), from (column, row, slice) of `axial` to millimetres to the right, front and top of the patient."""
        orientations = _nibabel().orientations
        turned = self._orientation()
        to_stored = orientations.inv_ornt_aff(turned, self.shape)
        columns, rows = (self.shape[int(np.argmax(self._axes() == axis))] for axis in (0, 1))
        from_axial = np.diag([-1.0, -1.0, 1.0, 1.0])
        from_axial[:2, 3] = columns - 1, rows - 1
        affine: NDArray[np.float64] = self.affine @ to_stored @ from_axial
        return affine

    def same_grid(self, other: Volume) -> bool:
        """Whether voxels of the same index are in the same place."""
        smallest = np.linalg.norm(self.affine[:3, :3], axis=0).min()
        tolerance = _TOLERANCE * min(1.0, float(smallest))
        return self.shape == other.shape and np.allclose(self.affine, other.affine, rtol=0, atol=tolerance)

    def axial(self) -> NDArray[Any]:
        """Read the voxels.

        Returns
        -------
        (Z, H, W) of the stored type, or float32 where it is scaled: from the feet up, rows from the front to the
        back and columns from the patient's right to the left, along the axes that are nearest to these

        Raises
        ------
        UnusableError
            If the file is damaged.
        """
        with _opened(self.path) as stream:
            _skip(stream, self.offset)
            size = self.dtype.itemsize * math.prod(self.shape)
            content = stream.read(size)
            if len(content) != size:
                raise UnusableError("is damaged or cut short")
            if isinstance(stream, gzip.GzipFile):
                _finish(stream)  # gzip's checksum is compared at the end
        stored = np.frombuffer(content, self.dtype).reshape(self.shape, order="F")
        if self.is_scaled:
            stored = stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.inter)
        # Turned to (R, A, S), then to (S, P, L) in which slices, rows and columns run.
        turned = _nibabel().orientations.apply_orientation(stored, self._orientation())
        return cast("NDArray[Any]", turned[::-1, ::-1, :].transpose(2, 1, 0))

    def _orientation(self) -> NDArray[np.float64]:
        return cast("NDArray[np.float64]", _nibabel().orientations.io_orientation(self.affine))

    def _axes(self) -> NDArray[np.float64]:
        """For each stored axis which of right (0), front (1) and top (2) it is nearest to."""
        return self._orientation()[:, 0]


def read_header(path: Path) -> Volume:
    """Look at a file's header.

    Raises
    ------
    UnusableError
        If it is no NIfTI volume of real numbers, damaged, or declares more than it can hold.
    ConfigError
        If nibabel is not installed.
    """
    nibabel = _nibabel()
    with _opened(path) as stream:
        start = stream.read(nibabel.Nifti2Header.sizeof_hdr)
    kind = next((k for k in (nibabel.Nifti1Header, nibabel.Nifti2Header) if k.may_contain_header(start)), None)
    if kind is None or len(start) < kind.sizeof_hdr:
        raise UnusableError("is no NIfTI file")
    try:
        header = kind(start[: kind.sizeof_hdr], check=False)
        shape, dtype = tuple(int(side) for side in header.get_data_shape()), header.get_data_dtype()
        slope, inter = header.get_slope_inter()
        affine = np.array(header.get_best_affine(), np.float64)
        affine[:3] *= _MILLIMETRES.get(header.get_xyzt_units()[0], 1)
        offset = int(header.get_data_offset())
        oriented = bool(header["sform_code"] > 0 or header["qform_code"] > 0)
        in_one_file = header["magic"].item()[:2] == b"n+"
    except Exception as error:  # nibabel raises its own and NumPy's errors on senseless values
        raise UnusableError("has a header that makes no sense") from error
    if not in_one_file:
        raise UnusableError("has its voxels in another file; save it as one .nii")
    shape = shape[:3] + tuple(side for side in shape[3:] if side != 1)
    _check(path, shape, dtype, offset, affine)
    return Volume(
        path,
        cast("tuple[int, int, int]", shape),
        dtype,
        offset,
        1.0 if slope is None else float(slope),
        0.0 if inter is None else float(inter),
        affine,
        oriented,
    )


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, affine: NDArray[np.float64]) -> None:
    if len(shape) != 3:
        raise UnusableError(f"has {len(shape)} dimensions, not 3")
    if not all(1 <= side <= MAX_SIDE for side in shape):
        raise UnusableError(f"has a side that is not 1 to {MAX_SIDE} voxels")
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise UnusableError(f"holds {dtype}, not real numbers of up to 64 bits")
    declared, stored = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if declared > MAX_BYTES or not 0 <= offset <= _MAX_OFFSET:
        raise UnusableError(f"declares more than {MAX_BYTES // 2**30} GiB of voxels or a senseless place for them")
    if declared + offset > stored * (_MAX_RATIO if _is_gzip(path) else 1):
        raise UnusableError("is damaged or cut short")
    if not np.isfinite(affine).all() or not abs(np.linalg.det(affine[:3, :3])) > 1e-21:
        raise UnusableError("has an affine that cannot be inverted")


def _nibabel() -> ModuleType:
    try:
        import nibabel
        import nibabel.orientations
    except ImportError as error:
        raise ConfigError('reading NIfTI needs nibabel: pip install "napari-ambiseg[medical]"') from error
    return nibabel


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with gzip.open(path, "rb") if _is_gzip(path) else path.open("rb") as stream:
            yield cast("BinaryIO", stream)
    except (OSError, EOFError, zlib.error) as error:
        require_source(error)
        raise UnusableError("is damaged or cut short") from error


def _skip(stream: BinaryIO, offset: int) -> None:
    if len(stream.read(offset)) != offset:
        raise EOFError


def _finish(stream: BinaryIO) -> None:
    if stream.read(1):
        raise UnusableError("holds more than its header declares")
