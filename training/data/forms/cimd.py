"""CIMD's JPEG folders: ``<split>/<n>/image_<m>.jpg`` with ``label0_.jpg`` to ``label3_.jpg``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from training.data.dataset import Attribute, ImageType
from training.data.forms._folders import inner_folder, look_into, peek, split_name
from training.data.forms._picture_slices import Inventory, eight_bit_intensity
from training.data.forms._pictures import JPEG_THRESHOLD
from training.data.forms.interface import LIDC_EXPERTS, Form, Found, Options, Tally, Unit
from training.data.lidc import LICENCE
from training.errors import DataFormatError

_IMAGE = re.compile(r"image_?(\w*)\.jpe?g", re.IGNORECASE)
_LABEL = re.compile(r"label(\d+)_?\.jpe?g", re.ASCII | re.IGNORECASE)
_EXPERTS = tuple(f"label{slot}" for slot in range(LIDC_EXPERTS))


class Cimd(Form):
    """8-bit crops with four masks, all of them lossy; whose they are is not told, so each is its own patient."""

    name: ClassVar[str] = "cimd"
    summary: ClassVar[str] = "folders <split>/<n> with image_#.jpg and label0_.jpg to label3_.jpg"
    choices: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, path: Path, options: Options) -> None:
        self.image_type: ImageType = "uint8"
        self.attributes: Mapping[str, Attribute] = MappingProxyType(
            {
                "source": LICENCE,
                "layout": self.name,
                "images": "uint8 0..255, from JPEG",
                "masks": f"JPEG is lossy: masks were cut at {JPEG_THRESHOLD}",
                "patients": "unknown: every folder counts as a patient of its own",
            }
        )
        self._inventory = Inventory()
        for folder in _splits(path, self._inventory):
            listing = look_into(folder, path)
            self._inventory.dropped.extend(listing.refused)
            for name, case in listing.folders.items():
                self._add_case(case, path, split_name(folder.resolve().name), f"{folder.resolve().name}-{name}")
        if not self._inventory.slices:
            raise DataFormatError(
                f"{path}: no folder has an image and {LIDC_EXPERTS} masks; expected "
                "<split>/<n>/image_#.jpg with label0_.jpg to label3_.jpg"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        root = inner_folder(path, _holds_splits)
        return _is_split(path) or (root is not None and any(map(_is_split, peek(root)[0])))

    def units(self) -> Sequence[Unit]:
        return self._inventory.units()

    def __len__(self) -> int:
        return len(self._inventory.slices)

    def read(self, tally: Tally) -> Iterator[Found]:
        tally.note("patient unknown, each folder counted as one", self._inventory.slices[0].key, len(self))
        return self._inventory.read(tally, eight_bit_intensity)

    def _add_case(self, folder: Path, root: Path, split: str | None, patient: str) -> None:
        listing = look_into(folder, root)
        self._inventory.dropped.extend(listing.refused)
        images = [(match[1], file) for name, file in listing.files.items() if (match := _IMAGE.fullmatch(name))]
        masks = {
            f"label{int(match[1])}": file for name, file in listing.files.items() if (match := _LABEL.fullmatch(name))
        }
        if len(images) > 1:
            self._inventory.dropped.append(("more than one image beside the masks", patient))
        elif set(masks) - set(_EXPERTS):
            self._inventory.dropped.append((f"more masks than {_EXPERTS[0]} to {_EXPERTS[-1]}", patient))
        elif images:
            number, image = images[0]
            self._inventory.add(f"{patient}_image{number}", Unit(patient, split=split), image, masks, _EXPERTS)
        elif masks:
            self._inventory.add(patient, Unit(patient, split=split), None, masks, _EXPERTS)


def _is_case(path: Path) -> bool:
    names = [file.name for file in peek(path)[1]]
    return any(map(_IMAGE.fullmatch, names)) and any(map(_LABEL.fullmatch, names))


def _is_split(path: Path) -> bool:
    return any(map(_is_case, peek(path)[0]))


def _holds_splits(path: Path) -> bool:
    return any(split_name(folder.name) for folder in peek(path)[0])


def _splits(path: Path, inventory: Inventory) -> list[Path]:
    """The folders of the splits, or ``path`` itself if the cases are in it."""
    root = inner_folder(path, _holds_splits)
    if root is None:
        if not _is_split(path):
            raise DataFormatError(f"{path}: holds no folder with image_#.jpg and label0_.jpg to label3_.jpg")
        return [path]
    listing = look_into(root, path)
    inventory.dropped.extend(listing.refused)
    return [folder for name, folder in listing.folders.items() if split_name(name)]
