"""Volumes: orientation by an asymmetric phantom in every axis order, windows, and headers that lie."""

import itertools
import struct

import nibabel
import numpy as np
import pytest

from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.nifti import Nifti
from training.errors import DataFormatError

from .nifti_scans import AFFINE, DRAWN, HU, RNG, SHAPE, SPACING, read, save, scan

ORIENTATIONS = [
    (order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)
]


def stored_as(array, order, signs):
    """A volume with its axes permuted and flipped, and the affine with which every voxel stays in its place."""
    turned = array.transpose(order)
    affine = AFFINE[:, [*order, 3]].copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
            affine[:3, axis] *= -1
    turned = turned[tuple(slice(None, None, sign) for sign in signs)]
    return turned, affine


def shown(volume, z):
    """Pixel by pixel: down is from front to back, right is from the patient's right to the left."""
    right, front, _ = volume.shape
    return np.array([[volume[right - 1 - c, front - 1 - r, z] for c in range(right)] for r in range(front)])


def lung(values):
    return np.clip((np.asarray(values, float) + 1000) / 1400, 0, 1)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_the_slices_are_the_same_however_the_axes_are_stored(tmp_path, order, signs):
    affine = stored_as(HU, order, signs)[1]
    folder = scan(
        tmp_path / "p",
        np.ascontiguousarray(stored_as(HU, order, signs)[0]),
        [stored_as(mask, order, signs)[0] for mask in DRAWN],
        affine,
    )
    image = nibabel.load(folder / "image.nii")
    canonical = nibabel.as_closest_canonical(image).get_fdata()
    assert np.array_equal(canonical, HU)  # nibabel agrees that this is one and the same volume
    found, tally, form = read(tmp_path)
    assert [item.case.key for item in found] == ["p_z0000", "p_z0001", "p_z0002"]
    for z, item in enumerate(found):
        assert np.array_equal(item.case.hounsfield, shown(HU, z))
        np.testing.assert_allclose(item.case.image, lung(shown(HU, z)), rtol=0, atol=1e-6)
        for expert in range(2):
            assert np.array_equal(item.case.masks[expert], shown(DRAWN[expert], z))
        assert item.case.spacing_mm == pytest.approx((0.75, 0.5))
        assert item.unit == Unit("p")
    assert not tally.dropped
    assert len(form) == 3


def test_left_and_right_front_and_back_are_where_radiologists_expect_them(tmp_path):
    image = np.full(SHAPE, -1000, np.int16)
    image[4, 3, 0] = 400  # the patient's right, in front
    found, _, _ = read(scan(tmp_path / "p", image).parent)
    assert found[0].case.image[0, 0] == 1
    assert found[0].case.image.sum() == 1


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<f4", "<f8"])
def test_every_way_of_storing_the_same_values_gives_the_same_slices(tmp_path, suffix, kind, dtype):
    folder = scan(tmp_path / "p", suffix=suffix)
    header = kind.header_class(endianness=dtype[0])
    header.set_data_dtype(dtype)
    kind(HU.astype(dtype), AFFINE, header).to_filename(folder / f"image{suffix}")
    for z, item in enumerate(read(tmp_path)[0]):
        assert np.array_equal(item.case.hounsfield, shown(HU, z))


def test_slope_and_intercept_are_applied(tmp_path):
    folder = scan(tmp_path / "p")
    image = nibabel.Nifti1Image(HU + np.int16(1024), AFFINE)
    image.header.set_slope_inter(1, -1024)
    image.to_filename(folder / "image.nii")
    content = bytearray((folder / "image.nii").read_bytes())
    struct.pack_into("<ff", content, 112, 1.0, -1024.0)  # to_filename would undo the scaling
    content[352:] = (HU + np.int16(1024)).tobytes(order="F")
    (folder / "image.nii").write_bytes(content)
    assert np.array_equal(nibabel.load(folder / "image.nii").get_fdata(), HU)
    for z, item in enumerate(read(tmp_path)[0]):
        assert np.array_equal(item.case.hounsfield, shown(HU, z))


