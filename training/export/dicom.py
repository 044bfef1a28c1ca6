"""One case as DICOM: a segmentation object that refers to an image, the given one or one that is written beside it."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from training.atomic import write_bytes, writing
from training.errors import ConfigError, DataFormatError
from training.export.colours import CLEANED, SAMPLE, expert_colour, expert_letter
from training.export.dicom_image import SOFTWARE, image_of, uid
from training.export.drawn_case import DrawnCase, NamedMask
from training.export.form import Form

_PIXELS = 0x7FE0  # the group of tags that holds them
_COLOURS = {"sample": SAMPLE, "cleaned": CLEANED}
# What a segmentation copies from its image, and DICOM lets be empty but not be absent.
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime",
)  # fmt: skip


class DicomSegmentation(Form):
    """A binary DICOM SEG with a segment for each expert and each sample; they may overlap.

    Parameters
    ----------
    source : the DICOM image that the slice is, as a file or a pydicom Dataset; None writes the case's image as
        OUT.image.dcm, plainly marked as derived
    """

    suffixes: ClassVar[tuple[str, ...]] = (".dcm",)
    summary: ClassVar[str] = "DICOM SEG, a segment per expert and sample"

    def __init__(self, source: Any = None) -> None:
        self._source = source

    def require(self) -> None:
        require_highdicom()

    def files(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        return (path,) if self._source is not None else (path, path.with_name(f"{self.stem(path)}.image.dcm"))

    def write(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        highdicom = require_highdicom()
        source = image_of(drawn) if self._source is None else _checked(self._source, drawn)
        contents = [_encoded(_segmentation(highdicom, source, drawn))]
        if self._source is None:
            contents.append(_encoded(source))
        files = self.files(path, drawn)
        for file, content in reversed([*zip(files, contents, strict=True)]):  # what is referred to comes first
            with writing(file):
                write_bytes(file, content)
        return files


def require_highdicom() -> ModuleType:
    """highdicom, with pydicom in it.

    Raises
    ------
    ConfigError
        Where it is not installed, with the command that installs it.
    """
    try:
        import highdicom
    except ImportError as error:
        raise ConfigError('writing DICOM needs highdicom: pip install "napari-ambiseg[medical]"') from error
    found: ModuleType = highdicom
    return found


def _checked(source: Any, drawn: DrawnCase) -> Any:
    """The image that was given, if it can be what the case is a slice of."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    if not isinstance(source, pydicom.Dataset):
        try:
            source = pydicom.dcmread(source, stop_before_pixels=True)
        except (OSError, InvalidDicomError, AttributeError, ValueError) as error:
            raise DataFormatError(
                f"{source}: cannot be read as a DICOM image: {error}; give the slice's file"
            ) from error
    found = source.get("Rows"), source.get("Columns")
    if found != drawn.case.image.shape or int(source.get("NumberOfFrames") or 1) != 1:
        raise DataFormatError(
            f"the DICOM image is {found[0]} x {found[1]} and the slice {drawn.case.key!r} is "
            f"{drawn.case.image.shape[0]} x {drawn.case.image.shape[1]}; give the file of this one slice"
        )
    for name in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not source.get(name):
            raise DataFormatError(f"the DICOM image has no {name}, so that nothing can refer to it; give the original")
    given, source = source, pydicom.Dataset()  # the caller's is left as it is
    source.update({element.tag: element for element in given if element.tag.group != _PIXELS})
    for name in _MAY_BE_EMPTY:
        if name not in source:
            setattr(source, name, "")
    return source


def _segmentation(highdicom: ModuleType, source: Any, drawn: DrawnCase) -> Any:
    named = list(drawn.named_masks())
    masks = np.stack([each.mask for each in named], axis=-1)
    segments = [_segment(highdicom, number, each, drawn) for number, each in enumerate(named, start=1)]
    name: list[str | bytes] = [
        "segmentation",
        str(source.SOPInstanceUID),
        masks.tobytes(),
        *map(str, _facts(drawn).items()),
    ]
    found = highdicom.seg.Segmentation(
        source_images=[source],
        pixel_array=masks[None].astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=uid("series", *name),
        series_number=int(source.get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=uid(*name),
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=version(SOFTWARE),
        device_serial_number="0",
        content_label="AMBISEG",
        content_description="experts' and drawn masks, research only",
        omit_empty_frames=False,  # "nothing here" is an opinion too, and its segment must be there
    )
    found.SeriesDescription = "ambiseg: experts and samples, research use only"
    return found


def _segment(highdicom: ModuleType, number: int, named: NamedMask, drawn: DrawnCase) -> Any:
    from pydicom.sr.codedict import codes

    of_model = named.kind != "expert"
    colour = _COLOURS.get(named.kind) or expert_colour(named.number)
    name = expert_letter(named.number) if named.kind == "expert" else str(named.number)
    label = f"{named.kind} {name}" + ("" if named.mask.any() else ": nothing")
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type="AUTOMATIC" if of_model else "MANUAL",
        algorithm_identification=_algorithm(highdicom, drawn, named.kind == "cleaned") if of_model else None,
        tracking_id=f"{drawn.case.key} {named.kind} {named.number}"[:64],
        tracking_uid=uid("track", drawn.case.key, named.kind, str(named.number), *map(str, _facts(drawn).items())),
        display_color=highdicom.color.CIELabColor.from_string(colour),
    )


def _algorithm(highdicom: ModuleType, drawn: DrawnCase, cleaned: bool) -> Any:
    """What drew the masks: the model and its hash, and how."""
    from pydicom.sr.codedict import codes

    facts = _facts(drawn)
    if cleaned:
        facts["cleaning"] = " ".join(drawn.cleaning.options())
    return highdicom.AlgorithmIdentificationSequence(
        name=str(facts.get("model") or facts.get("segmenter") or "unknown")[:64],
        family=codes.DCM.ArtificialIntelligence,
        version=str(facts.get("model_sha256") or "unknown")[:64],
        source=SOFTWARE,
        parameters={name: value for name, value in facts.items() if name not in ("model", "model_sha256")},
    )


def _facts(drawn: DrawnCase) -> dict[str, str]:
    facts = {name: str(value) for name, value in drawn.samples.provenance.items() if value is not None}
    facts["seed"] = str(drawn.samples.seed)
    if drawn.field is not None:
        facts["field"] = str(drawn.field)
    return facts


def _encoded(dataset: Any) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
