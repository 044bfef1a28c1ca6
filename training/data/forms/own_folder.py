"""Bring your own: a folder ``images`` and beside it one folder of masks per expert, matched by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import intensity
from training.data.forms._folders import inner_folder, is_folder, peek
from training.data.forms._picture_slices import PictureForm
from training.data.forms._pictures import SUFFIXES, is_eight_bit, read_image
from training.data.forms.interface import Found, Options, Tally, Unit, UnusableError
from training.data.window import AUTO, find_window, slice_window
from training.errors import DataFormatError
from training.records import FloatArray

IMAGES = "images"
PATIENTS = "patients.csv"
_MAX_TABLE_BYTES = 64 * 2**20

Place = tuple[str, str]  # (subfolder or "", stem) of a picture, the same below images and below each expert


class OwnFolder(PictureForm):
    """PNG, JPEG, TIFF or NPY pictures of any number of experts; any other folder beside ``images`` is an expert.

    A subfolder of ``images`` is a patient; pictures that lie in ``images`` itself belong to the patient that
    ``patients.csv`` (columns ``name``, ``patient``) names, or each to one of its own where there is no such table.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "your own folder images, with one folder of masks per expert beside it"
    choices: ClassVar[frozenset[str]] = frozenset({"window"})

    def __init__(self, path: Path, options: Options) -> None:
        root = inner_folder(path, _holds_images)
        if root is None:
            raise DataFormatError(f"{path}: holds no folder {IMAGES!r}; put the images there, and masks beside it")
        super().__init__(path, options)
        self._window = find_window(options.window)
        self._patientless = 0  # images without a known patient
        listing = self._look_into(root)
        images = self._files(listing.folders[IMAGES]) if IMAGES in listing.folders else {}
        others = {name: self._files(folder) for name, folder in listing.folders.items() if name != IMAGES}
        experts = {name: pictures for name, pictures in others.items() if pictures}
        self._not_experts = others.keys() - experts.keys()
        if not images or not experts:
            what = "pictures in the folder 'images'" if not images else "folder of masks beside 'images'"
            raise DataFormatError(f"{path}: no {what}; expected images/NAME.png and one folder EXPERT/NAME.png each")
        self._add_all(images, experts, _read_patients(_table_of(root, listing.files)))
        if not self._slices:
            raise DataFormatError(
                f"{path}: no image has a mask of every expert; masks need the names of the images and lie in each of: "
                f"{', '.join(map(repr, experts))}"
            )
        files = [item.image for item in self._slices]
        odd = next((file for file in files if not is_eight_bit(file)), None)
        self.image_type = "uint8" if odd is None and options.window == AUTO else "float32"
        self._refuse_without_window(odd)
        window = "auto: 8 bit and [0, 1] as stored" if options.window == AUTO else options.window
        self.attributes = MappingProxyType({"expert_names": ", ".join(experts), "window": window})

    @classmethod
    def recognises(cls, path: Path) -> bool:
        root = inner_folder(path, _holds_images)
        if root is None:
            return False
        folders = peek(root)[0]
        return _has_pictures(root / IMAGES) and any(_has_pictures(f) for f in folders if f.name != IMAGES)

    def read(self, tally: Tally) -> Iterator[Found]:
        if self._patientless:
            tally.note("patient unknown, image counted as one", self._slices[0].key, self._patientless)
        for name in sorted(self._not_experts):
            tally.note("folder holds no pictures, so it is no expert", name)
        return super().read(tally)

    def intensity(self, image: NDArray[Any]) -> FloatArray:
        if self._options.window != AUTO:
            return (self._window or slice_window(image)).intensity(image)
        if not _has_meaning(image):
            raise UnusableError("is neither 8-bit nor within [0, 1], so it needs --window LOW..HIGH")
        return intensity(image)

    def _files(self, folder: Path) -> dict[Place, Path]:
        """The pictures in a folder and in its subfolders, in natural order."""
        listing = self._look_into(folder)
        groups = {"": listing.files}
        for name, inner in listing.folders.items():
            inside = self._look_into(inner)
            groups[name] = inside.files
            for deep in inside.folders.values():
                self._before.drop("lies in a folder too deep", repr(str(deep)))
        found: dict[Place, Path] = {}
        for group, files in groups.items():
            for file in files.values():
                if file.suffix.lower() not in SUFFIXES:
                    self._before.drop("file is no PNG, JPEG, TIFF or NPY by its name", repr(str(file)))
                elif (group, file.stem) in found:
                    self._before.drop("another picture in its folder has this name", repr(str(file)))
                else:
                    found[group, file.stem] = file
        return found

    def _add_all(
        self,
        images: Mapping[Place, Path],
        experts: Mapping[str, Mapping[Place, Path]],
        patients: Mapping[str, str] | None,
    ) -> None:
        labels = {name: f"mask of {name}" for name in experts}
        strays = [place for masks in experts.values() for place in masks if place not in images]
        for place in [*images, *dict.fromkeys(strays)]:
            group, stem = place
            key, image = f"{group}/{stem}" if group else stem, images.get(place)
            patient = group or _named_patient(stem, image, patients)
            if patient is None:
                self._before.drop(f"{PATIENTS} does not name its patient", key)
                continue
            masks = {labels[name]: found[place] for name, found in experts.items() if place in found}
            before = len(self)
            self._add(key, Unit(patient), image, masks, list(labels.values()))
            if not group and patients is None:
                self._patientless += len(self) - before

    def _refuse_without_window(self, odd: Path | None) -> None:
        """Look at the first image that is not 8-bit, since without a window it may have no meaning."""
        if odd is None or self._options.window != AUTO:
            return
        try:
            image = read_image(odd)
        except UnusableError:
            return  # dropped with its reason when it is its turn
        if not _has_meaning(image):
            raise DataFormatError(
                f"{odd}: {image.dtype} values from {image.min():g} to {image.max():g}; say which of them are "
                "black and white: --window LOW..HIGH, or slice for each image's own smallest and largest"
            )