def test_only_slices_on_which_someone_drew_are_given_and_the_others_are_counted(tmp_path):
    masks = np.zeros((2, *SHAPE), bool)
    masks[1, 2, 2, 1] = True
    scan(tmp_path / "p", masks=masks)
    found, tally, _ = read(tmp_path)
    assert [item.case.key for item in found] == ["p_z0001"]
    assert tally.dropped == {"no expert drew anything": 2}
    assert len(read(tmp_path, keep_empty=True)[0]) == 3


def test_a_lung_window_is_taken_for_ct_and_noted(tmp_path):
    scan(tmp_path / "p")
    _, tally, form = read(tmp_path)
    assert tally.noted == {"taken for CT in Hounsfield units, lung window -1000..400": 1}
    assert form.image_type == "float32"
    assert form.attributes["window"] == "auto: 8 bit and [0, 1] as stored, CT -1000..400 HU"
    assert read(tmp_path, window="-500..200")[2].attributes["window"] == "-500..200"


def test_values_with_fractions_have_no_hounsfield_units(tmp_path):
    scan(tmp_path / "p", image=HU + np.float32(0.5))
    assert all(item.case.hounsfield is None for item in read(tmp_path)[0])


def test_eight_bit_volumes_stay_8_bit(tmp_path):
    image = RNG.integers(0, 256, SHAPE).astype(np.uint8)
    scan(tmp_path / "p", image=image)
    found, tally, form = read(tmp_path)
    assert form.image_type == "uint8"
    assert np.array_equal(found[1].case.image, shown(image, 1).astype(np.float32) / np.float32(255))
    assert found[1].case.hounsfield is None
    assert tally == Tally()


def test_floats_in_the_unit_range_are_kept_as_they_are(tmp_path):
    image = RNG.random(SHAPE).astype(np.float32)
    scan(tmp_path / "p", image=image)
    found, _, form = read(tmp_path)
    assert form.image_type == "float32"
    assert np.array_equal(found[2].case.image, shown(image, 2))


def test_other_values_need_a_window_and_the_error_tells_their_range(tmp_path):
    image = np.arange(60, dtype=np.int16).reshape(SHAPE) * 10
    scan(tmp_path / "p", image=image)
    with pytest.raises(DataFormatError, match=r"image\.nii.*from 0 to 590.*--window LOW\.\.HIGH"):
        Nifti(tmp_path, Options())
    found, _, _ = read(tmp_path, window="100..500")
    np.testing.assert_allclose(found[1].case.image, np.clip((shown(image, 1) - 100) / 400, 0, 1), atol=1e-6)
    found, _, _ = read(tmp_path, window="slice")
    plane = shown(image, 1).astype(float)
    np.testing.assert_allclose(found[1].case.image, (plane - plane.min()) / np.ptp(plane), atol=1e-6)
    # A later scan without meaning is dropped, whole.
    scan(tmp_path / "a")
    found, tally, _ = read(tmp_path)
    assert {item.case.patient for item in found} == {"a"}
    assert tally.dropped == {"image is neither 8-bit, within [0, 1] nor CT, so it needs --window LOW..HIGH": 3}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_masks_of_zeros_and_ones_or_255_are_masks(tmp_path, dtype):
    for white in (1, 255):
        scan(tmp_path / "p", masks=DRAWN * np.uint8(white), dtype=dtype)
        found, tally, _ = read(tmp_path)
        assert np.array_equal(found[0].case.masks[1], shown(DRAWN[1], 0))
        assert not tally.dropped
        assert tally.noted["labels stored as 0 and 255"] == (white == 255)
        assert tally.noted["labels stored as float"] == (np.dtype(dtype).kind == "f")


