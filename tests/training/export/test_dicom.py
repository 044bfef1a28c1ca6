"""DICOM SEG: written by us, read by highdicom; each opinion is a segment at the image's place."""

import sys
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest

from training.errors import ConfigError, DataFormatError
from training.export import Geometry, write_case

from .conftest import SHAPE, K, N

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:highdicom")


@pytest.fixture
def written(tmp_path, drawn):
    """(segmentation, image) as they are read again."""
    seg, image = write_case(tmp_path / "out.dcm", drawn)
    return highdicom.seg.segread(seg), pydicom.dcmread(image)


def masks_of(segmentation, image):
    """(segments, H, W) bool of the frames that refer to the image."""
    pixels = segmentation.get_pixels_by_source_instance([image.SOPInstanceUID], assert_missing_frames_are_empty=True)
    return np.moveaxis(pixels[0] > 0, -1, 0)


def test_every_expert_and_sample_is_a_segment_as_it_was_drawn(written, drawn):
    segmentation, image = written
    expected = [*drawn.case.masks, *drawn.samples.masks, *drawn.cleaned]
    np.testing.assert_array_equal(masks_of(segmentation, image), expected)
    assert segmentation.SegmentationType == "BINARY"
    labels = [segmentation.get_segment_description(i + 1).SegmentLabel for i in range(K + 2 * N)]
    assert labels[:4] == ["expert A", "expert B: nothing", "sample 1", "sample 2"]
    assert labels[-2:] == ["cleaned 2: nothing", "cleaned 3: nothing"]


def test_an_empty_mask_has_its_frame_too(written):
    assert int(written[0].NumberOfFrames) == K + 2 * N


def test_samples_tell_their_model_and_experts_are_manual(written):
    first, third = (written[0].get_segment_description(number) for number in (1, 3))
    assert first.SegmentAlgorithmType == "MANUAL"
    assert third.SegmentAlgorithmType == "AUTOMATIC"
    algorithm = third.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "demo"
    assert algorithm.AlgorithmVersion == "ab" * 32
    assert algorithm.AlgorithmParameters == "steps=4,sampler=ddim,seed=11"


