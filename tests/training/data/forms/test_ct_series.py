"""CT slices from DICOM files: where they are, what they hold, and what of them cannot be used."""

import builtins
import math

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from training.data.forms import _ct_series, _dicom  # noqa: E402
from training.data.forms._ct_series import read_series, read_series_header  # noqa: E402
from training.data.forms.interface import Tally, UnusableError  # noqa: E402
from training.errors import ConfigError  # noqa: E402

from .tcia_study import sop_uid, write_series, write_slice  # noqa: E402

UID = "1.2.826.0.1.3680043.8.498.77"
PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


def read(folder):
    tally = Tally()
    return read_series(UID, sorted(folder.glob("*.dcm")), tally), dict(tally.dropped)


@pytest.fixture
def one(tmp_path):
    """Write one slice with some tags changed, and give its path."""

    def write(pixels=PIXELS, z_mm=1.5, **tags):
        path = tmp_path / "a.dcm"
        write_slice(path, pixels, z_mm, "1.2.3", series_uid=UID, **tags)
        return path

    return write


def test_slices_come_by_z_whatever_their_files_and_instance_numbers_say(tmp_path):
    zs = [4.0, -7.25, 0.5, 12.0]
    pixels = write_series(tmp_path, UID, zs, side=8)
    series, dropped = read(tmp_path)
    assert not dropped
    assert [each.z_mm for each in series.slices] == sorted(zs)
    for each in series.slices:
        index = zs.index(each.z_mm)
        assert each.sop_uid == sop_uid(UID, index)
        assert (each.shape, each.spacing_mm, each.thickness_mm) == ((8, 16), (0.7, 0.6), 2.5)
        np.testing.assert_array_equal(each.hounsfield(), pixels[index] - 1024)
        assert each.hounsfield().dtype == np.int16


def test_the_rescale_is_applied_and_padding_is_kept(one):
    stored = np.array([[-2000, 0, 1000], [7, -1, 30000]], np.int16)
    (each,) = read_series(UID, [one(stored, RescaleSlope=2, RescaleIntercept=-1000)], Tally()).slices
    assert each.hounsfield().tolist() == [[-5000, -1000, 1000], [-986, -1002, 32767]]
    (each,) = read_series(UID, [one(stored, RescaleSlope="0.5", RescaleIntercept="0.25")], Tally()).slices
    assert each.hounsfield().tolist() == [[-1000, 0, 500], [4, 0, 15000]]  # 3.75 and -0.25 are rounded
    (each,) = read_series(UID, [one(stored, RescaleIntercept=0)], Tally()).slices
    assert each.hounsfield()[0, 0] == -2000


def test_unsigned_pixels_are_not_taken_for_signed_ones(one):
    path = one(np.array([[-1]], np.int16), PixelRepresentation=0, RescaleSlope="0.1", RescaleIntercept=0)
    assert read_series(UID, [path], Tally()).slices[0].hounsfield().tolist() == [[6554]]


def test_run_length_compression_is_decoded(one):
    path = one(np.tile(PIXELS, (4, 4)))
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(
        read_series(UID, [path], Tally()).slices[0].hounsfield(), np.tile(PIXELS, (4, 4)) - 1024
    )