@pytest.mark.parametrize("values", [(0, 2), (0, 1, 2), (0, 0.5), (0, np.nan), (-1, 0)])
def test_a_mask_of_other_values_drops_its_scan(tmp_path, values):
    scan(tmp_path / "p")
    mask = np.resize(np.array(values, np.float32), SHAPE)
    save(tmp_path / "p" / "mask_reader1.nii", mask)
    found, tally, _ = read(tmp_path)
    assert found == []
    assert tally.dropped == {"mask_reader1 has values other than 0 and 1, or 0 and 255": 3}


def moved(affine, by):
    result = affine.copy()
    result[1, 3] += by
    return result


def test_a_mask_on_another_grid_drops_its_scan(tmp_path):
    for name in ("a", "b", "c"):
        scan(tmp_path / name)
    save(tmp_path / "a" / "mask_reader1.nii", DRAWN[1].astype(np.uint8), moved(AFFINE, 0.01))
    save(tmp_path / "b" / "mask_reader1.nii", DRAWN[1].astype(np.uint8), moved(AFFINE, 0.0005))
    save(tmp_path / "c" / "mask_reader0.nii", DRAWN[1][:, :, :2].astype(np.uint8))
    found, tally, form = read(tmp_path)
    assert {item.case.patient for item in found} == {"b"}
    assert form.units() == [Unit("b")]
    assert tally.dropped == {"mask_reader1 is not on the image's grid": 1, "mask_reader0 is not on the image's grid": 1}


def test_a_volume_with_nan_is_dropped(tmp_path):
    scan(tmp_path / "a", image=np.where(HU.max() == HU, np.nan, HU).astype(np.float32))
    scan(tmp_path / "b")
    found, tally, _ = read(tmp_path)
    assert {item.case.patient for item in found} == {"b"}
    assert tally.dropped == {"image holds NaN or infinite values": 3}


def test_a_file_without_orientation_is_read_as_the_format_says_and_noted(tmp_path):
    folder = scan(tmp_path / "p")
    for path in folder.iterdir():
        image = nibabel.load(path)
        array = np.asarray(image.dataobj).copy()  # the file is about to be replaced
        image = nibabel.Nifti1Image(array, None)
        image.header.set_zooms(SPACING)
        image.set_sform(None, 0)
        image.set_qform(None, 0)
        image.to_filename(path)
    found, tally, _ = read(tmp_path)
    assert tally.noted["orientation unknown, taken as NIfTI's default"] == 1
    flipped = nibabel.as_closest_canonical(nibabel.load(folder / "image.nii")).get_fdata()
    assert np.array_equal(found[0].case.hounsfield, shown(flipped, 0))
    assert found[0].case.spacing_mm == pytest.approx((0.75, 0.5))


@pytest.mark.parametrize(("unit", "per_mm"), [("mm", 1), ("meter", 0.001), ("micron", 1000), ("unknown", 1)])
def test_the_unit_of_length_is_looked_at(tmp_path, unit, per_mm):
    affine = np.diag([0.7 * per_mm, 0.5 * per_mm, 2 * per_mm, 1])
    for name, values in (("image", np.zeros((6, 5, 2), np.uint8)), ("mask_a", np.ones((6, 5, 2), np.uint8))):
        image = nibabel.Nifti1Image(values, affine)
        image.header.set_xyzt_units(unit)
        image.to_filename(tmp_path / f"{name}.nii")
    found = list(Nifti(tmp_path, Options()).read(Tally()))
    assert found[0].case.spacing_mm == pytest.approx((0.5, 0.7), rel=1e-5)


def test_a_shift_is_noticed_whatever_the_unit(tmp_path):
    affine = np.diag([0.5, 0.5, 1, 1])
    shifted = affine.copy()
    shifted[0, 3] = 0.9
    for name, values, where in (("image", np.zeros((6, 5, 2), np.uint8), affine),
                                ("mask_a", np.ones((6, 5, 2), np.uint8), shifted)):  # fmt: skip
        image = nibabel.Nifti1Image(values, where)
        image.header.set_xyzt_units("micron")
        image.to_filename(tmp_path / f"{name}.nii")
    with pytest.raises(DataFormatError, match="mask_a is not on the image's grid"):
        Nifti(tmp_path, Options())
