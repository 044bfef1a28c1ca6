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
from training.data.forms._masks import drawn_mask
from training.data.forms._pickle_stream import entries, survey
from training.data.forms.interface import Form, Found, Options, Tally, Unit, UnusableError
from training.data.lidc import LICENCE, is_patient, patient_of_study, study_of_key
from training.records import AnnotatedSlice, BoolArray, FloatArray


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
        self.attributes: Mapping[str, Attribute] = MappingProxyType(
            {"source": LICENCE, **self.published} if is_lidc else {}
        )

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


def unit_of(*names: str) -> Unit:
    """LIDC's patient and study if a name begins with one; else what the first name begins with stands for both."""
    studies = [study for name in names if (study := study_of_key(name))]
    study = studies[0] if studies else names[0].split("_")[0]
    return Unit(patient_of_study(study) or f"study-{study}", study)


def _expert_masks(labels: object, shape: tuple[int, ...], n_experts: int | None, tally: Tally, key: str) -> BoolArray:
    """(K, H, W) bool from K arrays of any number type, with values 0 and 1, or 0 and 255."""
    if not isinstance(labels, list | tuple) or not all(isinstance(label, np.ndarray) for label in labels):
        raise UnusableError("no list of masks")
    if len(labels) != (n_experts or len(labels) or 1):
        raise UnusableError("another number of experts than the first slice" if labels else "no list of masks")
    masks, notes = [], set[str]()
    for label in labels:
        if label.shape != shape:
            raise UnusableError("a mask has another size than the image")
        try:
            mask, about = drawn_mask(label)
        except UnusableError as error:
            raise UnusableError(f"a mask {error}") from error
        masks.append(mask)
        notes.update(about)
    for note in sorted(notes):
        tally.note(note, key)
    return np.stack(masks)
