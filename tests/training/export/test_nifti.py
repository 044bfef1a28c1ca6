"""NIfTI: each mask at its place, each in its file, and readable again by our own reader."""

import sys
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from training.data.forms.interface import Options, Tally
from training.data.forms.nifti import Nifti
from training.errors import ConfigError
from training.export import Geometry, write_case

from .conftest import SHAPE


def test_every_mask_has_a_file_and_overlaps_are_kept(tmp_path, drawn):
    files = write_case(tmp_path / "out.nii.gz", drawn)
    assert [path.name for path in files] == [
        "out.image.nii.gz",
        *(f"out.expert-{k}.nii.gz" for k in (1, 2)),
        *(f"out.sample-0{n}.nii.gz" for n in (1, 2, 3)),
        *(f"out.cleaned-0{n}.nii.gz" for n in (1, 2, 3)),
    ]
    masks = [*drawn.case.masks, *drawn.samples.masks, *drawn.cleaned]
    for path, mask in zip(files[1:], masks, strict=True):
        np.testing.assert_array_equal(nibabel.load(path).get_fdata()[:, :, 0].T, mask)


def test_columns_run_to_the_left_and_rows_to_the_back(tmp_path, drawn):
    write_case(tmp_path / "out.nii", drawn)
    volume = nibabel.load(tmp_path / "out.expert-1.nii")
    assert nibabel.aff2axcodes(volume.affine) == ("L", "P", "S")
    np.testing.assert_allclose(volume.header.get_zooms(), (0.75, 0.5, 1.0))
    assert volume.header.get_xyzt_units()[0] == "mm"
    # The marked pixel nearest to the patient's right front is row 2, column 3.
    places = nibabel.affines.apply_affine(volume.affine, np.argwhere(volume.get_fdata() > 0))
    np.testing.assert_allclose(places.max(axis=0), (-3 * 0.75, -2 * 0.5, 0))


def test_without_spacing_no_unit_is_claimed(tmp_path, drawn):
    write_case(tmp_path / "out.nii", replace(drawn, case=replace(drawn.case, spacing_mm=None)))
    assert nibabel.load(tmp_path / "out.image.nii").header.get_xyzt_units()[0] == "unknown"


def test_a_slice_of_a_volume_lies_in_the_volume(tmp_path, drawn):
    affine = np.array([[0, 0.6, 0.1, -30], [0.7, 0, 0, 12], [0, -0.1, 2.5, 4], [0, 0, 0, 1]])
    write_case(tmp_path / "out.nii.gz", replace(drawn, geometry=Geometry(affine, 5)))
    written = nibabel.load(tmp_path / "out.sample-01.nii.gz")
    row, column = 4, 9
    np.testing.assert_allclose(written.affine @ (column, row, 0, 1), affine @ (column, row, 5, 1), atol=1e-5)
    assert written.header["sform_code"] == 1


def test_hounsfield_units_are_written_where_they_are_known(tmp_path, drawn):
    hounsfield = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) - 500
    write_case(tmp_path / "out.nii", replace(drawn, case=replace(drawn.case, hounsfield=hounsfield)))
    image = nibabel.load(tmp_path / "out.image.nii")
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(image.get_fdata()[:, :, 0].T, hounsfield)


def test_our_own_reader_finds_image_and_experts_as_they_were(tmp_path, drawn):
    files = write_case(tmp_path / "out.nii.gz", replace(drawn, cleaned=None))
    for path in files:
        if ".sample-" in path.name:  # which are no expert's
            path.unlink()
    tally = Tally()
    (found,) = Nifti(tmp_path, Options(keep_empty=True)).read(tally)
    np.testing.assert_array_equal(found.case.masks, drawn.case.masks)
    np.testing.assert_allclose(found.case.image, drawn.case.image)
    assert found.case.spacing_mm == pytest.approx((0.5, 0.75))
    assert not tally.dropped


def test_the_same_case_is_the_same_file(tmp_path, drawn):
    first, second = (
        [path.read_bytes() for path in write_case(tmp_path / f"{name}.nii.gz", drawn)] for name in ("a", "b")
    )
    assert first == second


def test_masks_of_an_earlier_export_are_not_mixed_with_these(tmp_path, drawn):
    write_case(tmp_path / "out.nii.gz", drawn)
    fewer = replace(drawn, samples=drawn.samples.first(2), trajectory=None, cleaned=None)
    with pytest.raises(ConfigError, match=r"out\.cleaned-01\.nii\.gz beside it is of another export"):
        write_case(tmp_path / "out.nii.gz", fewer)
    write_case(tmp_path / "out.nii.gz", drawn)  # the very same names may be written again
    write_case(tmp_path / "other.nii.gz", fewer)


def test_where_one_file_cannot_get_its_name_none_is_left_half(tmp_path, drawn):
    (tmp_path / "out.sample-02.nii.gz").mkdir()
    with pytest.raises(ConfigError, match=r"cannot write .*out\.sample-02\.nii\.gz"):
        write_case(tmp_path / "out.nii.gz", drawn)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    for path in tmp_path.glob("*.nii.gz"):
        assert path.is_dir() or nibabel.load(path).shape == (*SHAPE[::-1], 1)


def test_without_nibabel_one_line_says_what_to_install(tmp_path, drawn, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ConfigError, match=r'nibabel: pip install "napari-ambiseg\[medical\]"$'):
        write_case(tmp_path / "out.nii", drawn)
    assert not any(tmp_path.iterdir())
