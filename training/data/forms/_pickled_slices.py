"""What the field's pickles of slices have in common: one entry per slice, with an image and a list of masks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Attribute, ImageType
from training.data.forms._pickle_stream import entries, survey
from training.data.forms.interface import Form, Found, Options, Tally, Unit
from training.data.lidc import LICENCE, is_patient
from training.records import AnnotatedSlice, BoolArray, FloatArray


class UnusableError(Exception):
    """Why a slice is dropped, in words that fit any slice."""


class PickledSlices(Form):
    """A pickled dict from keys to dicts with ``image`` and ``masks``; its layout's names are for subclasses.

    Parameters
    ----------
    path : the pickle
    options : nothing of it can be chosen
    """

    choices: ClassVar[frozenset[str]] = frozenset()
    stored_as: ClassVar[ImageType]
    published: ClassVar[Mapping[str, Attribute]] = {}  # what is known of it where it is LIDC's

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._survey = survey(path)
        named = zip(self._survey.keys, self._survey.series, strict=True)
        self._units = [self.unit(key, series) for key, series in named]
        self.image_type: ImageType = self.stored_as
        is_lidc = any(is_patient(unit.patient) for unit in self._units)
        lidc: Mapping[str, Attribute] = {"source": LICENCE, **self.published} if is_lidc else {}
        self.attributes: Mapping[str, Attribute] = MappingProxyType({"layout": self.name, **lidc})

    @abstractmethod
    def unit(self, key: str, series: str | None) -> Unit:
        """What a slice belongs to, from its key and its ``series_uid``."""

    @abstractmethod
    def image(self, stored: NDArray[np.generic]) -> FloatArray:
        """Intensities of a non-empty (H, W) array, or UnusableError."""

    @abstractmethod
    def spacing(self, fields: Mapping[str, object], tally: Tally, key: str) -> tuple[float, float] | None:
        """(row, column) size of a pixel in millimetres, or None."""

    def units(self) -> Sequence[Unit]:
        return list(dict.fromkeys(self._units))

    def __len__(self) -> int:
        return len(self._units)

    def read(self, tally: Tally) -> Iterator[Found]:
        n_experts = None
        for unit, (key, fields) in zip(self._units, entries(self._path, self._survey), strict=True):
            try:
                image = self._image(fields.get("image"))
                masks = _expert_masks(fields.get("masks"), image.shape, n_experts, tally, key)
            except UnusableError as error:
                tally.drop(str(error), key)
                continue
            n_experts = len(masks)
            spacing = self.spacing(fields, tally, key)
            yield Found(AnnotatedSlice(image, masks, unit.patient, key, spacing), unit)

    def _image(self, stored: object) -> FloatArray:
        if not isinstance(stored, np.ndarray):
            raise UnusableError("no image")
        if stored.ndim != 2 or not stored.size:
            raise UnusableError("the image is not two-dimensional")
        return self.image(stored)


def _expert_masks(labels: object, shape: tuple[int, ...], n_experts: int | None, tally: Tally, key: str) -> BoolArray:
    """(K, H, W) bool from K arrays of any number type, with values 0 and 1, or 0 and 255."""
    if not isinstance(labels, list | tuple) or not all(isinstance(label, np.ndarray) for label in labels):
        raise UnusableError("no list of masks")
    if len(labels) != (n_experts or len(labels) or 1):
        raise UnusableError("another number of experts than the first slice" if labels else "no list of masks")
    masks, notes = [], set()
    for label in labels:
        if label.shape != shape:
            raise UnusableError("a mask has another size than the image")
        drawn = label != 0
        values = label[drawn]  # not-a-number is here too, and equals nothing
        white = values[0] if values.size else 1
        if white not in (1, 255) or not (values == white).all():
            raise UnusableError("a mask has other values than 0 and 1, or 0 and 255")
        if white == 255:
            notes.add("labels stored as 0 and 255")
        if label.dtype.kind == "f":
            notes.add("labels stored as float")
        masks.append(drawn)
    for note in sorted(notes):
        tally.note(note, key)
    return np.stack(masks)
