"""HDF5 in PHiSeg's layout, in CCDM's variant with the experts before the pixels, or in the project's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from training.data.dataset import Attribute, ImageType
from training.data.forms.interface import Form, Found, Options, Tally, Unit
from training.data.hdf5 import Hdf5Dataset, is_annotated_hdf5
from training.data.lidc import LICENCE, is_patient, patient_of_study, study_of_key
from training.data.window import AUTO, SLICE, WINDOWS, find_window
from training.errors import ConfigError
from training.records import AnnotatedSlice

# What a conversion says of itself: of an earlier one it is history, the oldest first.
_OF_A_CONVERSION = (
    "layout", "experts", "split", "split_seed", "patients_kept_together", "options", "dropped", "noted",
)  # fmt: skip
MAX_NOTE = 2000  # characters of another tool's attribute that is passed on
MAX_HISTORY, MAX_HISTORY_TEXT = 5, 30_000  # conversions and characters; an attribute of a file has its limits


class Hdf5Form(Form):
    """A file of annotated slices that is HDF5 already; its own splits are kept where they can be."""

    name: ClassVar[str] = "hdf5"
    summary: ClassVar[str] = "HDF5 with train, val and test: PHiSeg's, CCDM's variant, or the project's own"
    choices: ClassVar[frozenset[str]] = frozenset({"window"})

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._window = path, find_window(options.window)
        with Hdf5Dataset(path, patients_in_one_split=False) as dataset:
            self._units = {
                name: [
                    _unit(patient, key, name, split.has_patients)
                    for patient, key in zip(split.patients, split.keys, strict=True)
                ]
                for name, split in dataset.splits.items()
            }
            stored = {split.image_type for split in dataset.splits.values()}
            self._shared_uids = dataset.shared_uids
            self.keeps_empty = dataset.is_own and "options" in dataset.attributes  # what is empty there was to stay
            has_hounsfield = all(split.has_hounsfield for split in dataset.splits.values())
            notes = dict(dataset.attributes)
            if not dataset.is_own:
                notes = {name: value for name, value in notes.items() if len(str(value)) <= MAX_NOTE}
        if options.window != AUTO:
            _require_possible(path, options.window, has_hounsfield)
            notes["window"] = f"{self._window} HU"
        if earlier := {name: notes.pop(name) for name in _OF_A_CONVERSION if name in notes}:
            notes["earlier"] = _bounded([*_history(notes.pop("earlier", "[]")), earlier])
        if all(is_patient(unit.patient) for unit in self.units()):
            notes.setdefault("source", LICENCE)
        self.image_type: ImageType = "uint8" if stored == {"uint8"} and options.window == AUTO else "float32"
        self.attributes: Mapping[str, Attribute] = MappingProxyType(notes)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_annotated_hdf5(path)

    def units(self) -> Sequence[Unit]:
        return list(dict.fromkeys(unit for units in self._units.values() for unit in units))

    def __len__(self) -> int:
        return sum(map(len, self._units.values()))

    def read(self, tally: Tally) -> Iterator[Found]:
        with Hdf5Dataset(self._path, patients_in_one_split=False) as dataset:
            dataset.verify()
            for uid in self._shared_uids:
                tally.note("uid that is in two splits, taken for two patients", uid)
            for name, split in dataset.splits.items():
                for case, unit in zip(split, self._units[name], strict=True):
                    yield Found(self._windowed(case, unit.patient), unit)

    def _windowed(self, case: AnnotatedSlice, patient: str) -> AnnotatedSlice:
        image = case.image
        if self._window is not None and case.hounsfield is not None:
            image = self._window.intensity(case.hounsfield)
        return AnnotatedSlice(image, case.masks, patient, case.key, case.spacing_mm, case.hounsfield)


def _bounded(history: list[object]) -> str:
    """The latest conversions that there is room for, the latest one always."""
    latest = history[-MAX_HISTORY:]
    while len(latest) > 1 and len(json.dumps(latest)) > MAX_HISTORY_TEXT:
        latest = latest[1:]
    return json.dumps(latest)


def _require_possible(path: Path, window: str, has_hounsfield: bool) -> None:
    if window == SLICE:
        raise ConfigError(
            f"{path}: its slices may be cut out of larger ones, whose range is not known any more; "
            f"choose a window of {', '.join(WINDOWS)}, or LOW..HIGH"
        )
    if not has_hounsfield:
        raise ConfigError(
            f"{path}: holds no Hounsfield units, so its window cannot be chosen any more; leave --window out"
        )


def _history(text: Attribute) -> list[object]:
    """The earlier conversions that a file tells of; none if that is not our own text."""
    try:
        history = json.loads(str(text))
    except ValueError:
        return []
    return history if isinstance(history, list) else []


def _unit(patient: str, key: str, split: str, is_patient: bool) -> Unit:
    """LIDC's published keys begin with the study, which tells the patient where the file does not."""
    study = study_of_key(key)
    owner = None if study is None else patient_of_study(study)
    return Unit(patient if is_patient or owner is None else owner, study, split)
