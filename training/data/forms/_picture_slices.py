"""Slices made of pictures: one file for the image and one per expert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import intensity
from training.data.forms._pictures import UnusablePictureError, read_image, read_mask
from training.data.forms.interface import Found, Tally, Unit
from training.records import AnnotatedSlice, FloatArray


@dataclass(frozen=True)
class PictureSlice:
    """Where the pictures of one slice lie; ``masks`` has the experts in their order, by name."""

    key: str
    unit: Unit
    image: Path
    masks: dict[str, Path]


@dataclass
class Inventory:
    """What a source holds: its slices, and what was passed over when they were listed, as (reason, what)."""

    slices: list[PictureSlice] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)

    def add(self, key: str, unit: Unit, image: Path | None, masks: dict[str, Path], experts: Sequence[str]) -> None:
        """Take a slice if its image and the mask of every expert are there."""
        missing = next((expert for expert in experts if expert not in masks), None)
        if image is None:
            self.dropped.append(("mask without an image", key))
        elif missing is not None:
            self.dropped.append((f"{missing} is missing", key))
        else:
            self.slices.append(PictureSlice(key, unit, image, {expert: masks[expert] for expert in experts}))

    def units(self) -> list[Unit]:
        return list(dict.fromkeys(item.unit for item in self.slices))

    def read(
        self,
        tally: Tally,
        to_intensity: Callable[[NDArray[Any]], FloatArray],
        spacing_mm: tuple[float, float] | None = None,
    ) -> Iterator[Found]:
        """Every slice whose pictures can be used; the others go to the tally.

        Parameters
        ----------
        to_intensity : turns an image as stored into (H, W) float32 in [0, 1], or raises `UnusablePictureError`
        spacing_mm : size of a pixel, where it is known
        """
        for reason, what in self.dropped:
            tally.drop(reason, what)
        for item in self.slices:
            try:
                case = _read(item, tally, to_intensity, spacing_mm)
            except UnusablePictureError as error:
                tally.drop(str(error), item.key)
            else:
                yield Found(case, item.unit)


def eight_bit_intensity(image: NDArray[Any]) -> FloatArray:
    """k / 255 for images of forms that are always 8-bit."""
    if image.dtype != np.uint8:
        raise UnusablePictureError(f"is {image.dtype}, not 8-bit")
    return intensity(image)


def _read(
    item: PictureSlice,
    tally: Tally,
    to_intensity: Callable[[NDArray[Any]], FloatArray],
    spacing_mm: tuple[float, float] | None,
) -> AnnotatedSlice:
    try:
        image = to_intensity(read_image(item.image))
    except UnusablePictureError as error:
        raise UnusablePictureError(f"image {error}") from error
    masks = np.empty((len(item.masks), *image.shape), np.bool_)
    lossy = False
    for row, (expert, path) in zip(masks, item.masks.items(), strict=True):
        try:
            mask, cut = read_mask(path)
        except UnusablePictureError as error:
            raise UnusablePictureError(f"{expert} {error}") from error
        if mask.shape != image.shape:
            raise UnusablePictureError(f"{expert} is not of the image's size")
        row[:] = mask
        lossy |= cut
    if lossy:
        tally.note("masks from JPEG, which is lossy, cut at half", item.key)
    return AnnotatedSlice(image, masks, item.unit.patient, item.key, spacing_mm)
