"""The slices of one CT series from its DICOM files: where they are, and their Hounsfield units."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.forms._dicom import number_of, numbers_of, read_dicom, stored_pixels, text_of
from training.data.forms.interface import MAX_SIDE, Tally, UnusableError
from training.records import ShortArray

_MAX_RESCALE = 1e6

SAME_Z_MM = 1e-3  # closer slices are one slice, stored twice
NEAR_Z_MM = 0.05  # XML files round z positions
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_AXIAL_TOLERANCE = 1e-2

_SERIES_TAGS = ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"]
_SLICE_TAGS = [
    "SeriesInstanceUID", "SOPInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "InstanceNumber",
    "PixelSpacing", "SliceThickness", "Rows", "Columns",
]  # fmt: skip


@dataclass(frozen=True)
class SeriesHeader:
    """What a DICOM file says about the series it belongs to; empty where it does not say it."""

    patient: str
    study_uid: str
    series_uid: str
    modality: str


@dataclass(frozen=True)
class CtSlice:
    """One slice of a series.

    Parameters
    ----------
    path : its file
    sop_uid : SOPInstanceUID
    z_mm : z of ImagePositionPatient
    shape : (H, W)
    spacing_mm : (row, column) size of a pixel
    thickness_mm : SliceThickness, NaN where the file does not say it
    order : InstanceNumber, infinite where the file does not say it
    """

    path: Path
    sop_uid: str
    z_mm: float
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    thickness_mm: float
    order: float

    def hounsfield(self) -> ShortArray:
        """Read the (H, W) int16 Hounsfield units; padding such as -2000 is kept as it is.

        Raises
        ------
        UnusableError
            If the pixels cannot be read.
        """
        dataset = read_dicom(self.path, pixels=True)
        grey = (
            text_of(dataset, "PhotometricInterpretation") == "MONOCHROME2"
            and number_of(dataset, "SamplesPerPixel") == 1
        )
        if not grey or number_of(dataset, "NumberOfFrames") > 1:
            raise UnusableError("DICOM slice that is not one plain grey image (MONOCHROME2)")
        slope, intercept = number_of(dataset, "RescaleSlope"), number_of(dataset, "RescaleIntercept")
        if not (0 < slope <= _MAX_RESCALE and abs(intercept) <= _MAX_RESCALE):
            raise UnusableError("DICOM slice whose RescaleSlope and RescaleIntercept give no Hounsfield units")
        stored = stored_pixels(dataset)
        if stored.shape != self.shape or stored.dtype.kind not in "iu":
            raise UnusableError("DICOM slice whose pixels have another shape or type than it says")
        limits = np.iinfo(np.int16)
        units: ShortArray = np.rint(stored * slope + intercept).clip(limits.min, limits.max).astype(np.int16)
        return units


@dataclass(frozen=True, eq=False)
class CtSeries:
    """The axial slices of a series, one for each z position.

    Parameters
    ----------
    slices : by rising z, at least one, all of one shape and pixel spacing
    index_of : where in ``slices`` a SOPInstanceUID is; one that was left out for another with its z leads to that
    """

    slices: tuple[CtSlice, ...]
    index_of: Mapping[str, int]

    @property
    def thickness_mm(self) -> float:
        """SliceThickness; the distance of the slices where no file says it, and 1 mm for a single slice."""
        said = [each.thickness_mm for each in self.slices if each.thickness_mm > 0]
        if said:
            return float(np.median(said))
        return float(np.median(np.diff([each.z_mm for each in self.slices]))) if len(self.slices) > 1 else 1.0

    def find(self, sop_uid: str, z_mm: float) -> int | None:
        """The index of a slice, given its SOPInstanceUID or else its z position; None if it is not here."""
        if sop_uid in self.index_of:
            return self.index_of[sop_uid]
        away = np.abs([each.z_mm - z_mm for each in self.slices])
        nearest = int(away.argmin())
        return nearest if away[nearest] <= NEAR_Z_MM else None


def read_series_header(path: Path) -> SeriesHeader:
    """What a file says about its series.

    Raises
    ------
    UnusableError
        If it is no DICOM file.
    """
    dataset = read_dicom(path, _SERIES_TAGS)
    return SeriesHeader(*(text_of(dataset, tag) for tag in _SERIES_TAGS))


def read_series(series_uid: str, paths: Sequence[Path], tally: Tally) -> CtSeries:
    """Look at all files of a series, without their pixels.

    Files that cannot be used go to the tally: damaged ones, those of other series, slices that are not axial or have
    another size than most.  Of two slices with one z position the lower InstanceNumber is kept.

    Raises
    ------
    UnusableError
        If no slice is left.
    """
    found = []
    for path in paths:
        try:
            found.append(_read_slice(path, series_uid))
        except UnusableError as error:
            tally.drop(str(error), path.name)
    if not found:
        raise UnusableError("series without a usable slice")
    (grid, _), *_others = Counter((each.shape, each.spacing_mm) for each in found).most_common(1)
    usual: list[CtSlice] = []
    for each in found:
        if (each.shape, each.spacing_mm) == grid:
            usual.append(each)
        else:
            tally.drop("DICOM slice of another size or pixel spacing than most of its series", each.path.name)
    usual.sort(key=lambda each: each.z_mm)
    kept: list[CtSlice] = []
    index_of: dict[str, int] = {}
    for twins in _by_z(usual):
        first, *others = sorted(twins, key=lambda each: (each.order, each.path.name))
        index_of |= {each.sop_uid: len(kept) for each in twins if each.sop_uid}
        kept.append(first)
        for each in others:
            tally.drop("DICOM slice at the z position of another", each.path.name)
    return CtSeries(tuple(kept), index_of)


def _by_z(slices: Sequence[CtSlice]) -> list[list[CtSlice]]:
    """Slices of rising z, those of one z together."""
    groups: list[list[CtSlice]] = []
    for each in slices:
        if groups and each.z_mm - groups[-1][0].z_mm < SAME_Z_MM:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _read_slice(path: Path, series_uid: str) -> CtSlice:
    dataset = read_dicom(path, _SLICE_TAGS)
    if text_of(dataset, "SeriesInstanceUID") != series_uid:
        raise UnusableError("DICOM file of another series in a series' folder")
    position = numbers_of(dataset, "ImagePositionPatient", 3)
    orientation = numbers_of(dataset, "ImageOrientationPatient", 6)
    if not np.allclose(orientation, AXIAL, rtol=0, atol=_AXIAL_TOLERANCE):
        raise UnusableError("DICOM slice that is not axial, head first and face up (ImageOrientationPatient)")
    row_mm, column_mm = numbers_of(dataset, "PixelSpacing", 2)
    if not (row_mm > 0 and column_mm > 0):
        raise UnusableError("DICOM slice whose PixelSpacing is not positive")
    height, width = number_of(dataset, "Rows"), number_of(dataset, "Columns")
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UnusableError(f"DICOM slice whose sides are not 1 to {MAX_SIDE} pixels")
    order = number_of(dataset, "InstanceNumber")
    return CtSlice(
        path,
        text_of(dataset, "SOPInstanceUID"),
        position[2],
        (int(height), int(width)),
        (row_mm, column_mm),
        number_of(dataset, "SliceThickness"),
        math.inf if math.isnan(order) else order,
    )