def _has_meaning(image: NDArray[Any]) -> bool:
    """Whether an image says by itself what is black and white: 8-bit, or float in [0, 1]."""
    return image.dtype == np.uint8 or (image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1)


def _named_patient(stem: str, image: Path | None, patients: Mapping[str, str] | None) -> str | None:
    """The patient of a picture that lies in no subfolder; None if there is a table and it does not name it."""
    if patients is None or image is None:
        return stem
    return patients.get(stem, patients.get(image.name))


def _holds_images(path: Path) -> bool:
    return is_folder(path / IMAGES)


def _has_pictures(path: Path) -> bool:
    folders, files = peek(path)
    return any(file.suffix.lower() in SUFFIXES for file in files) or any(
        file.suffix.lower() in SUFFIXES for folder in folders for file in peek(folder)[1]
    )


def _table_of(root: Path, files: Mapping[str, Path]) -> Path | None:
    """The table of patients, whatever the case of its name; one that may not be opened is no missing one."""
    names = [path.name for path in root.iterdir() if path.name.lower() == PATIENTS]
    if len(names) > 1 or any(name not in files for name in names):
        raise DataFormatError(
            f"{root}: {' and '.join(map(repr, sorted(names)))} must be one file of this folder; without the table "
            "patients would be divided, so put the table itself there"
        )
    return files[names[0]] if names else None


def _read_patients(path: Path | None) -> dict[str, str] | None:
    """The patient of each name in the table, None if there is no table."""
    if path is None:
        return None
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise DataFormatError(f"{path}: is larger than {_MAX_TABLE_BYTES // 2**20} MiB; a line per image is enough")
        text = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
        rows = list(csv.DictReader(text, restkey="", restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFormatError(f"{path}: cannot be read as CSV in UTF-8 ({error}); save it again") from error
    patients: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, patient = row.get("name", "").strip(), row.get("patient", "").strip()
        if not name or not patient or not (name + patient).isprintable():
            columns = ", ".join(map(repr, list(row)[:4]))
            raise DataFormatError(
                f"{path}: row {number} needs a name and a patient, in columns called so and separated by commas; "
                f"got {name[:40]!r} and {patient[:40]!r} in the columns {columns}"
            )
        if patients.setdefault(name, patient) != patient:
            raise DataFormatError(
                f"{path}: {name!r} belongs to {patients[name]!r} and to {patient!r}; keep one of them"
            )
    return patients
