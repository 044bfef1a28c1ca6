"""The crops of the Hierarchical Probabilistic U-Net: ``<split>/images`` and ``<split>/gt``, one folder per patient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from training.data.dataset import Attribute
from training.data.forms._folders import holds_splits, inner_folder, is_folder, peek, split_folders, split_name
from training.data.forms._picture_slices import PictureForm
from training.data.forms.interface import LIDC_EXPERTS, Options, Unit
from training.data.lidc import LICENCE
from training.errors import DataFormatError

_STEM = r"(z-[-+]?\d+(?:\.\d*)?_c\d+)"
_NAMES = {
    "images": re.compile(rf"{_STEM}\.png", re.ASCII),
    "gt": re.compile(rf"{_STEM}_l(\d+)\.png", re.ASCII),
}
_IMAGE = -1  # where the masks have their number

_Place = tuple[str | None, str, str]  # split, patient and stem of the image's name


class HpuNet(PictureForm):
    """8-bit crops of 180 x 180 pixels, resampled to 0.5 mm, with the splits of the paper by Kohl et al. (2019).

    The masks of a slice end in ``_l1`` to ``_l4``; in copies where any ends in ``_l0``, they are ``_l0`` to ``_l3``.
    """

    name: ClassVar[str] = "hpu-net"
    summary: ClassVar[str] = "folders <split>/images/<patient>/z-#_c#.png and <split>/gt/<patient>/z-#_c#_l#.png"
    spacing_mm: ClassVar[tuple[float, float] | None] = (0.5, 0.5)
    attributes: Mapping[str, Attribute] = MappingProxyType(
        {"source": LICENCE, "images": "uint8 0..255, resampled to 0.5 mm"}
    )

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, options)
        found: dict[_Place, dict[int, Path]] = {}
        for folder in split_folders(path, _is_split, self._before):
            split, parts = split_name(folder.resolve().name), self._look_into(folder).folders
            for part, pattern in _NAMES.items():
                for patient, name, file in self._files(parts.get(part)):
                    if match := pattern.fullmatch(name):
                        number = int(match[2]) if part == "gt" else _IMAGE
                        found.setdefault((split, patient, match[1]), {})[number] = file
        self._add_found(found)
        if not self._slices:
            raise DataFormatError(
                f"{path}: no slice has an image and {LIDC_EXPERTS} masks; expected "
                "<split>/images/<patient>/z-#_c#.png and <split>/gt/<patient>/z-#_c#_l1.png to _l4.png"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        root = inner_folder(path, holds_splits)
        for split in peek(root)[0] if root is not None else [path] * _is_split(path):
            for patient in peek(split / "images")[0]:
                if any(_NAMES["images"].fullmatch(file.name) for file in peek(patient)[1]):
                    return True
        return False

    def _files(self, folder: Path | None) -> Iterator[tuple[str, str, Path]]:
        """Every file of every patient, as (patient, name, path)."""
        if folder is not None:
            for patient, inside in self._look_into(folder).folders.items():
                for name, file in self._look_into(inside).files.items():
                    yield patient, name, file

    def _add_found(self, found: Mapping[_Place, Mapping[int, Path]]) -> None:
        first = 0 if any(0 in files for files in found.values()) else 1
        experts = tuple(f"mask l{number}" for number in range(first, first + LIDC_EXPERTS))
        for place in sorted(found, key=_order):
            split, patient, stem = place
            key, files = f"{patient}_{stem}", found[place]
            masks = {f"mask l{number}": file for number, file in files.items() if number != _IMAGE}
            if set(masks) - set(experts):
                self._before.drop(f"more masks than {experts[0]} to {experts[-1]}", key)
            else:
                self._add(key, Unit(patient, split=split), files.get(_IMAGE), masks, experts)


def _order(place: _Place) -> tuple[str, str, float, float, str]:
    split, patient, stem = place
    height, crop = stem.removeprefix("z-").split("_c")
    return split or "", patient, float(height), float(crop), stem


def _is_split(path: Path) -> bool:
    return is_folder(path / "images") and is_folder(path / "gt")
