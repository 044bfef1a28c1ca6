"""NIfTI volumes with one mask file per expert: a folder per scan, or all files in one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Attribute, ImageType, intensity
from training.data.forms._folders import inner_folder, peek
from training.data.forms._masks import drawn_mask
from training.data.forms._nifti_names import ScanFiles, find_scans, is_mask, is_volume
from training.data.forms._nifti_volume import Volume, read_header
from training.data.forms.interface import NOT_DRAWN, Form, Found, Options, Tally, Unit, UnusableError
from training.data.window import AIR, AUTO, WINDOWS, find_window, slice_window
from training.errors import DataFormatError
from training.records import AnnotatedSlice, BoolArray, FloatArray, ShortArray

_AUTO_WINDOW = f"auto: 8 bit and [0, 1] as stored, CT {WINDOWS['lung']} HU"
_NEEDS_WINDOW = "image is neither 8-bit, within [0, 1] nor CT, so it needs --window LOW..HIGH"

#: Turns a slice as stored into intensities.
Brightness = Callable[[NDArray[Any]], FloatArray]


@dataclass(frozen=True)
class _Scan:
    name: str
    image: Volume
    masks: Mapping[str, Volume]


class Nifti(Form):
    """Axial slices on which an expert drew, seen as radiologists do: front up, the patient's right on the left."""

    name: ClassVar[str] = "nifti"
    summary: ClassVar[str] = "NIfTI: an image and one mask file per expert, a folder per scan or <scan>_<what>.nii.gz"
    choices: ClassVar[frozenset[str]] = frozenset({"window"})

    def __init__(self, path: Path, options: Options) -> None:
        root = inner_folder(path, _holds_scans)
        if root is None:
            raise DataFormatError(
                f"{path}: holds no .nii or .nii.gz of an image with one mask file per expert; "
                "expected <scan>/image.nii.gz and <scan>/mask_<expert>.nii.gz"
            )
        self._options, self._window = options, find_window(options.window)
        self._before = Tally()  # what was left out when the source was looked at
        found = find_scans(root, self._before)
        self._scans = [scan for files in found if (scan := self._look(files)) is not None]
        if not self._scans:
            first = next(iter(self._before.dropped), None)
            reason = f" ({first}: {self._before.examples[first]})" if first else ""
            raise DataFormatError(f"{path}: no scan has an image and masks on the same grid{reason}")
        others = [scan for scan in self._scans if not _is_eight_bit(scan.image)]
        self.image_type: ImageType = "float32" if others or options.window != AUTO else "uint8"
        if others and options.window == AUTO:
            self._refuse_without_window(others[0])
        window = _AUTO_WINDOW if options.window == AUTO else options.window
        self.attributes: Mapping[str, Attribute] = MappingProxyType(
            {"expert_names": ", ".join(self._scans[0].masks), "window": window}
        )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return inner_folder(path, _holds_scans) is not None

    def units(self) -> Sequence[Unit]:
        return [Unit(scan.name) for scan in self._scans]

    def __len__(self) -> int:
        return sum(scan.image.n_axial for scan in self._scans)

    def read(self, tally: Tally) -> Iterator[Found]:
        tally.add(self._before)
        for scan in self._scans:
            try:
                masks, notes = _masks(scan.masks)
                voxels = _voxels(scan.image)
                brightness = self._brightness(scan, voxels, tally)
            except UnusableError as error:
                tally.drop(str(error), scan.name, scan.image.n_axial)
                continue
            if not scan.image.oriented:
                notes.add("orientation unknown, taken as NIfTI's default")
            for note in sorted(notes):
                tally.note(note, scan.name)
            yield from self._slices(scan, voxels, masks, brightness, tally)

    def _look(self, files: ScanFiles) -> _Scan | None:
        """The headers of a scan, None and a reason in the tally if they do not fit together."""
        try:
            image = _named("image", files.image)
            masks = {expert: _named(expert, file) for expert, file in files.masks.items()}
            for expert, mask in masks.items():
                if not mask.same_grid(image):
                    self._before.drop(f"{expert} is not on the image's grid", files.name)
                    return None
        except UnusableError as error:
            self._before.drop(str(error), files.name)
            return None
        return _Scan(files.name, image, masks) if masks else None

    def _refuse_without_window(self, scan: _Scan) -> None:
        """Look at the first image that is not 8-bit, since without a window it may have no meaning."""
        try:
            voxels = _voxels(scan.image)
        except UnusableError:
            return  # dropped with its reason when it is its turn
        low, high = voxels.min(), voxels.max()
        if not (_within_unit(voxels) or low < AIR):
            raise DataFormatError(
                f"{scan.image.path}: values from {low:g} to {high:g}; say which of them are black and white: "
                "--window LOW..HIGH, or slice for each slice's own smallest and largest"
            )

    def _brightness(self, scan: _Scan, voxels: NDArray[Any], tally: Tally) -> Brightness:
        if self._options.window != AUTO:
            window = self._window
            return window.intensity if window else lambda plane: slice_window(plane).intensity(plane)
        if _is_eight_bit(scan.image):
            return intensity
        if _within_unit(voxels):
            return lambda plane: plane.astype(np.float32)
        if voxels.min() < AIR:
            tally.note(f"taken for CT in Hounsfield units, lung window {WINDOWS['lung']}", scan.name)
            return WINDOWS["lung"].intensity
        raise UnusableError(_NEEDS_WINDOW)

    def _slices(
        self, scan: _Scan, voxels: NDArray[Any], masks: BoolArray, brightness: Brightness, tally: Tally
    ) -> Iterator[Found]:
        unit, spacing = Unit(scan.name), scan.image.spacing_mm
        keeps_hounsfield = _is_hounsfield(voxels)
        drawn: BoolArray = np.any(masks, axis=(0, 2, 3))
        if not drawn.all() and not self._options.keep_empty:
            tally.drop(NOT_DRAWN, scan.name, int((~drawn).sum()))
        for index, plane in enumerate(voxels):
            if not (drawn[index] or self._options.keep_empty):
                continue
            key = f"{scan.name}_z{index:04d}"
            hounsfield: ShortArray | None = plane.astype(np.int16) if keeps_hounsfield else None
            image = np.ascontiguousarray(brightness(plane))
            mask = np.ascontiguousarray(masks[:, index])
            yield Found(AnnotatedSlice(image, mask, scan.name, key, spacing, hounsfield), unit)


