"""The part of a slice that a model looks at.  Torch-free.

A model knows lesions at the size that it was trained on; on a slice larger than that it is shown a field around the
lesion, and its masks return to their place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice


@dataclass(frozen=True)
class Field:
    """A rectangle of whole pixels.

    Parameters
    ----------
    top, left : first row and first column, 0 or more
    height, width : rows and columns, 1 or more

    Raises
    ------
    ConfigError
        On a negative place or a side without pixels.
    """

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ConfigError(f"field {self} is impossible; its place must be 0 or more and its sides at least 1 pixel")

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Self:
        """All of an image of this shape (H, W)."""
        return cls(0, 0, *shape)

    @classmethod
    def around(cls, centre: tuple[float, float], size: int, shape: tuple[int, ...]) -> Self:
        """The square of ``size`` pixels about a point, moved until it lies in the image.

        Parameters
        ----------
        centre : row and column, pixel centres at whole numbers; points beyond the image mean its nearest border
        size : side in pixels; a side of the image that is shorter is taken whole
        shape : (H, W) of the image

        Raises
        ------
        ConfigError
            On a side without pixels, or a point that is not finite.
        """
        if size < 1:
            raise ConfigError(f"a field of {size} pixels is impossible; give a side of at least 1")
        if not all(math.isfinite(at) for at in centre):
            raise ConfigError(f"a field cannot lie around {centre}; give a finite row and column")
        sides = [min(size, length) for length in shape]
        places = [
            min(max(math.floor(at - (side - 1) / 2 + 0.5), 0), length - side)
            for at, side, length in zip(centre, sides, shape, strict=True)
        ]
        return cls(places[0], places[1], sides[0], sides[1])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` writes: TOP,LEFT,SIZE of a square, or TOP,LEFT,HEIGHT,WIDTH.

        Raises
        ------
        ConfigError
            On anything else, or an impossible field.
        """
        try:
            numbers = [int(part) for part in text.split(",")]
            top, left, height, width = (*numbers, numbers[-1]) if len(numbers) == 3 else numbers
        except ValueError:
            raise ConfigError(
                f"cannot read the field {text!r}; write TOP,LEFT,SIZE in pixels, such as 40,120,128"
            ) from None
        return cls(top, left, height, width)

    def __str__(self) -> str:
        sides = (self.height,) if self.height == self.width else (self.height, self.width)
        return ",".join(str(number) for number in (self.top, self.left, *sides))

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) pixels."""
        return self.height, self.width

    @property
    def window(self) -> tuple[slice, slice]:
        """What cuts it out of an array (..., H, W): ``array[..., *field.window]``."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether it is all of an image of this shape (H, W)."""
        return self == Field.whole(shape)

    def key(self, key: str) -> str:
        """What the cut of a slice is called: the slice's key with the rows and columns that were cut out."""
        rows, columns = self.window
        return f"{key}[{rows.start}:{rows.stop},{columns.start}:{columns.stop}]"

    def require_within(self, shape: tuple[int, ...]) -> None:
        """Refuse to reach beyond an image of this shape (H, W).

        Raises
        ------
        ConfigError
            With the shape.
        """
        rows, columns = self.window
        if rows.stop > shape[0] or columns.stop > shape[1]:
            raise ConfigError(
                f"field {self} reaches row {rows.stop} and column {columns.stop}, the image has "
                f"{shape[0]} x {shape[1]} pixels; choose a place or size within it"
            )

    def cut(self, case: AnnotatedSlice) -> AnnotatedSlice:
        """This part of a slice: image, masks and Hounsfield units alike; the key says where.

        The whole of a slice is the slice itself, under its own key.

        Raises
        ------
        ConfigError
            If it reaches beyond the slice.
        """
        self.require_within(case.image.shape)
        if self.is_whole(case.image.shape):
            return case
        return replace(
            case,
            image=np.ascontiguousarray(case.image[self.window]),
            masks=np.ascontiguousarray(case.masks[:, *self.window]),
            hounsfield=None if case.hounsfield is None else np.ascontiguousarray(case.hounsfield[self.window]),
            key=self.key(case.key),
        )

    def paste(self, values: NDArray[Any], shape: tuple[int, ...], outside: float = 0) -> NDArray[Any]:
        """Return what was found in the field to its place.

        Parameters
        ----------
        values : (..., h, w) of any type, such as masks
        shape : (H, W) of the image
        outside : value of the pixels that the field leaves out: 0 for masks, -1 for predicted clean masks

        Returns
        -------
        (..., H, W), a new array of the same type

        Raises
        ------
        ConfigError
            If it reaches beyond the image.
        DataFormatError
            If the values are of another size than the field.
        """
        self.require_within(shape)
        if values.shape[-2:] != self.shape:
            raise DataFormatError(
                f"field {self} holds {self.height} x {self.width} pixels, got an array of shape {values.shape}"
            )
        whole = np.full((*values.shape[:-2], *shape), outside, values.dtype)
        whole[..., *self.window] = values
        return whole
