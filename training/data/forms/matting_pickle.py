"""MedicalMatting's ``lidc_attributes.pkl``: part of LIDC's slices in grey levels, with a matte beside the masks.

A dict from a slice's name to a dict of ``image`` (H, W) uint8, ``masks`` (a list of K arrays (H, W) of 0 and 1),
``alpha`` (the matte, left out here) and ``series_uid``, by whose part before the first ``_`` its own code splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import ImageType, intensity
from training.data.forms._pickle_stream import first_fields
from training.data.forms._pickled_slices import PickledSlices, unit_of
from training.data.forms.interface import Tally, Unit, UnusableError
from training.records import FloatArray


class MattingPickle(PickledSlices):
    """A pickle of slices with ``alpha``; only images and masks are taken."""

    name: ClassVar[str] = "matting-pickle"
    summary: ClassVar[str] = "MedicalMatting's pickle of uint8 images, masks and mattes (the mattes are left out)"
    stored_as: ClassVar[ImageType] = "uint8"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return {"image", "masks", "alpha"} <= first_fields(path)

    def unit(self, key: str, series: str | None) -> Unit:
        """LIDC's study where the series' name or the key begins with one, else what the first of them begins with."""
        return unit_of(series or key, key)

    def image(self, stored: NDArray[np.generic]) -> FloatArray:
        if stored.dtype != np.uint8:
            raise UnusableError("the image is not of uint8")
        return intensity(stored.astype(np.uint8, copy=False))

    def spacing(self, fields: Mapping[str, object], tally: Tally, key: str) -> tuple[float, float] | None:
        """Not recorded."""
        return None