def test_of_two_slices_at_one_z_the_lower_instance_number_stays_and_both_names_lead_to_it(tmp_path):
    write_slice(tmp_path / "a.dcm", PIXELS, 2.0, "1.2.1", series_uid=UID, InstanceNumber=9)
    write_slice(tmp_path / "b.dcm", PIXELS, 2.0005, "1.2.2", series_uid=UID, InstanceNumber=4)
    write_slice(tmp_path / "c.dcm", PIXELS, 2.0, "1.2.3", series_uid=UID, InstanceNumber=None)
    write_slice(tmp_path / "d.dcm", PIXELS, 1.0, "1.2.4", series_uid=UID, InstanceNumber=50)
    series, dropped = read(tmp_path)
    assert [each.path.name for each in series.slices] == ["d.dcm", "b.dcm"]
    assert [series.find(f"1.2.{n}", math.nan) for n in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert dropped == {"DICOM slice at the z position of another": 2}


def test_a_slice_is_found_by_its_uid_first_and_else_by_its_z(tmp_path):
    write_series(tmp_path, UID, [0.0, 2.5, 5.0], side=8)
    series, _ = read(tmp_path)
    assert series.find(sop_uid(UID, 2), 0.0) == 2
    assert series.find("", 2.51) == 1
    assert series.find("9.9", 2.5) == 1
    assert series.find("9.9", 2.6) is None
    assert series.find("9.9", math.nan) is None


def test_the_thickness_is_what_is_said_else_the_distance_of_the_slices(tmp_path):
    write_series(tmp_path, UID, [0.0, 1.25, 2.5], side=8, SliceThickness=None)
    series, _ = read(tmp_path)
    assert series.thickness_mm == 1.25
    write_series(tmp_path, UID, [0.0, 1.25, 2.5], side=8, SliceThickness="3.0")
    assert read(tmp_path)[0].thickness_mm == 3
    (tmp_path / "1-007.dcm").unlink()
    (tmp_path / "1-014.dcm").unlink()
    write_series(tmp_path, UID, [0.0], side=8, SliceThickness="0")
    assert read(tmp_path)[0].thickness_mm == 1


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "not axial"),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]}, "not axial"),
        ({"ImageOrientationPatient": [0.9848, 0.1736, 0, -0.1736, 0.9848, 0]}, "not axial"),
        ({"ImageOrientationPatient": None}, "without ImageOrientationPatient"),
        ({"ImagePositionPatient": None}, "without ImagePositionPatient"),
        ({"ImagePositionPatient": [1, 2]}, "ImagePositionPatient is not 3 numbers"),
        ({"PixelSpacing": None}, "without PixelSpacing"),
        ({"PixelSpacing": [0, 0.7]}, "PixelSpacing is not positive"),
        ({"PixelSpacing": [-0.7, 0.7]}, "PixelSpacing is not positive"),
        ({"Rows": 65535, "Columns": 65535}, "sides are not 1 to 4096"),
        ({"Rows": None}, "sides are not 1 to 4096"),
        ({"SeriesInstanceUID": "1.2.3"}, "of another series"),
    ],
)
def test_a_slice_whose_place_is_unclear_is_dropped_and_the_others_stay(tmp_path, tags, reason):
    write_series(tmp_path, UID, [0.0, 2.5], side=8)
    settings = {"series_uid": UID} if "SeriesInstanceUID" not in tags else {"series_uid": tags.pop("SeriesInstanceUID")}
    write_slice(tmp_path / "bad.dcm", np.zeros((8, 16), np.int16), 9.0, "1.9", **settings, **tags)
    series, dropped = read(tmp_path)
    assert len(series.slices) == 2
    ((found, count),) = dropped.items()
    assert reason in found
    assert count == 1


def test_slices_of_another_size_or_spacing_than_most_are_dropped(tmp_path):
    write_series(tmp_path, UID, [0.0, 2.5], side=8)
    write_slice(tmp_path / "small.dcm", PIXELS, 5.0, "1.8", series_uid=UID)
    write_slice(tmp_path / "fine.dcm", np.zeros((8, 16), np.int16), 6, "1.9", series_uid=UID, PixelSpacing=[0.5, 0.5])
    series, dropped = read(tmp_path)
    assert len(series.slices) == 2
    assert dropped == {"DICOM slice of another size or pixel spacing than most of its series": 2}


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"RescaleSlope": None}, "no Hounsfield units"),
        ({"RescaleIntercept": None}, "no Hounsfield units"),
        ({"RescaleSlope": "0"}, "no Hounsfield units"),
        ({"RescaleSlope": "-1"}, "no Hounsfield units"),
        ({"RescaleSlope": "1e300"}, "no Hounsfield units"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "not one plain grey image"),
        ({"SamplesPerPixel": 3}, "not one plain grey image"),
        ({"NumberOfFrames": "1000000"}, "not one plain grey image"),
        ({"PixelData": b"\0\0"}, "cannot be decoded"),
        ({"PixelData": None}, "cannot be decoded"),
        ({"BitsAllocated": 7}, "cannot be decoded"),
    ],
)
def test_pixels_that_mean_no_hounsfield_units_are_refused_with_a_reason(one, tags, reason):
    (each,) = read_series(UID, [one(**tags)], Tally()).slices
    with pytest.raises(UnusableError, match=reason):
        each.hounsfield()


