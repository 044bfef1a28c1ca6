"""The image of a case as DICOM, for a segmentation to refer to where no original is at hand.

A secondary capture, marked as derived; the same case has the same identifiers, so that a repeated export is one
image and not many.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.export.drawn_case import DrawnCase

SOFTWARE = "napari-ambiseg"
_LARGEST = 2**16 - 1


def uid(*names: str | bytes) -> str:
    """An identifier that is a pure function of the names: 2.25 and 128 bits of their hash (DICOM PS3.5, B.2)."""
    import hashlib
    import uuid

    digest = hashlib.sha256()
    for name in names:
        content = name.encode() if isinstance(name, str) else name
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return f"2.25.{uuid.UUID(bytes=digest.digest()[:16], version=4).int}"


def image_of(drawn: DrawnCase) -> Any:
    """A pydicom Dataset with the pixels, the place and the spacing of the case.

    Hounsfield units where they are known; else intensities in [0, 1], stored as 0 to 65535.
    """
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    case = drawn.case
    name = (case.key, case.patient, case.image.tobytes(), drawn.place.of_slice.tobytes())
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(uid("image", *name))
    image.SOPClassUID = SecondaryCaptureImageStorage
    image.SOPInstanceUID = uid("image", *name)
    image.StudyInstanceUID = uid("study", case.patient, case.key)
    image.SeriesInstanceUID = uid("image series", *name)
    image.FrameOfReferenceUID = uid("frame", *name)
    image.SpecificCharacterSet = "ISO_IR 192"  # UTF-8
    image.PatientID = case.patient[:64]
    image.PatientName = "Research^Derived image"
    for tag in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        setattr(image, tag, "")
    image.ReferringPhysicianName = ""
    image.PositionReferenceIndicator = ""
    image.SeriesNumber = 1
    image.InstanceNumber = 1
    image.Modality = "OT" if case.hounsfield is None else "CT"
    image.ConversionType = "SYN"  # synthetic image
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.DerivationDescription = f"slice {case.key!r} written again by {SOFTWARE}; not an original"
    image.SeriesDescription = "ambiseg: derived image, research use only"
    image.Manufacturer = image.ManufacturerModelName = SOFTWARE
    _place(image, drawn)
    _pixels(image, drawn)
    return image


def _place(image: Any, drawn: DrawnCase) -> None:
    """Where the pixels are.  DICOM counts millimetres to the left and the back, our affines to the right and front."""
    to_dicom = np.diag([-1.0, -1.0, 1.0])
    affine = drawn.place.of_slice
    along_row, along_column, _ = (to_dicom @ affine[:3, :3]).T
    height, width, thickness = drawn.place.spacing_mm
    image.ImageOrientationPatient = [_decimal(x) for x in (*along_row / width, *along_column / height)]
    image.ImagePositionPatient = [_decimal(x) for x in to_dicom @ affine[:3, 3]]
    image.PixelSpacing = [_decimal(height), _decimal(width)]
    image.SliceThickness = _decimal(thickness)
    if not drawn.place.in_mm:
        image.PixelSpacingCalibrationDescription = "size of a pixel unknown, written as 1 mm"
        image.ImageComments = "The size of a pixel is unknown. Lengths and areas in mm mean nothing here."


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters, and zero without a sign."""
    from pydicom.valuerep import format_number_as_ds

    text: str = format_number_as_ds(float(value) + 0.0)
    return text


def _pixels(image: Any, drawn: DrawnCase) -> None:
    hounsfield = drawn.case.hounsfield
    stored = np.rint(drawn.case.image * _LARGEST).astype(np.uint16) if hounsfield is None else hounsfield
    image.Rows, image.Columns = stored.shape
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    image.PixelRepresentation = 0 if hounsfield is None else 1
    if hounsfield is None:
        image.WindowCenter, image.WindowWidth = "32768", "65536"
        image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", _decimal(1 / _LARGEST), "US"
    else:
        image.WindowCenter, image.WindowWidth = "-600", "1500"
        image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", "1", "HU"
    image.PixelData = stored.astype("<i2" if hounsfield is not None else "<u2").tobytes()
