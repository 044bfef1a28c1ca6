"""An image layer of the user's own, cut into the slices that the window shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.place import Place
from training.data.window import AIR
from training.errors import DataFormatError

SCAN = "ambiseg scan"  # in the metadata of a layer that our reader made of a scan
_PIXEL = "pixel"


@dataclass(frozen=True, eq=False)
class Plane:
    """The slices of an image of n axes: along one axis as many as it is long, along all others where the sliders stand.

    Parameters
    ----------
    name, file : of the layer; the file is "" where it has none
    data : the layer's array of n axes, maybe a lazy one
    matrix : (n + 1, n + 1), from a point of the array to the world
    axes : which of its axes rows and columns of a slice run along
    through : the axis along which the slices lie; None for the one slice of a plain image
    at : index along every axis where the sliders stood; 0 along rows and columns
    lies : the place of the array's first slice
    contrast_limits : of the layer
    is_hounsfield : whether its values are taken for Hounsfield units
    patient_affine : (4, 4), from (column, row, slice) to millimetres to the patient's right, front and top, if known
    dicom : the DICOM file that it is, pixel by pixel; "" where it is none
    """

    name: str
    file: str
    data: Any
    matrix: NDArray[np.float64]
    axes: tuple[int, int]
    through: int | None
    at: tuple[int, ...]
    lies: Place
    contrast_limits: tuple[float, float]
    is_hounsfield: bool = False
    patient_affine: NDArray[np.float64] | None = None
    dicom: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of the array's axes."""
        return tuple(self.data.shape)

    @property
    def count(self) -> int:
        """How many slices there are."""
        return 1 if self.through is None else self.shape[self.through]

    @property
    def start(self) -> int:
        """The slice at which the sliders stood."""
        return 0 if self.through is None else self.at[self.through]

    def index(self, number: int) -> tuple[int, ...]:
        """Index of a slice along every axis; 0 along rows and columns."""
        return tuple(number if axis == self.through else at for axis, at in enumerate(self.at))

    def found(self, dims: Any) -> int | None:
        """The slice at which the sliders stand now; None where there is none, or the picture is another one."""
        n = len(self.shape)
        hidden = dims.ndim - n
        if dims.ndisplay != 2 or hidden < 0 or tuple(axis - hidden for axis in dims.displayed) != self.axes:
            return None
        others = [axis for axis in range(n) if axis not in self.axes]
        at = _at(self.matrix, np.asarray(dims.point)[hidden:], others)
        if self.through is None or at[: self.through] != self.at[: self.through]:
            return None
        return at[self.through] if 0 <= at[self.through] < self.count else None

    def key(self, number: int) -> str:
        """What a slice is called: the layer's name, and what its sliders would show."""
        others = [str(at) for axis, at in enumerate(self.index(number)) if axis not in self.axes]
        return f"{self.name}[{','.join(others)}]" if others else self.name

    def place(self, number: int) -> Place:
        """Where a slice lies."""
        translate = tuple(
            start + step * at
            for start, step, at in zip(self.lies.translate, self.lies.scale, self.index(number), strict=True)
        )
        return replace(self.lies, translate=translate)

    def read(self, number: int) -> NDArray[Any]:
        """Pixels of a slice.

        Returns
        -------
        (H, W), a copy

        Raises
        ------
        DataFormatError
            If they cannot be read, or one of them is not finite.
        """
        values = self.cut(self.data, number)
        if bad := int(values.size - np.isfinite(values).sum()):
            raise DataFormatError(
                f"{self.key(number)}: {bad} of {values.size} pixels are NaN or infinite; fill them in first, "
                "such as with numpy.nan_to_num"
            )
        return values

    def cut(self, array: Any, number: int) -> NDArray[Any]:
        """(H, W), a slice of any array on the image's grid.

        Raises
        ------
        DataFormatError
            If the array, which may read a file or ask a server, fails.
        """
        index = tuple(slice(None) if axis in self.axes else at for axis, at in enumerate(self.index(number)))
        try:
            values = np.array(array[index])
        except Exception as error:  # it is somebody else's array and may raise anything
            raise DataFormatError(
                f"{self.key(number)}: cannot be read ({error}); is its source still there?"
            ) from error
        return values.T if self.axes[0] > self.axes[1] else values