def test_a_compression_that_nothing_here_decodes_is_refused(one):
    path = one()
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0" * 32])
    dataset.save_as(path)
    (each,) = read_series(UID, [path], Tally()).slices
    with pytest.raises(UnusableError, match="cannot be decoded"):
        each.hounsfield()


def test_a_deflated_file_is_refused_before_it_is_inflated(one, monkeypatch):
    path = one()
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    monkeypatch.setattr("zlib.decompress", lambda *_: pytest.fail("inflated"))
    with pytest.raises(UnusableError, match="deflated"):
        read_series_header(path)


def test_a_file_of_many_megabytes_is_refused(tmp_path):
    path = tmp_path / "big.dcm"
    with path.open("wb") as file:
        file.truncate(_dicom.MAX_BYTES + 1)
    with pytest.raises(UnusableError, match="more than 64 MiB"):
        read_series_header(path)


def test_a_series_without_a_usable_slice_is_refused(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no DICOM")
    tally = Tally()
    with pytest.raises(UnusableError, match="without a usable slice"):
        read_series(UID, [tmp_path / "a.dcm"], tally)
    assert tally.dropped == {"file that is no DICOM, or damaged": 1}


def test_a_header_that_says_nothing_is_empty(one):
    path = one(PatientID=None, Modality="", StudyInstanceUID=None)
    header = read_series_header(path)
    assert (header.patient, header.modality, header.study_uid, header.series_uid) == ("", "", "", UID)


@pytest.mark.filterwarnings("error::UserWarning")
def test_damaged_files_are_read_or_refused_and_neither_raise_nor_warn_otherwise(one):
    """Every truncation of a small file, and hundreds of files with bytes overwritten."""
    path = one()
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    damaged = [whole[:length] for length in range(0, len(whole), 11)]
    for _ in range(400):
        content = bytearray(whole)
        for place in rng.integers(128, len(whole), rng.integers(1, 6)):
            content[place] = rng.integers(256)
        damaged.append(bytes(content))
    outcomes = {True: 0, False: 0}
    for content in damaged:
        path.write_bytes(content)
        try:
            read_series_header(path)
            for each in read_series(UID, [path], Tally()).slices:
                each.hounsfield()
        except UnusableError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert outcomes[False] > 50
    assert outcomes[True] > 50


def test_without_pydicom_the_message_says_how_to_install_it(one, monkeypatch):
    path, real = one(), builtins.__import__

    def no_pydicom(name, *args, **kwargs):
        if name.partition(".")[0] == "pydicom":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_pydicom)
    with pytest.raises(ConfigError, match=r'pip install "napari-ambiseg\[medical\]"'):
        read_series_header(path)


def test_the_limits_leave_room_for_every_ct_of_the_archive():
    assert _ct_series.MAX_SIDE >= 1024
    assert _dicom.MAX_BYTES >= 1024 * 1024 * 4


def test_a_whole_series_in_one_enhanced_file_is_left_out_with_a_reason(tmp_path):
    """As highdicom writes it: one multi-frame image, whose slices have no place of their own in the header."""
    highdicom = pytest.importorskip("highdicom")
    empty = ["PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName", "StudyID"]
    empty += ["StudyDate", "StudyTime", "Manufacturer", "AcquisitionNumber"]
    tags = {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "FrameOfReferenceUID": "1.2.9", "SeriesNumber": 1}
    write_series(tmp_path, UID, [0.0, 2.5], side=8, **dict.fromkeys(empty, ""), **tags)
    legacy = [pydicom.dcmread(path) for path in sorted(tmp_path.glob("*.dcm"))]
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        legacy, series_instance_uid=UID, series_number=2, sop_instance_uid="1.2.10", instance_number=1
    )
    enhanced.save_as(tmp_path / "all.dcm")
    series, dropped = read(tmp_path)
    assert len(series.slices) == 2
    assert dropped == {"DICOM slice without ImagePositionPatient": 1}
