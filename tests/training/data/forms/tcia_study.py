"""Synthetic studies as TCIA gives them out: DICOM slices, and the XML files of four experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pydicom

ROOT_UID = "1.2.826.0.1.3680043.8.498"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_VR = "1.2.840.10008.1.2.1"


def sop_uid(series_uid, index):
    return f"{series_uid}.{index + 1}"


def write_slice(path, pixels, z_mm, uid, *, series_uid, patient="LIDC-IDRI-0007", study_uid=f"{ROOT_UID}.7.1", **tags):
    """One CT slice of (H, W) int16 stored values; ``tags`` replace any of its tags, None removes one."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT_VR
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT_STORAGE, uid
    dataset.Modality, dataset.PatientID = "CT", patient
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
    dataset.ImagePositionPatient = [-100, -80, z_mm]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.7, 0.6], 2.5
    dataset.InstanceNumber = 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = pixels.astype("<i2").tobytes()
    for tag, value in tags.items():
        if value is None:
            delattr(dataset, tag)
        else:
            setattr(dataset, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@dataclass
class Roi:
    """An outline as an expert's XML has it; points are (x, y) = (column, row)."""

    points: Sequence[tuple[int, int]]
    z_mm: float
    sop_uid: str = ""
    inclusion: str = "TRUE"

    def xml(self):
        edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in self.points)
        return (
            f"<roi><imageZposition>{self.z_mm}</imageZposition><imageSOP_UID>{escape(self.sop_uid)}</imageSOP_UID>"
            f"<inclusion>{self.inclusion}</inclusion>{edges}</roi>"
        )


@dataclass
class Session:
    """What one expert saw: nodules as lists of outlines, and what is no nodule."""

    nodules: list[list[Roi]] = field(default_factory=list)
    n_others: int = 0

    def xml(self):
        rated = "<characteristics><subtlety>4</subtlety><malignancy>3</malignancy></characteristics>"
        text = ""
        for number, rois in enumerate(self.nodules):
            small = all(len(roi.points) == 1 for roi in rois)
            text += f"<unblindedReadNodule><noduleID>IL{number}</noduleID>{'' if small else rated}"
            text += "".join(roi.xml() for roi in rois) + "</unblindedReadNodule>"
        text += self.n_others * (
            "<nonNodule><nonNoduleID>x</nonNoduleID><imageZposition>0</imageZposition>"
            "<locus><xCoord>3</xCoord><yCoord>4</yCoord></locus></nonNodule>"
        )
        return f"<readingSession><annotationVersion>3.12</annotationVersion>{text}</readingSession>"


def xml_text(series_uid, sessions, *, namespace="http://www.nih.gov", root="LidcReadMessage"):
    head = f"<ResponseHeader><Version>1.8</Version><SeriesInstanceUid>{series_uid}</SeriesInstanceUid></ResponseHeader>"
    body = "".join(session.xml() for session in sessions)
    return f'<?xml version="1.0" encoding="UTF-8"?><{root} uid="1" xmlns="{namespace}">{head}{body}</{root}>'


def ring(centre_row, centre_column, height, width):
    """The (x, y) outline, pixel by pixel, of a rectangle with that half height and half width."""
    top, bottom = centre_row - height, centre_row + height
    left, right = centre_column - width, centre_column + width
    across, down = range(left, right), range(top, bottom)
    return (
        [(x, top) for x in across]
        + [(right, y) for y in down]
        + [(x, bottom) for x in range(right, left, -1)]
        + [(left, y) for y in range(bottom, top, -1)]
    )


def write_series(folder: Path, series_uid, zs, *, side=160, seed=0, xml=None, **tags):
    """Slices of random values at these z positions, in files whose names do not follow them; returns the pixels."""
    pixels = np.random.default_rng(seed).integers(0, 2000, (len(zs), side, side + 8)).astype(np.int16)
    for index, z_mm in enumerate(zs):
        name = folder / f"1-{(index * 7) % 997:03d}.dcm"
        settings = {"InstanceNumber": index + 1} | tags
        write_slice(name, pixels[index], z_mm, sop_uid(series_uid, index), series_uid=series_uid, **settings)
    if xml is not None:
        (folder / "069.xml").write_text(xml, encoding="utf-8")
    return pixels