def _holds_scans(path: Path) -> bool:
    """Whether a folder, or one in it, has a volume of an image and one of a mask."""
    folders, files = peek(path)
    return any(
        {is_mask(file) for file in group if is_volume(file)} == {True, False}
        for group in [files, *(peek(folder)[1] for folder in folders)]
    )


def _named(what: str, path: Path) -> Volume:
    try:
        return read_header(path)
    except UnusableError as error:
        raise UnusableError(f"{what} {error}") from error


def _voxels(image: Volume) -> NDArray[Any]:
    """(Z, H, W) values of an image, all of them finite."""
    try:
        voxels = image.axial()
    except UnusableError as error:
        raise UnusableError(f"image {error}") from error
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise UnusableError("image holds NaN or infinite values")
    return voxels


def _masks(volumes: Mapping[str, Volume]) -> tuple[BoolArray, set[str]]:
    """(K, Z, H, W) of the experts' masks, and what is worth a note about their labels."""
    masks, notes = [], set[str]()
    for expert, volume in volumes.items():
        try:
            mask, about = drawn_mask(volume.axial())
        except UnusableError as error:
            raise UnusableError(f"{expert} {error}") from error
        masks.append(mask)
        notes.update(about)
    return np.stack(masks), notes


def _is_eight_bit(image: Volume) -> bool:
    return image.dtype == np.uint8 and not image.is_scaled


def _within_unit(voxels: NDArray[Any]) -> bool:
    return voxels.dtype.kind == "f" and bool(voxels.min() >= 0) and bool(voxels.max() <= 1)


def _is_hounsfield(voxels: NDArray[Any]) -> bool:
    """Whether these are whole numbers that reach down to air, and fit into int16."""
    limits = np.iinfo(np.int16)
    return (
        bool(limits.min <= voxels.min() < AIR)
        and bool(voxels.max() <= limits.max)
        and (voxels.dtype.kind in "iu" or np.array_equal(voxels, np.rint(voxels)))
    )
