"""NIfTI volumes with one mask file per expert: a folder per case, or all files in one folder."""

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
from training.data.forms._nifti_names import CaseFiles, find_cases, is_mask, is_volume
from training.data.forms._nifti_volume import UnusableVolumeError, Volume, read_header
from training.data.forms.interface import Form, Found, Options, Tally, Unit
from training.data.window import AUTO, WINDOWS, find_window, slice_window
from training.errors import DataFormatError
from training.records import AnnotatedSlice, BoolArray, FloatArray, ShortArray

_AIR = -500  # a volume with values below it is taken for CT in Hounsfield units
_NOT_DRAWN = "no expert drew anything"
_NEEDS_WINDOW = "image is neither 8-bit, within [0, 1] nor CT, so it needs --window LOW..HIGH"

#: Turns a slice as stored into intensities.
Brightness = Callable[[NDArray[Any]], FloatArray]


@dataclass(frozen=True)
class _Case:
    name: str
    image: Volume
    masks: Mapping[str, Volume]


class Nifti(Form):
    """Axial slices on which an expert drew, seen as radiologists do: front up, the patient's right on the left."""

    name: ClassVar[str] = "nifti"
    summary: ClassVar[str] = "NIfTI: an image and one mask file per expert, a folder per case or <case>_<what>.nii.gz"
    choices: ClassVar[frozenset[str]] = frozenset({"window"})

    def __init__(self, path: Path, options: Options) -> None:
        root = inner_folder(path, _holds_cases)
        if root is None:
            raise DataFormatError(
                f"{path}: holds no .nii or .nii.gz of an image with one mask file per expert; "
                "expected <case>/image.nii.gz and <case>/mask_<expert>.nii.gz"
            )
        self._options, self._window = options, find_window(options.window)
        found, self._dropped = find_cases(root)
        self._cases = [case for files in found if (case := self._look(files)) is not None]
        if not self._cases:
            reason = f" ({self._dropped[0][0]}: {self._dropped[0][1]})" if self._dropped else ""
            raise DataFormatError(f"{path}: no case has an image and masks on the same grid{reason}")
        others = [case for case in self._cases if not _is_eight_bit(case.image)]
        self.image_type: ImageType = "float32" if others or options.window != AUTO else "uint8"
        if others and options.window == AUTO:
            self._refuse_without_window(others[0])
        self.attributes: Mapping[str, Attribute] = MappingProxyType(
            {"layout": self.name, "expert_names": ", ".join(self._cases[0].masks), "window": options.window}
        )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return inner_folder(path, _holds_cases) is not None

    def units(self) -> Sequence[Unit]:
        return [Unit(case.name) for case in self._cases]

    def __len__(self) -> int:
        return sum(case.image.n_axial for case in self._cases)

    def read(self, tally: Tally) -> Iterator[Found]:
        for reason, what in self._dropped:
            tally.drop(reason, what)
        for case in self._cases:
            try:
                masks = np.stack([_mask(expert, volume) for expert, volume in case.masks.items()])  # (K, Z, H, W)
                voxels = _voxels(case.image)
                brightness = self._brightness(case, voxels, tally)
            except UnusableVolumeError as error:
                tally.drop(str(error), case.name, case.image.n_axial)
                continue
            if not case.image.oriented:
                tally.note("orientation unknown, taken as NIfTI's default", case.name)
            yield from self._slices(case, voxels, masks, brightness, tally)

    def _look(self, files: CaseFiles) -> _Case | None:
        """The headers of a case, None and a reason in the list if they do not fit together."""
        try:
            image = _named("image", files.image)
            masks = {expert: _named(expert, file) for expert, file in files.masks.items()}
            for expert, mask in masks.items():
                if not mask.same_grid(image):
                    self._dropped.append((f"{expert} is not on the image's grid", files.name))
                    return None
        except UnusableVolumeError as error:
            self._dropped.append((str(error), files.name))
            return None
        return _Case(files.name, image, masks) if masks else None

    def _refuse_without_window(self, case: _Case) -> None:
        """Look at the first image that is not 8-bit, since without a window it may have no meaning."""
        try:
            voxels = _voxels(case.image)
        except UnusableVolumeError:
            return  # dropped with its reason when it is its turn
        low, high = voxels.min(), voxels.max()
        if not (_within_unit(voxels) or low < _AIR):
            raise DataFormatError(
                f"{case.image.path}: values from {low:g} to {high:g}; say which of them are black and white: "
                "--window LOW..HIGH, or slice for each slice's own smallest and largest"
            )

    def _brightness(self, case: _Case, voxels: NDArray[Any], tally: Tally) -> Brightness:
        if self._options.window != AUTO:
            window = self._window
            return window.intensity if window else lambda plane: slice_window(plane).intensity(plane)
        if _is_eight_bit(case.image):
            return intensity
        if _within_unit(voxels):
            return lambda plane: plane.astype(np.float32)
        if voxels.min() < _AIR:
            tally.note(f"taken for CT in Hounsfield units, lung window {WINDOWS['lung']}", case.name)
            return WINDOWS["lung"].intensity
        raise UnusableVolumeError(_NEEDS_WINDOW)

    def _slices(
        self, case: _Case, voxels: NDArray[Any], masks: BoolArray, brightness: Brightness, tally: Tally
    ) -> Iterator[Found]:
        unit, spacing = Unit(case.name), case.image.spacing_mm
        keeps_hounsfield = _is_hounsfield(voxels)
        drawn: BoolArray = np.any(masks, axis=(0, 2, 3))
        if not drawn.all() and not self._options.keep_empty:
            tally.drop(_NOT_DRAWN, case.name, int((~drawn).sum()))
        for index, plane in enumerate(voxels):
            if not (drawn[index] or self._options.keep_empty):
                continue
            key = f"{case.name}_z{index:04d}"
            hounsfield: ShortArray | None = plane.astype(np.int16) if keeps_hounsfield else None
            image = np.ascontiguousarray(brightness(plane))
            mask = np.ascontiguousarray(masks[:, index])
            yield Found(AnnotatedSlice(image, mask, case.name, key, spacing, hounsfield), unit)


