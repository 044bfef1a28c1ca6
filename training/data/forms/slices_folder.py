"""LIDC as most users download it: ``LIDC-IDRI-####/nodule-#/images/slice-#.png`` and ``mask-0`` to ``mask-3``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from training.data.dataset import Attribute
from training.data.forms._folders import inner_folder, is_folder, peek
from training.data.forms._picture_slices import PictureForm
from training.data.forms.interface import LIDC_EXPERTS, Options, Unit
from training.data.lidc import LICENCE, is_patient
from training.errors import DataFormatError

_NODULE = re.compile(r"nodule-(\d+)", re.ASCII)
_SLICE = re.compile(r"slice-(\d+)\.png", re.ASCII)
_EXPERTS = tuple(f"mask-{slot}" for slot in range(LIDC_EXPERTS))


class SlicesFolder(PictureForm):
    """8-bit crops of 128 x 128 pixels with four masks each, one folder per nodule.

    The slots of the masks carry no identity: where fewer than four experts drew a nodule, empty masks come last.
    """

    name: ClassVar[str] = "lidc-slices"
    summary: ClassVar[str] = "folders LIDC-IDRI-####/nodule-#/images and mask-0 to mask-3 with slice-#.png"
    attributes: Mapping[str, Attribute] = MappingProxyType(
        {"source": LICENCE, "images": "uint8 0..255, min-max per crop"}
    )

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, options)
        for patient, folder in self._patients().items():
            for name, nodule in self._look_into(folder).folders.items():
                if match := _NODULE.fullmatch(name):
                    self._add_nodule(nodule, patient, int(match[1]))
        if not self._slices:
            raise DataFormatError(
                f"{path}: no slice has an image and the masks {', '.join(_EXPERTS)}; "
                "expected LIDC-IDRI-####/nodule-#/images/slice-#.png and mask-0 to mask-3 beside images"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        root = inner_folder(path, _holds_patients)
        if root is not None:
            return any(_holds_nodules(folder) for folder in peek(root)[0] if is_patient(folder.name))
        return _is_one_patient(path) or _is_one_nodule(path)

    def _patients(self) -> Mapping[str, Path]:
        """The folders of the patients, wherever the path points at them."""
        path = self._path
        if _is_one_nodule(path):
            raise DataFormatError(f"{path}: is one nodule of a patient; give the patient's folder, or the one above it")
        if _is_one_patient(path):
            return {path.resolve().name: path}
        root = inner_folder(path, _holds_patients)
        if root is None:
            raise DataFormatError(f"{path}: holds no folder LIDC-IDRI-####; give the folder that the patients are in")
        return {name: folder for name, folder in self._look_into(root).folders.items() if is_patient(name)}

    def _add_nodule(self, nodule: Path, patient: str, number: int) -> None:
        parts = self._look_into(nodule).folders
        pictures: dict[int, dict[str, Path]] = {}  # slice, part ("images" or an expert)
        for part in ("images", *_EXPERTS):
            files = self._look_into(parts[part]).files if part in parts else {}
            for name, file in files.items():
                if match := _SLICE.fullmatch(name):
                    pictures.setdefault(int(match[1]), {})[part] = file
        for index in sorted(pictures):
            key = f"{patient}_nodule{number}_slice{index}"
            self._add(key, Unit(patient), pictures[index].get("images"), pictures[index], _EXPERTS)


def _is_one_patient(path: Path) -> bool:
    return _holds_nodules(path) and is_patient(path.resolve().name)


def _is_one_nodule(path: Path) -> bool:
    folders = {folder.name for folder in peek(path)[0]}
    return {"images", *_EXPERTS} <= folders and _NODULE.fullmatch(path.resolve().name) is not None


def _holds_patients(path: Path) -> bool:
    return any(is_patient(folder.name) for folder in peek(path)[0])


def _holds_nodules(path: Path) -> bool:
    return any(_NODULE.fullmatch(folder.name) and is_folder(folder / "images") for folder in peek(path)[0])
