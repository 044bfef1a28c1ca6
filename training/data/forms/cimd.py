"""CIMD's JPEG folders: ``<split>/<n>/image_<m>.jpg`` with ``label0_.jpg`` to ``label3_.jpg``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from training.data.dataset import Attribute
from training.data.forms._folders import holds_splits, inner_folder, peek, split_folders, split_name
from training.data.forms._picture_slices import PictureForm
from training.data.forms._pictures import JPEG_THRESHOLD
from training.data.forms.interface import LIDC_EXPERTS, Found, Options, Tally, Unit
from training.data.lidc import LICENCE
from training.errors import DataFormatError

_IMAGE = re.compile(r"image_?(\w*)\.jpe?g", re.IGNORECASE)
_LABEL = re.compile(r"label(\d+)_?\.jpe?g", re.ASCII | re.IGNORECASE)
_EXPERTS = tuple(f"label{slot}" for slot in range(LIDC_EXPERTS))


class Cimd(PictureForm):
    """8-bit crops with four masks, all of them lossy; whose they are is not told, so each is its own patient."""

    name: ClassVar[str] = "cimd"
    summary: ClassVar[str] = "folders <split>/<n> with image_#.jpg and label0_.jpg to label3_.jpg"
    attributes: Mapping[str, Attribute] = MappingProxyType(
        {
            "source": LICENCE,
            "images": "uint8 0..255, from JPEG",
            "masks": f"JPEG is lossy: masks were cut at {JPEG_THRESHOLD}",
            "patients": "unknown: every folder counts as a patient of its own",
        }
    )

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, options)
        for split in split_folders(path, _is_split, self._before):
            name = split.resolve().name
            for number, folder in self._look_into(split).folders.items():
                self._add_folder(folder, f"{name}-{number}", split_name(name))
        if not self._slices:
            raise DataFormatError(
                f"{path}: no folder has an image and {LIDC_EXPERTS} masks; expected "
                "<split>/<n>/image_#.jpg with label0_.jpg to label3_.jpg"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        root = inner_folder(path, holds_splits)
        return _is_split(path) or (root is not None and any(map(_is_split, peek(root)[0])))

    def read(self, tally: Tally) -> Iterator[Found]:
        tally.note("patient unknown, each folder counted as one", self._slices[0].key, len(self))
        return super().read(tally)

    def _add_folder(self, folder: Path, patient: str, split: str | None) -> None:
        files = self._look_into(folder).files
        images = [(match[1], file) for name, file in files.items() if (match := _IMAGE.fullmatch(name))]
        masks = {f"label{int(match[1])}": file for name, file in files.items() if (match := _LABEL.fullmatch(name))}
        if len(images) > 1:
            self._before.drop("more than one image beside the masks", patient)
        elif set(masks) - set(_EXPERTS):
            self._before.drop(f"more masks than {_EXPERTS[0]} to {_EXPERTS[-1]}", patient)
        elif images:
            number, image = images[0]
            self._add(f"{patient}_image{number}", Unit(patient, split=split), image, masks, _EXPERTS)
        elif masks:
            self._add(patient, Unit(patient, split=split), None, masks, _EXPERTS)


def _is_slice(path: Path) -> bool:
    names = [file.name for file in peek(path)[1]]
    return any(map(_IMAGE.fullmatch, names)) and any(map(_LABEL.fullmatch, names))


def _is_split(path: Path) -> bool:
    return any(map(_is_slice, peek(path)[0]))
