"""A scan without annotations: the right voxels at the right place, and one line for what is none."""

import gzip

import nibabel
import numpy as np
import pytest

from training.data.scan import is_scan, read_scan
from training.errors import DataFormatError

SHAPE = (6, 5, 4)  # along the stored axes


def world_of(affine, index):
    return (affine @ (*index, 1))[:3]


def askew(degrees):
    """An affine whose axes are near to left, back and up, turned by some degrees about two of them."""
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 2)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([-0.7, -0.8, 2.5])
    affine[:3, 3] = 11, -7, 30
    return affine


STORED = {
    "right, front, top": np.array([[0.7, 0, 0, -5], [0, 0.8, 0, 6], [0, 0, 2.5, 7], [0, 0, 0, 1.0]]),
    "left, back, top": np.array([[-0.7, 0, 0, 5], [0, -0.8, 0, 6], [0, 0, 2.5, 7], [0, 0, 0, 1.0]]),
    "sagittal": np.array([[0, 0, 0.7, -5], [0.8, 0, 0, 6], [0, -2.5, 0, 7], [0, 0, 0, 1.0]]),
    "coronal": np.array([[-0.7, 0, 0, 5], [0, 0, 0.8, 6], [0, 2.5, 0, 7], [0, 0, 0, 1.0]]),
    "askew": askew(12),
}


def write(path, values, affine):
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", STORED.values(), ids=STORED)
def test_every_voxel_is_where_the_file_says(tmp_path, affine, suffix):
    """An asymmetric phantom: every value is one of its kind."""
    stored = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    scan = read_scan(write(tmp_path / f"chest{suffix}", stored, affine))
    for z, row, column in np.ndindex(scan.values.shape):
        (index,) = np.argwhere(stored == scan.values[z, row, column])
        assert world_of(scan.affine, (column, row, z)) == pytest.approx(world_of(affine, index), abs=1e-4)


@pytest.mark.parametrize("affine", STORED.values(), ids=STORED)
def test_slices_rise_rows_run_to_the_back_and_columns_to_the_left(tmp_path, affine):
    scan = read_scan(write(tmp_path / "chest.nii", np.zeros(SHAPE, np.int16), affine))
    right, front, top = scan.affine[:3, :3] / np.linalg.norm(scan.affine[:3, :3], axis=0)
    assert right[0] < -0.9
    assert front[1] < -0.9
    assert top[2] > 0.9
    assert scan.spacing_mm == pytest.approx((2.5, 0.8, 0.7))


def test_a_ct_is_known_by_its_air(tmp_path):
    values = np.full(SHAPE, 40, np.int16)
    assert not read_scan(write(tmp_path / "mr.nii", values, np.eye(4))).is_hounsfield
    values[0, 0, 0] = -1000
    assert read_scan(write(tmp_path / "ct.nii", values, np.eye(4))).is_hounsfield


def test_a_mask_is_known_by_its_name_and_its_whole_numbers(tmp_path):
    values = np.ones(SHAPE, np.uint8)
    assert read_scan(write(tmp_path / "chest_mask.nii", values, np.eye(4))).is_mask
    assert not read_scan(write(tmp_path / "chest.nii", values, np.eye(4))).is_mask
    assert not read_scan(write(tmp_path / "chest_seg.nii", values.astype(np.float32), np.eye(4))).is_mask


def test_without_an_orientation_only_the_size_of_a_voxel_is_known(tmp_path):
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.int16), np.diag([0.7, 0.8, 2.5, 1]))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nibabel.save(image, tmp_path / "bare.nii")
    scan = read_scan(tmp_path / "bare.nii")
    assert scan.affine is None
    assert scan.spacing_mm == pytest.approx((2.5, 0.8, 0.7))


def test_what_begins_like_a_scan_is_one(tmp_path):
    assert is_scan(write(tmp_path / "a.nii", np.zeros(SHAPE, np.int16), np.eye(4)))
    assert is_scan(write(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.int16), np.eye(4)))
    nibabel.save(nibabel.Nifti2Image(np.zeros(SHAPE, np.int16), np.eye(4)), tmp_path / "b.nii")
    assert is_scan(tmp_path / "b.nii")
    (tmp_path / "c.dcm").write_bytes(b"\0" * 128 + b"DICM")
    assert is_scan(tmp_path / "c.dcm")


def others(folder):
    (folder / "zeros.nii").write_bytes(b"\0" * 400)
    (folder / "text.nii.gz").write_bytes(b"no gzip")
    (folder / "cut.nii.gz").write_bytes(gzip.compress(b"n+1\0" * 300)[:12])
    (folder / "short.nii").write_bytes(b"n+1")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "empty").touch()
    yield from folder.iterdir()
    yield folder
    yield folder / "absent.nii"


def test_what_does_not_is_none_and_nothing_is_raised(tmp_path):
    for path in others(tmp_path):
        assert not is_scan(path), path


def test_a_bomb_is_refused_by_its_header(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((4000, 4000, 4000))
    header.set_data_dtype(np.int16)
    header["magic"], header["vox_offset"] = b"n+1", 352
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(header.binaryblock + b"\0" * 4 + b"\0" * 1000))
    with pytest.raises(DataFormatError, match="declares more than 2 GiB"):
        read_scan(tmp_path / "bomb.nii.gz")


def test_a_file_that_is_cut_short_is_one_line(tmp_path):
    path = write(tmp_path / "chest.nii", np.zeros((40, 40, 40), np.int16), np.eye(4))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataFormatError, match="cut short") as error:
        read_scan(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def write_dicom(path, stored, **changes):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.Modality = generate_uid(), "CT"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 5], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.RescaleSlope, dataset.RescaleIntercept = [0.7, 0.8], 2, -1024
    for name, value in changes.items():
        setattr(dataset, name, value)
    dataset.PixelData = stored.astype("<i2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_dicom_slice_has_hounsfield_units_and_the_size_of_its_pixels(tmp_path):
    stored = np.arange(20).reshape(4, 5)
    scan = read_scan(write_dicom(tmp_path / "slice.dcm", stored))
    assert np.array_equal(scan.values, stored * 2 - 1024)
    assert scan.spacing_mm == (0.7, 0.8)
    assert scan.is_hounsfield


def test_a_dicom_file_that_is_no_axial_slice_is_one_line(tmp_path):
    path = write_dicom(tmp_path / "slice.dcm", np.zeros((4, 5)), ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    with pytest.raises(DataFormatError, match="not axial") as error:
        read_scan(path)
    assert "\n" not in str(error.value)