def plane_of(layer: Any, dims: Any) -> Plane:
    """How an image layer is cut into slices now; sliders that stand beside it mean its nearest slice.

    Parameters
    ----------
    layer : napari image layer
    dims : of its viewer

    Raises
    ------
    DataFormatError
        If it is a colour image, holds no real numbers, or is shown in 3D or not as a picture.
    """
    what = f"image {layer.name!r}"
    if layer.rgb:
        raise DataFormatError(f"{what} has colours; the model takes one channel (menu Layers, Split RGB)")
    if dims.ndisplay != 2:
        raise DataFormatError(f"{what} is shown in 3D; go back to 2D (the cube at the lower left), and choose a slice")
    data = array_of(layer)
    if np.dtype(data.dtype).kind not in "buif":
        raise DataFormatError(f"{what} holds {data.dtype}, not real numbers; convert it first")
    hidden = dims.ndim - layer.ndim  # axes of other layers, which it does not have
    rows, columns = (axis - hidden for axis in dims.displayed)
    if min(rows, columns) < 0:
        raise DataFormatError(
            f"{what} is seen from the side, as a line; turn the axes back (Ctrl+E), and choose a slice"
        )
    others = [axis for axis in range(layer.ndim) if axis not in (rows, columns)]
    matrix = matrix_of(layer)
    at = _at(matrix, np.asarray(dims.point)[hidden:], others)
    at = tuple(min(max(index, 0), length - 1) for index, length in zip(at, data.shape, strict=True))
    low, high = layer.contrast_limits
    plane = Plane(
        name=layer.name,
        file="" if layer.source.path is None else str(layer.source.path),
        data=data,
        matrix=matrix,
        axes=(rows, columns),
        through=others[-1] if others else None,
        at=at,
        lies=_place(layer, matrix, (rows, columns)),
        contrast_limits=(float(low), float(high)),
    )
    scan = layer.metadata.get(SCAN, {})
    first = plane.cut(data, plane.start)
    return replace(
        plane,
        is_hounsfield=bool(np.nanmin(first) < AIR) if np.isfinite(first).any() else False,
        patient_affine=scan.get("affine") if plane.axes == (1, 2) and layer.ndim == 3 else None,
        dicom=scan.get("file", "") if plane.axes == (0, 1) and layer.ndim == 2 else "",
    )


def array_of(layer: Any) -> Any:
    """The layer's pixels; of several resolutions the finest."""
    return layer.data[0] if layer.multiscale else layer.data


def matrix_of(layer: Any) -> NDArray[np.float64]:
    """(n + 1, n + 1), from a point of a layer's data to the world."""
    matrix = np.eye(layer.ndim + 1)
    matrix[:-1, -1] = layer.data_to_world(np.zeros(layer.ndim))
    for axis, unit in enumerate(np.eye(layer.ndim)):
        matrix[:-1, axis] = np.asarray(layer.data_to_world(unit)) - matrix[:-1, -1]
    return matrix


def _at(matrix: NDArray[np.float64], point: NDArray[Any], others: list[int]) -> tuple[int, ...]:
    """The index that napari shows: that of the axes that are not displayed, by these axes alone."""
    back = np.linalg.inv(matrix)
    at = np.zeros(len(matrix) - 1, int)
    at[others] = np.rint(back[np.ix_(others, others)] @ point[others] + back[others, -1]).astype(int)
    return tuple(int(index) for index in at)


def _place(layer: Any, matrix: NDArray[np.float64], axes: tuple[int, int]) -> Place:
    """The layer's own scale, translation and affine; all in the affine where it is turned or sheared besides."""
    units = tuple(str(unit) for unit in getattr(layer, "units", ()))
    told = units if any(unit != _PIXEL for unit in units) else None
    n = layer.ndim
    plain = np.array_equal(layer.rotate, np.eye(n)) and not np.any(np.triu(_sheared(layer), 1))
    if not plain:
        return Place((1.0,) * n, (0.0,) * n, matrix, axes, told)
    affine = np.asarray(layer.affine.affine_matrix, np.float64)
    return Place(
        tuple(float(step) for step in layer.scale),
        tuple(float(start) for start in layer.translate),
        None if np.array_equal(affine, np.eye(n + 1)) else affine,
        axes,
        told,
    )


def _sheared(layer: Any) -> NDArray[np.float64]:
    """(n, n) of the layer's shear, which napari gives as a matrix or as the numbers above its diagonal."""
    shear = np.asarray(layer.shear, np.float64)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, 1)] = shear
    return matrix
