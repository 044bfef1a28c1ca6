"""What is written is what is read, in every form that holds all in one file."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from training.data.field import Field
from training.errors import ConfigError, DataFormatError
from training.export import FORMS, DrawnCase, find_form, write_case, write_samples
from training.records import SampleSet, Trajectory

from .conftest import SHAPE

FIELD = Field(1, 3, 12, 20)


@pytest.fixture
def in_field(drawn):
    """The same masks as a model sees them that looks at a part of the slice."""
    cut = np.ascontiguousarray
    return DrawnCase(
        drawn.case,
        SampleSet(cut(drawn.samples.masks[:, *FIELD.window]), 11, drawn.samples.provenance),
        Trajectory(
            *(
                drawn.trajectory.t,
                *(cut(q[..., *FIELD.window]) for q in (drawn.trajectory.x_t, drawn.trajectory.x0_hat)),
            )
        ),
        cut(drawn.cleaned[:, *FIELD.window]),
        drawn.cleaning,
        FIELD,
    )


@pytest.mark.parametrize("name", ["out.hdf5", "out.h5", "OUT.HDF5"])
def test_hdf5_holds_everything(tmp_path, drawn, name):
    assert write_case(tmp_path / name, drawn) == (tmp_path / name,)
    with h5py.File(tmp_path / name) as file:
        np.testing.assert_array_equal(file["image"], drawn.case.image)
        np.testing.assert_array_equal(file["experts"], drawn.case.masks)
        np.testing.assert_array_equal(file["samples"], drawn.samples.masks)
        np.testing.assert_array_equal(file["cleaned"], drawn.cleaned)
        for quantity in ("t", "x_t", "x0_hat"):
            np.testing.assert_array_equal(file[f"trajectory/{quantity}"], getattr(drawn.trajectory, quantity))
        assert file.attrs["key"] == "slice 7"
        assert file.attrs["patient"] == "P-1"
        assert file.attrs["seed"] == 11
        assert file.attrs["model_sha256"] == "ab" * 32
        assert file.attrs["cleaning"] == "--postprocess 0.5"
        assert "guidance" not in file.attrs  # None is nothing to tell
        assert "field" not in file.attrs


def test_hdf5_keeps_masks_of_a_field_in_its_own_pixels(tmp_path, in_field):
    write_case(tmp_path / "out.hdf5", in_field)
    with h5py.File(tmp_path / "out.hdf5") as file:
        field = Field.parse(file.attrs["field"])
        assert field == FIELD
        assert file["image"].shape == SHAPE
        np.testing.assert_array_equal(file["samples"], in_field.samples.masks)
        assert file["trajectory/x_t"].shape[2:] == FIELD.shape


def test_npz_is_read_without_pickle_and_has_the_masks_on_the_whole_slice(tmp_path, drawn, in_field):
    write_case(tmp_path / "out.npz", in_field)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    assert all(array.dtype != object for array in arrays.values())
    np.testing.assert_array_equal(arrays["samples"], drawn.samples.masks)
    np.testing.assert_array_equal(arrays["cleaned"], drawn.cleaned)
    np.testing.assert_array_equal(arrays["experts"], drawn.case.masks)
    assert arrays["model"] == "demo"
    assert arrays["seed"] == 11
    assert Field.parse(str(arrays["field"])) == FIELD
    np.testing.assert_array_equal(arrays["spacing_mm"], (0.5, 0.75))


@pytest.mark.parametrize("name", ["image", "experts", "samples", "cleaned", "trajectory_x_t"])
def test_what_is_known_of_the_masks_never_takes_the_place_of_an_array(tmp_path, drawn, name):
    told = {name: 1, f"about_{name}": "other", "file": "f", "key": "forged", "seed": -1, "patient": "forged"}
    hostile = replace(drawn, samples=SampleSet(drawn.samples.masks, 11, told))
    write_case(tmp_path / "a.npz", drawn)
    write_case(tmp_path / "b.npz", hostile)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as a, np.load(tmp_path / "b.npz", allow_pickle=False) as b:
        assert len(set(b.files)) == len(b.files)
        for array in ("image", "experts", "samples", "cleaned", "trajectory_x_t", "key", "patient", "seed"):
            np.testing.assert_array_equal(a[array], b[array])
        told = [str(b[name]) for name in b.files if name.startswith("about_")]
        assert sorted(told) == ["1", "other"]
        assert b["file"] == "f"


def test_a_state_that_was_kept_is_named_by_its_step(tmp_path, drawn):
    few = DrawnCase(drawn.case, drawn.samples, drawn.trajectory, steps=(0, 2, 4, 6, 8))
    write_case(tmp_path / "out.h5", few)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["trajectory/step"], (0, 2, 4, 6, 8))


def test_the_short_way_writes_the_same(tmp_path, drawn):
    given = drawn.case, drawn.samples, drawn.trajectory
    write_samples(tmp_path / "a.h5", *given, cleaned=drawn.cleaned, cleaning=drawn.cleaning)
    write_case(tmp_path / "b.h5", drawn)
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        assert {name: str(a.attrs[name]) for name in a.attrs} == {name: str(b.attrs[name]) for name in b.attrs}
        assert sorted(a) == sorted(b) == ["cleaned", "experts", "image", "samples", "trajectory"]


@pytest.mark.parametrize("name", ["out.png", "out", "out.nii.zip", ".hdf5", "hdf5", "out.gz"])
def test_a_name_of_another_end_is_told_what_there_is(tmp_path, drawn, name):
    with pytest.raises(ConfigError, match=r"one of: \.hdf5, \.h5, \.npz, \.nii, \.nii\.gz, \.dcm$"):
        write_case(tmp_path / name, drawn)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("end", [suffix for form in FORMS for suffix in form.suffixes])
def test_a_place_that_is_not_there_is_told_in_one_line(tmp_path, drawn, end):
    path = tmp_path / "nowhere" / f"out{end}"
    with pytest.raises(ConfigError, match="choose another place") as told:
        write_case(path, drawn)
    assert "\n" not in str(told.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("end", [suffix for form in FORMS for suffix in form.suffixes])
def test_the_files_that_are_announced_are_those_that_are_made(tmp_path, drawn, end):
    path = tmp_path / f"out{end}"
    announced = find_form(path).files(path, drawn)
    assert find_form(path).write(path, drawn) == announced
    assert sorted(tmp_path.iterdir()) == sorted(announced)


def test_arrays_that_do_not_fit_are_refused(drawn):
    case, samples = drawn.case, drawn.samples
    with pytest.raises(DataFormatError, match="24 x 40 of the slice"):
        DrawnCase(case, SampleSet(samples.masks[:, :-1], 0))
    with pytest.raises(DataFormatError, match="12 x 20 of the field"):
        DrawnCase(case, samples, field=FIELD)
    with pytest.raises(DataFormatError, match="one post-processed mask for each"):
        DrawnCase(case, samples, cleaned=drawn.cleaned[:1])
    with pytest.raises(DataFormatError, match="bool array"):
        DrawnCase(case, samples, cleaned=drawn.cleaned.astype(np.uint8))
    with pytest.raises(DataFormatError, match="trajectory must be of the drawn masks"):
        DrawnCase(case, samples.first(2), drawn.trajectory)
    with pytest.raises(DataFormatError, match="one index for each of 5 states, got 2"):
        DrawnCase(case, samples, drawn.trajectory, steps=(0, 1))