def _holds_cases(path: Path) -> bool:
    """Whether a folder, or one in it, has a volume of an image and one of a mask."""
    folders, files = peek(path)
    return any(
        {is_mask(file) for file in group if is_volume(file)} == {True, False}
        for group in [files, *(peek(folder)[1] for folder in folders)]
    )


def _named(what: str, path: Path) -> Volume:
    try:
        return read_header(path)
    except UnusableVolumeError as error:
        raise UnusableVolumeError(f"{what} {error}") from error


def _voxels(image: Volume) -> NDArray[Any]:
    """(Z, H, W) values of an image, all of them finite."""
    try:
        voxels = image.axial()
    except UnusableVolumeError as error:
        raise UnusableVolumeError(f"image {error}") from error
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise UnusableVolumeError("image holds NaN or infinite values")
    return voxels


def _mask(expert: str, volume: Volume) -> BoolArray:
    """(Z, H, W) of an expert's mask, all values of which must be 0 and 1, or 0 and 255."""
    try:
        values = volume.axial()
    except UnusableVolumeError as error:
        raise UnusableVolumeError(f"{expert} {error}") from error
    top = values.max()
    mask: BoolArray = values != 0
    if top not in (0, 1, 255) or not np.array_equal(mask, (values == top) & bool(top)):
        raise UnusableVolumeError(f"{expert} has values other than 0 and 1, or 0 and 255")
    return mask


def _is_eight_bit(image: Volume) -> bool:
    return image.dtype == np.uint8 and not image.is_scaled


def _within_unit(voxels: NDArray[Any]) -> bool:
    return voxels.dtype.kind == "f" and bool(voxels.min() >= 0) and bool(voxels.max() <= 1)


def _is_hounsfield(voxels: NDArray[Any]) -> bool:
    """Whether these are whole numbers that reach down to air, and fit into int16."""
    limits = np.iinfo(np.int16)
    return (
        bool(limits.min <= voxels.min() < _AIR)
        and bool(voxels.max() <= limits.max)
        and (voxels.dtype.kind in "iu" or np.array_equal(voxels, np.rint(voxels)))
    )
