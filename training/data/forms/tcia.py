"""LIDC-IDRI as The Cancer Imaging Archive gives it out: CT series in DICOM, experts' outlines in XML files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from training.data.dataset import Attribute, ImageType
from training.data.forms._clusters import PositionArray, group_annotations
from training.data.forms._contours import Outline, encloses_nothing, inside_image, nodule_mask
from training.data.forms._ct_series import NEAR_Z_MM, CtSeries, CtSlice, read_series
from training.data.forms._dicom import require_pydicom
from training.data.forms._tcia_tree import AnnotatedSeries, find_annotated_series, holds_dicom_and_xml
from training.data.forms._tcia_xml import Annotation
from training.data.forms.interface import LIDC_EXPERTS, Form, Found, Options, Tally, Unit, UnusableError
from training.data.lidc import LICENCE
from training.data.window import AUTO, SLICE, WINDOWS, find_window, slice_window
from training.errors import DataFormatError
from training.records import AnnotatedSlice, BoolArray

DEFAULT_SIZE = 128

OutlinesBySlice = dict[int, list[Outline]]  # by the slice's index in its series


class TciaFolder(Form):
    """A folder with CT series and their XML files, at any depth and under any names.

    There is a slice for each nodule and each CT slice on which an expert outlined it, and a mask for each reading
    session: empty where that expert did not see the nodule.

    Parameters
    ----------
    path : the folder; a series and its XML file find each other by SeriesInstanceUID
    options : ``window``: ``auto`` is the lung window, ``slice`` the range of the whole slice before it is cut;
        ``size``: 128 if None; ``shift_masks``

    Raises
    ------
    ConfigError
        On an impossible window, or where pydicom is missing.
    DataFormatError
        If there is no CT series with a usable XML file.
    """

    name: ClassVar[str] = "tcia"
    summary: ClassVar[str] = "LIDC-IDRI from TCIA: a folder of DICOM series and XML files, at any depth"
    choices: ClassVar[frozenset[str]] = frozenset({"window", "shift_masks"})

    def __init__(self, path: Path, options: Options) -> None:
        require_pydicom()
        self._window = WINDOWS["lung"] if options.window == AUTO else find_window(options.window)
        self._size = options.size or DEFAULT_SIZE
        self._shift = options.shift_masks
        self._before = Tally()  # what was left out when the source was looked at
        self._series = find_annotated_series(path, self._before)
        if not self._series:
            reasons = "; ".join(f"{reason} ({count})" for reason, count in self._before.dropped.most_common(4))
            raise DataFormatError(
                f"{path}: no CT series with outlines of nodules ({reasons or 'neither DICOM nor XML files'}); "
                "give the folder that holds both the DICOM series and their XML files"
            )
        self.image_type: ImageType = "float32"
        self.attributes: Mapping[str, Attribute] = MappingProxyType(
            {
                "source": LICENCE,
                "window": f"{self._window} HU" if self._window else f"{SLICE}: smallest to largest HU of the slice",
                "mask_rule": "pixels inside the experts' outlines, the outlines' own not among them",
                "mask_shift": "(-1, -1) pixels" if self._shift else "none",
                "mask_slots": "reading sessions",
                "crop": f"{self._size} x {self._size} pixels around the mean of the masks' centroids",
            }
        )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return holds_dicom_and_xml(path)

    def units(self) -> Sequence[Unit]:
        return list(dict.fromkeys(series.unit for series in self._series))

    def __len__(self) -> int:
        return sum(_n_slices(series.readings.annotations) for series in self._series)

    def read(self, tally: Tally) -> Iterator[Found]:
        """Series by series; nodules by z, then position; slices by rising z."""
        tally.add(self._before)
        for series in self._series:
            try:
                ct = read_series(series.readings.series_uid, series.paths, tally)
            except UnusableError as error:
                tally.drop(str(error), series.key)
                continue
            for number, nodule in enumerate(_nodules(series, ct, tally)):
                for place, index in enumerate(nodule.slices):
                    key = f"{series.key}_nodule{number}_slice{place}"
                    try:
                        case = self._case(nodule, ct.slices[index], index, series.unit.patient, key, tally)
                    except UnusableError as error:
                        tally.drop(str(error), key)
                    else:
                        yield Found(case, series.unit)

    def _case(
        self, nodule: _Nodule, ct_slice: CtSlice, index: int, patient: str, key: str, tally: Tally
    ) -> AnnotatedSlice:
        size = self._size
        if min(ct_slice.shape) < size:
            raise UnusableError(f"slice of less than {size} x {size} pixels")
        whole = ct_slice.hounsfield()
        window = self._window or slice_window(whole)
        masks = nodule.masks(index, ct_slice.shape)
        if self._shift:
            masks = np.pad(masks[:, 1:, 1:], ((0, 0), (0, 1), (0, 1)))
        top, left = _crop_corner(_centroids(masks) or nodule.points(index), ct_slice.shape, size)
        crop = (slice(top, top + size), slice(left, left + size))
        cut = masks[:, *crop].copy()
        if cut.sum() < masks.sum():
            tally.note("mask that reaches beyond the crop", key)
        hounsfield = whole[crop].copy()
        return AnnotatedSlice(window.intensity(hounsfield), cut, patient, key, ct_slice.spacing_mm, hounsfield)


@dataclass(frozen=True, eq=False)
class _Nodule:
    """What the experts drew of one nodule: the reading session and the outlines of each annotation."""

    annotations: tuple[tuple[int, OutlinesBySlice], ...]

    @property
    def slices(self) -> list[int]:
        """Indices of the slices that anyone drew on, by rising z."""
        return sorted({index for _, outlines in self.annotations for index in outlines})

    def masks(self, index: int, shape: tuple[int, int]) -> BoolArray:
        """(4, H, W) bool on one slice, one for each reading session."""
        masks = np.zeros((LIDC_EXPERTS, *shape), np.bool_)
        for expert, outlines in self.annotations:
            masks[expert] |= nodule_mask(outlines.get(index, ()), shape)
        return masks

    def points(self, index: int) -> list[PositionArray]:
        """(row, column) of all points that were drawn on one slice."""
        drawn = [outline.points for _, outlines in self.annotations for outline in outlines.get(index, ())]
        return list(np.concatenate(drawn).astype(np.float64))


def _nodules(series: AnnotatedSeries, ct: CtSeries, tally: Tally) -> list[_Nodule]:
    """The nodules of a series, the annotations of each found by how close they are."""
    placed = []
    for annotation in series.readings.annotations:
        outlines = _by_slice(annotation, ct, series.key, tally)
        if outlines:
            placed.append((annotation.expert, outlines))
    positions = [_positions_mm(outlines, ct) for _, outlines in placed]
    nodules = []
    for group in group_annotations(positions, ct.thickness_mm, LIDC_EXPERTS):
        members = tuple(placed[index] for index in group)
        doubled = len(members) - len({expert for expert, _ in members})
        if doubled:
            tally.note("annotations of one expert that touch, taken as one nodule", series.key, doubled)
        nodules.append(_Nodule(members))
    return nodules


def _by_slice(annotation: Annotation, ct: CtSeries, key: str, tally: Tally) -> OutlinesBySlice:
    """The outlines that can be used, by the slices they are on."""
    found: OutlinesBySlice = {}
    for each in annotation.outlines:
        index = ct.find(each.sop_uid, each.z_mm)
        if index is None:
            tally.drop("outline whose slice is not there", key)
        elif not inside_image(each.outline, ct.slices[index].shape):
            tally.drop("outline that leaves the image", key)
        else:
            if abs(each.z_mm - ct.slices[index].z_mm) > NEAR_Z_MM:
                tally.note("outline whose z position is not that of the slice it names", key)
            if each.outline.inclusion and encloses_nothing(each.outline):
                tally.note("outline that encloses no pixel", key)
            found.setdefault(index, []).append(each.outline)
    return found


def _positions_mm(outlines: OutlinesBySlice, ct: CtSeries) -> PositionArray:
    """(P, 3) positions of all points: z, row, column."""
    row_mm, column_mm = ct.slices[0].spacing_mm
    return np.concatenate(
        [
            np.insert(each.points * (row_mm, column_mm), 0, ct.slices[index].z_mm, axis=1)
            for index, drawn in outlines.items()
            for each in drawn
        ]
    )


def _centroids(masks: BoolArray) -> list[PositionArray]:
    """(row, column) of the centroid of each mask that is not empty."""
    return [np.argwhere(mask).mean(axis=0) for mask in masks if mask.any()]


def _crop_corner(centres: Sequence[PositionArray], shape: tuple[int, int], size: int) -> tuple[int, int]:
    """First row and column of the crop: the mean of the centres in its middle, as far as the image reaches."""
    corner = np.floor(np.mean(centres, axis=0)).astype(int) - size // 2
    top, left = np.clip(corner, 0, np.subtract(shape, size))
    return int(top), int(left)


def _n_slices(annotations: Sequence[Annotation]) -> int:
    """About how many slices there will be: nodules cannot be told apart before their pixels are measured."""
    return len({(placed.sop_uid, placed.z_mm) for each in annotations for placed in each.outlines})
