"""What an expert drew in a layer of the user's own: labels, or shapes with an inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.plane import Plane, array_of, matrix_of
from training.errors import DataFormatError
from training.records import BoolArray

_SAME = 1e-3  # of a pixel: grids that are no farther apart are one
_CORNERS = 128  # of the polygon that stands for an ellipse


class Annotation(Protocol):
    """One expert's masks of all slices of an image."""

    @property
    def name(self) -> str:
        """Of the layer."""

    def mask(self, plane: Plane, number: int) -> BoolArray:
        """(H, W) bool on a slice."""


@dataclass(frozen=True, eq=False)
class LabelsAnnotation:
    """Labels: whatever is not 0 is marked."""

    name: str
    data: Any

    @classmethod
    def of(cls, layer: Any, plane: Plane) -> Self:
        """The labels of a layer.

        Raises
        ------
        DataFormatError
            If they are not on the image's grid.
        """
        data = array_of(layer)
        if tuple(data.shape) != plane.shape:
            raise DataFormatError(
                f"labels {layer.name!r} have shape {tuple(data.shape)}, the image {plane.name!r} {plane.shape}; "
                "they must be drawn on the image's own pixels"
            )
        corners = np.array(np.meshgrid(*((0, length) for length in plane.shape))).reshape(len(plane.shape), -1)
        apart = (matrix_of(layer) - plane.matrix)[:-1, :-1] @ corners + (matrix_of(layer) - plane.matrix)[:-1, -1:]
        steps = np.linalg.norm(plane.matrix[:-1, :-1], axis=0)
        if np.abs(apart).max() > _SAME * steps.min():
            raise DataFormatError(
                f"labels {layer.name!r} lie elsewhere than the image {plane.name!r}; give both the same scale, "
                "translation and affine"
            )
        return cls(layer.name, data)

    def mask(self, plane: Plane, number: int) -> BoolArray:
        """(H, W) bool on a slice."""
        return np.asarray(plane.cut(self.data, number) != 0)


@dataclass(frozen=True, eq=False)
class ShapesAnnotation:
    """Shapes, one expert's all of them: a pixel whose middle lies inside any is marked.

    Parameters
    ----------
    polygons : each (V, n), in the image's own pixels
    """

    name: str
    polygons: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, layer: Any, plane: Plane) -> Self:
        """The shapes of a layer, copied.

        Raises
        ------
        DataFormatError
            If a shape has no inside, or they have other axes than the image.
        """
        if layer.ndim != len(plane.shape):
            raise DataFormatError(
                f"shapes {layer.name!r} have {layer.ndim} axes, the image {plane.name!r} {len(plane.shape)}; "
                "draw them in a new shapes layer while the image is shown"
            )
        to_image = np.linalg.inv(plane.matrix) @ matrix_of(layer)
        polygons = []
        for points, kind in zip(layer.data, layer.shape_type, strict=True):
            if kind in ("line", "path"):
                raise DataFormatError(f"shapes {layer.name!r} hold a {kind}, which has no inside; draw polygons")
            corners = _ellipse(np.asarray(points, np.float64)) if kind == "ellipse" else np.asarray(points, np.float64)
            polygons.append(corners @ to_image[:-1, :-1].T + to_image[:-1, -1])
        return cls(layer.name, tuple(polygons))

    def mask(self, plane: Plane, number: int) -> BoolArray:
        """(H, W) bool on a slice."""
        from skimage.draw import polygon2mask

        shape = tuple(plane.shape[axis] for axis in plane.axes)
        index = np.array(plane.index(number))
        depths = [axis for axis in range(len(index)) if axis not in plane.axes]
        mask = np.zeros(shape, bool)
        for polygon in self.polygons:
            if (np.abs(polygon[:, depths] - index[depths]) <= 0.5).all():
                mask |= polygon2mask(shape, polygon[:, list(plane.axes)])  # type: ignore[no-untyped-call]
        return mask


def _ellipse(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polygon in place of the ellipse within a box of four corners, (4, n)."""
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    middle = box.mean(axis=0)
    return np.asarray(middle + np.cos(angles) * (box[1] - box[0]) / 2 + np.sin(angles) * (box[3] - box[0]) / 2)
