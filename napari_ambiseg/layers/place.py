"""Where the pixels of a slice lie in napari's world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.field import Field
from training.records import AnnotatedSlice

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Place:
    """A slice's place: a point p of n axes lies at ``affine @ (translate + scale * p)``.

    A slice by itself has two axes.  One of a volume has the volume's n axes: it is a plane of one voxel along all but
    two of them, so that what is drawn for it is at its own depth, and at no other.

    Parameters
    ----------
    scale : n sizes of a pixel, in millimetres where these are known, else 1
    translate : where the middle of pixel (0, 0) of the slice lies
    affine : (n + 1, n + 1) float, napari's affine; None is none
    axes : which of the n axes rows and columns run along
    units : of each axis, as napari takes them; None leaves them to napari
    """

    scale: tuple[float, ...] = (1.0, 1.0)
    translate: tuple[float, ...] = (0.0, 0.0)
    affine: NDArray[np.float64] | None = None
    axes: tuple[int, int] = (0, 1)
    units: tuple[str, ...] | None = None

    @classmethod
    def of(cls, case: AnnotatedSlice) -> Place:
        """The place of a case that comes from a file: its pixel spacing is all that is known."""
        if case.spacing_mm is None:
            return cls()
        return cls(scale=case.spacing_mm, units=("mm", "mm"))

    @property
    def ndim(self) -> int:
        """n, how many axes a layer has that lies here."""
        return len(self.scale)

    def within(self, field: Field) -> Place:
        """The place of a part of the slice."""
        return replace(self, translate=self._at(self._point((field.top, field.left))))

    def options(self, leading: int = 0) -> dict[str, Any]:
        """napari's options for a layer with ``leading`` axes before the n axes of this place."""
        ones, zeros = (1.0,) * leading, (0.0,) * leading
        options: dict[str, Any] = {"scale": (*ones, *self.scale), "translate": (*zeros, *self.translate)}
        if self.affine is not None:
            affine = np.eye(leading + self.ndim + 1)
            affine[leading:, leading:] = self.affine
            options["affine"] = affine
        if self.units is not None:
            options["units"] = ("pixel",) * leading + self.units
        return options

    def lift(self, values: NDArray[Any]) -> NDArray[Any]:
        """The array of a layer that lies here: (..., H, W) gets the other axes, one pixel long.  A view, no copy."""
        if self.axes == (0, 1) and self.ndim == 2:
            return values
        if self.axes[0] > self.axes[1]:
            values = values.swapaxes(-1, -2)
        index = tuple(slice(None) if axis in self.axes else None for axis in range(self.ndim))
        return values[(..., *index)]

    def flat(self, values: NDArray[Any]) -> NDArray[Any]:
        """What `lift` was given: (..., H, W), a view of the layer's array."""
        index = tuple(slice(None) if axis in self.axes else 0 for axis in range(self.ndim))
        values = values[(..., *index)]
        return values.swapaxes(-1, -2) if self.axes[0] > self.axes[1] else values

    def lift_points(self, points: NDArray[Any]) -> NDArray[Any]:
        """Points, or steps between points, (..., 2) in (row, column) of the slice as (..., n) of the layer."""
        lifted = np.zeros((*points.shape[:-1], self.ndim), points.dtype)
        lifted[..., self.axes] = points
        return lifted

    def pixel(self, position: Sequence[float]) -> Pair:
        """The pixel, (row, column) as floats, at a position of the world.

        Parameters
        ----------
        position : at least n coordinates, of which the last n count, as in napari
        """
        found = self._found(position)
        return float(found[self.axes[0]]), float(found[self.axes[1]])

    def holds(self, position: Sequence[float]) -> bool:
        """Whether a position of the world is at the slice's own depth; always, for a slice by itself."""
        depths = np.delete(self._found(position), self.axes)
        return bool((np.abs(depths) <= 0.5).all())

    def world(self, pixel: Pair) -> tuple[float, ...]:
        """Where a pixel of the slice, (row, column), lies: n coordinates of the world."""
        point = np.array([*self._at(self._point(pixel)), 1.0])
        if self.affine is not None:
            point = self.affine @ point
        return tuple(float(coordinate) for coordinate in point[:-1])

    def _found(self, position: Sequence[float]) -> NDArray[np.float64]:
        """The (n,) point of a layer that lies here at a position of the world."""
        point = np.array([*position[len(position) - self.ndim :], 1.0])
        if self.affine is not None:
            point = np.linalg.solve(self.affine, point)
        found: NDArray[np.float64] = (point[:-1] - self.translate) / self.scale
        return found

    def _point(self, pixel: Pair) -> NDArray[np.float64]:
        return np.asarray(self.lift_points(np.array(pixel, np.float64)))

    def _at(self, point: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(
            float(start + step * at) for start, step, at in zip(self.translate, self.scale, point, strict=True)
        )
