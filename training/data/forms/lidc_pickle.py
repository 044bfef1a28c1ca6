"""``data_lidc.pickle``, the file that most of the field's papers use, read without unpickling.

A dict of 15,096 slices, ``<study>_slice<N>`` or ``<study>_slice<N>lesion<M>`` to a dict of ``image``, (128, 128)
float64 in [0, 1]; ``masks``, a list of 4 arrays (128, 128) of 0 and 1; ``series_uid``; and ``pixel_spacing``, (row,
column) in millimetres.  The last two are pydicom's objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Attribute, ImageType
from training.data.forms._pickle_stream import first_fields
from training.data.forms._pickled_slices import PickledSlices, unit_of
from training.data.forms.interface import Tally, Unit, UnusableError
from training.records import FloatArray

MAX_MM = 1000  # of a pixel


class LidcPickle(PickledSlices):
    """The pickle of LIDC's slices; a key begins with its study."""

    name: ClassVar[str] = "lidc-pickle"
    summary: ClassVar[str] = "data_lidc.pickle, the crops of 128 x 128 pixels with four experts that most papers use"
    stored_as: ClassVar[ImageType] = "float32"
    published: ClassVar[Mapping[str, Attribute]] = MappingProxyType(
        {
            "window": "slice: smallest to largest HU of the whole slice that the image was cut from",
            "mask_shift": "(-1, -1) pixels, as published",
        }
    )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        fields = first_fields(path)
        return {"image", "masks"} <= fields and "alpha" not in fields

    def unit(self, key: str, series: str | None) -> Unit:
        return unit_of(key)

    def image(self, stored: NDArray[np.generic]) -> FloatArray:
        if stored.dtype.kind != "f":
            raise UnusableError("the image is not of floating-point numbers")
        # Not-a-number compares as false, so it does not pass either.
        if not (stored.min() >= 0 and stored.max() <= 1):
            raise UnusableError("intensities outside 0 to 1, or not finite")
        return stored.astype(np.float32)

    def spacing(self, fields: Mapping[str, object], tally: Tally, key: str) -> tuple[float, float] | None:
        stored = fields.get("pixel_spacing")
        values = stored.tolist() if isinstance(stored, np.ndarray) and stored.shape == (2,) else stored
        if not (isinstance(values, list | tuple) and len(values) == 2 and all(_is_size(value) for value in values)):
            tally.note("no usable pixel spacing", key)
            return None
        return float(values[0]), float(values[1])


def _is_size(value: object) -> bool:
    return isinstance(value, float | int) and 0 < value < MAX_MM
