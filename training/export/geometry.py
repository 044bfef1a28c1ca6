"""Where the pixels of a slice lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataFormatError
from training.records import AnnotatedSlice

# Columns run to the patient's left and rows to the back, as slices are looked at; millimetres run to the right and
# to the front.
_AS_SEEN = (-1.0, -1.0, 1.0)
_LEAST_VOLUME = 1e-21  # of a voxel in cubic millimetres: below it, an affine cannot be inverted


@dataclass(frozen=True, eq=False)
class Geometry:
    """From pixels to millimetres in the patient.

    Parameters
    ----------
    affine : (4, 4) float64, from (column, row, slice, 1) to (right, front, top, 1) of the patient, NIfTI's way of
        counting.  Of a single slice, or of the volume in which it lies
    slice_index : which slice of that volume the case is; None where the affine is the slice's own
    in_mm : whether a step of the affine is a millimetre, False where the size of a pixel is unknown

    Raises
    ------
    DataFormatError
        On another shape, a number that is not finite, or an affine that cannot be inverted.
    """

    affine: NDArray[np.float64]
    slice_index: int | None = None
    in_mm: bool = True

    def __post_init__(self) -> None:
        affine = np.asarray(self.affine)
        if affine.shape != (4, 4) or affine.dtype.kind not in "iuf":
            raise DataFormatError(f"an affine is (4, 4) numbers, got {affine.dtype} {affine.shape}")
        affine = affine.astype(np.float64)
        if not (np.isfinite(affine).all() and np.array_equal(affine[3], (0, 0, 0, 1))):
            raise DataFormatError("an affine must be finite and end in the row 0 0 0 1; take that of the source image")
        if abs(np.linalg.det(affine[:3, :3])) <= _LEAST_VOLUME:
            raise DataFormatError("the affine cannot be inverted: two of its axes lie in one line, or a step is 0")
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)

    @classmethod
    def of_case(cls, case: AnnotatedSlice) -> Geometry:
        """A slice by itself: its first pixel in the origin, turned as slices are looked at, 1 mm thick.

        Where the case has no spacing, a pixel is one unit, and the unit is unknown.
        """
        rows, columns = case.spacing_mm or (1.0, 1.0)
        return cls(np.diag([*np.multiply(_AS_SEEN, (columns, rows, 1.0)), 1.0]), in_mm=case.spacing_mm is not None)

    @property
    def of_slice(self) -> NDArray[np.float64]:
        """(4, 4) float64, the affine of the one slice, its slice index 0."""
        moved = self.affine.copy()
        moved[:3, 3] += self.affine[:3, 2] * (self.slice_index or 0)
        return moved

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Size of a voxel along rows, columns and slices: (height, width, thickness)."""
        width, height, thickness = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(height), float(width), float(thickness)
