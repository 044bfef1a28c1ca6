"""LIDC as most users download it: ``LIDC-IDRI-####/nodule-#/images/slice-#.png`` and ``mask-0`` to ``mask-3``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from training.data.dataset import Attribute, ImageType
from training.data.forms._folders import inner_folder, is_folder, look_into, peek
from training.data.forms._picture_slices import Inventory, eight_bit_intensity
from training.data.forms.interface import LIDC_EXPERTS, Form, Found, Options, Tally, Unit
from training.data.lidc import LICENCE, is_patient
from training.errors import DataFormatError

_NODULE = re.compile(r"nodule-(\d+)", re.ASCII)
_SLICE = re.compile(r"slice-(\d+)\.png", re.ASCII)
_EXPERTS = tuple(f"mask-{slot}" for slot in range(LIDC_EXPERTS))


class SlicesFolder(Form):
    """8-bit crops of 128 x 128 pixels with four masks each, one folder per nodule.

    The slots of the masks carry no identity: where fewer than four experts drew a nodule, empty masks come last.
    """

    name: ClassVar[str] = "lidc-slices"
    summary: ClassVar[str] = "folders LIDC-IDRI-####/nodule-#/images and mask-0 to mask-3 with slice-#.png"
    choices: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, path: Path, options: Options) -> None:
        self.image_type: ImageType = "uint8"
        self.attributes: Mapping[str, Attribute] = MappingProxyType(
            {"source": LICENCE, "layout": self.name, "images": "uint8 0..255, min-max per crop"}
        )
        self._inventory = Inventory()
        for patient, folder in _patients(path, self._inventory).items():
            nodules = look_into(folder, path)
            self._inventory.dropped.extend(nodules.refused)
            for name, nodule in nodules.folders.items():
                if match := _NODULE.fullmatch(name):
                    self._add_nodule(nodule, path, patient, int(match[1]))
        if not self._inventory.slices:
            raise DataFormatError(
                f"{path}: no slice has an image and the masks {', '.join(_EXPERTS)}; "
                "expected LIDC-IDRI-####/nodule-#/images/slice-#.png and mask-0 to mask-3 beside images"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        root = inner_folder(path, _holds_patients)
        if root is not None:
            return any(_holds_nodules(folder) for folder in peek(root)[0] if is_patient(folder.name))
        return _is_one_patient(path)

    def units(self) -> Sequence[Unit]:
        return self._inventory.units()

    def __len__(self) -> int:
        return len(self._inventory.slices)

    def read(self, tally: Tally) -> Iterator[Found]:
        return self._inventory.read(tally, eight_bit_intensity)

    def _add_nodule(self, nodule: Path, root: Path, patient: str, number: int) -> None:
        parts = look_into(nodule, root)
        self._inventory.dropped.extend(parts.refused)
        pictures: dict[int, dict[str, Path]] = {}  # slice, part ("images" or an expert)
        for part in ("images", *_EXPERTS):
            if part not in parts.folders:
                continue
            listing = look_into(parts.folders[part], root)
            self._inventory.dropped.extend(listing.refused)
            for name, file in listing.files.items():
                if match := _SLICE.fullmatch(name):
                    pictures.setdefault(int(match[1]), {})[part] = file
        for index in sorted(pictures):
            key = f"{patient}_nodule{number}_slice{index}"
            image = pictures[index].get("images")
            self._inventory.add(key, Unit(patient), image, pictures[index], _EXPERTS)


def _patients(path: Path, inventory: Inventory) -> Mapping[str, Path]:
    """The folders of the patients, wherever ``path`` points at them; what is refused goes to the inventory."""
    if _is_one_patient(path):
        return {path.resolve().name: path}
    root = inner_folder(path, _holds_patients)
    if root is None:
        raise DataFormatError(f"{path}: holds no folder LIDC-IDRI-####; give the folder that the patients are in")
    listing = look_into(root, path)
    inventory.dropped.extend(listing.refused)
    return {name: folder for name, folder in listing.folders.items() if is_patient(name)}


def _is_one_patient(path: Path) -> bool:
    return _holds_nodules(path) and is_patient(path.resolve().name)


def _holds_patients(path: Path) -> bool:
    return any(is_patient(folder.name) for folder in peek(path)[0])


def _holds_nodules(path: Path) -> bool:
    return any(_NODULE.fullmatch(folder.name) and is_folder(folder / "images") for folder in peek(path)[0])
