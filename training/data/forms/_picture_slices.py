"""Forms of pictures: a slice is one file for the image and one per expert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Attribute, ImageType, intensity
from training.data.forms._folders import Listing, look_into
from training.data.forms._pictures import read_image, read_mask
from training.data.forms.interface import Form, Found, Options, Tally, Unit, UnusableError
from training.records import AnnotatedSlice, FloatArray


@dataclass(frozen=True)
class PictureSlice:
    """Where the pictures of one slice lie; ``masks`` has the experts in their order, by name."""

    key: str
    unit: Unit
    image: Path
    masks: Mapping[str, Path]


class PictureForm(Form):
    """A folder of 8-bit pictures; its layout's names are for subclasses, which list the slices when they are made.

    Parameters
    ----------
    path : the folder
    options : nothing of it can be chosen, unless a subclass says so
    """

    choices: ClassVar[frozenset[str]] = frozenset()
    spacing_mm: ClassVar[tuple[float, float] | None] = None  # of a pixel, where it is known
    image_type: ImageType = "uint8"
    attributes: Mapping[str, Attribute]

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._options = path, options
        self._slices: list[PictureSlice] = []
        self._before = Tally()  # what was left out when the slices were listed

    def units(self) -> Sequence[Unit]:
        return list(dict.fromkeys(item.unit for item in self._slices))

    def __len__(self) -> int:
        return len(self._slices)

    def read(self, tally: Tally) -> Iterator[Found]:
        tally.add(self._before)
        for item in self._slices:
            try:
                image, masks = self._pictures(item, tally)
            except UnusableError as error:
                tally.drop(str(error), item.key)
            else:
                yield Found(AnnotatedSlice(image, masks, item.unit.patient, item.key, self.spacing_mm), item.unit)

    def intensity(self, image: NDArray[Any]) -> FloatArray:
        """An image as stored as (H, W) float32 in [0, 1], or UnusableError."""
        if image.dtype != np.uint8:
            raise UnusableError(f"is {image.dtype}, not 8-bit")
        return intensity(image)

    def _look_into(self, folder: Path) -> Listing:
        return look_into(folder, self._path, self._before)

    def _add(self, key: str, unit: Unit, image: Path | None, masks: Mapping[str, Path], experts: Sequence[str]) -> None:
        """Take a slice if its image and the mask of every expert are there."""
        missing = next((expert for expert in experts if expert not in masks), None)
        if image is None:
            self._before.drop("mask without an image", key)
        elif missing is not None:
            self._before.drop(f"{missing} is missing", key)
        else:
            self._slices.append(PictureSlice(key, unit, image, {expert: masks[expert] for expert in experts}))

    def _pictures(self, item: PictureSlice, tally: Tally) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The image (H, W) and the masks (K, H, W)."""
        try:
            image = self.intensity(read_image(item.image))
        except UnusableError as error:
            raise UnusableError(f"image {error}") from error
        masks = np.empty((len(item.masks), *image.shape), np.bool_)
        lossy = False
        for row, (expert, path) in zip(masks, item.masks.items(), strict=True):
            try:
                mask, cut = read_mask(path)
            except UnusableError as error:
                raise UnusableError(f"{expert} {error}") from error
            if mask.shape != image.shape:
                raise UnusableError(f"{expert} is not of the image's size")
            row[:] = mask
            lossy |= cut
        if lossy:
            tally.note("masks from JPEG, which is lossy, cut at half", item.key)
        return image, masks