def test_the_companion_image_is_the_case_and_says_that_it_is_derived(written, drawn):
    image = written[1]
    assert image.ImageType[0] == "DERIVED"
    assert "not an original" in image.DerivationDescription
    assert "research use only" in image.SeriesDescription
    shown = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    np.testing.assert_allclose(shown, drawn.case.image, atol=1e-5)
    assert [float(mm) for mm in image.PixelSpacing] == [0.5, 0.75]
    assert [float(x) for x in image.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
    assert image.PatientID == "P-1"


def test_hounsfield_units_stay_what_they_are(tmp_path, drawn):
    hounsfield = (np.arange(np.prod(SHAPE)).reshape(SHAPE) - 700).astype(np.int16)
    _, path = write_case(tmp_path / "out.dcm", replace(drawn, case=replace(drawn.case, hounsfield=hounsfield)))
    image = pydicom.dcmread(path)
    np.testing.assert_array_equal(image.pixel_array, hounsfield)
    assert (image.Modality, image.RescaleType) == ("CT", "HU")


def test_a_pixel_lies_where_the_affine_says(tmp_path, drawn):
    affine = np.array([[-0.7, 0, 0, 30], [0, -0.6, 0.3, 12], [0, 0.1, 2.5, 4], [0, 0, 0, 1.0]])
    geometry = Geometry(affine, 6)
    seg, path = write_case(tmp_path / "out.dcm", replace(drawn, geometry=geometry))
    image = pydicom.dcmread(path)
    row, column = 5, 9
    # DICOM PS3.3, C.7.6.2.1.1: position + x-direction * column + y-direction * row, to the left and the back.
    along, down = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    height, width = map(float, image.PixelSpacing)
    place = np.array(image.ImagePositionPatient, float) + along * width * column + down * height * row
    np.testing.assert_allclose(place * (-1, -1, 1), (affine @ (column, row, 6, 1))[:3], atol=1e-6)
    frames = highdicom.seg.segread(seg)
    plane = frames.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    np.testing.assert_allclose(plane.ImagePositionPatient, np.array(image.ImagePositionPatient, float), atol=1e-6)


def test_an_unknown_size_of_a_pixel_is_said(tmp_path, drawn):
    _, path = write_case(tmp_path / "out.dcm", replace(drawn, case=replace(drawn.case, spacing_mm=None)))
    assert "unknown" in pydicom.dcmread(path).ImageComments


def test_the_same_case_has_the_same_identifiers_and_another_case_others(tmp_path, drawn):
    def identifiers(name, what):
        seg, image = (pydicom.dcmread(path) for path in write_case(tmp_path / name, what))
        return seg.SOPInstanceUID, image.SOPInstanceUID, seg.SegmentSequence[0].TrackingUID

    first, again = identifiers("a.dcm", drawn), identifiers("b.dcm", drawn)
    other = identifiers("c.dcm", replace(drawn, case=replace(drawn.case, key="slice 8")))
    assert first == again
    assert not set(first) & set(other)


def original(tmp_path, drawn):
    """A CT slice that is not ours."""
    _, path = write_case(tmp_path / "source.dcm", drawn)
    image = pydicom.dcmread(path)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    image.PatientID, image.Modality = "LIDC-IDRI-0001", "CT"
    del image.AccessionNumber, image.StudyTime
    return image


def test_a_given_image_is_what_the_segmentation_refers_to(tmp_path, drawn):
    source = original(tmp_path, drawn)
    source.save_as(tmp_path / "ct.dcm")
    for given in (source, tmp_path / "ct.dcm", str(tmp_path / "ct.dcm")):
        files = write_case(tmp_path / "out.dcm", drawn, source=given)
        assert files == (tmp_path / "out.dcm",)
        segmentation = highdicom.seg.segread(files[0])
        assert segmentation.PatientID == "LIDC-IDRI-0001"
        np.testing.assert_array_equal(masks_of(segmentation, source)[0], drawn.case.masks[0])
    assert "AccessionNumber" not in source  # the caller's is left as it was


def test_an_image_that_cannot_be_the_slice_is_refused(tmp_path, drawn):
    source = original(tmp_path, drawn)
    (tmp_path / "text.dcm").write_text("no DICOM")
    for given, says in (
        (tmp_path / "none.dcm", "cannot be read"),
        (tmp_path / "text.dcm", "cannot be read"),
        (pydicom.Dataset(), "None x None"),
    ):
        with pytest.raises(DataFormatError, match=says):
            write_case(tmp_path / "out.dcm", drawn, source=given)
    source.Rows = 23
    with pytest.raises(DataFormatError, match="23 x 40 and the slice 'slice 7' is 24 x 40"):
        write_case(tmp_path / "out.dcm", drawn, source=source)
    source.Rows, source.StudyInstanceUID = 24, ""
    with pytest.raises(DataFormatError, match="no StudyInstanceUID"):
        write_case(tmp_path / "out.dcm", drawn, source=source)
    assert not (tmp_path / "out.dcm").exists()


def test_names_in_other_alphabets_and_of_any_length_are_kept(tmp_path, drawn):
    case = replace(drawn.case, key="Läsion " * 20, patient="病人")
    seg, _ = write_case(tmp_path / "out.dcm", replace(drawn, case=case))
    assert highdicom.seg.segread(seg).PatientID == "病人"


def test_without_highdicom_one_line_says_what_to_install(tmp_path, drawn, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ConfigError, match=r'highdicom: pip install "napari-ambiseg\[medical\]"$'):
        write_case(tmp_path / "out.dcm", drawn)
    assert not any(tmp_path.iterdir())
