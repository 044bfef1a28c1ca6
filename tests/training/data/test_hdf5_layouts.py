"""HDF5 as a source: the layouts that are read, and the real files."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.errors import DataFormatError

from .hdf5_files import LEVELS, MASKS, made_slices, phiseg_file, refusal

SHARED = Path(__file__).parents[4] / "shared" / "data"
REAL_FILES = sorted(SHARED.glob("*.hdf5"))


def test_a_phiseg_file_is_read_as_it_is(tmp_path):
    with open_dataset(phiseg_file(tmp_path / "a.hdf5")) as dataset:
        assert dataset.n_experts == 3
        assert list(dataset.splits) == ["train"]
        split = dataset.splits["train"]
        assert split.keys == tuple(f"train/{index:06d}" for index in range(6))
        assert split.patients == ("uid-4", "uid-4", "uid--2", "uid--2", "uid-7", "uid-7")
        for index in range(6):
            case = split[index]
            assert np.array_equal(case.image, LEVELS[index].astype(np.float32) / np.float32(255))
            assert np.array_equal(case.masks, MASKS[index].transpose(2, 0, 1))
            assert (case.key, case.patient, case.spacing_mm) == (split.keys[index], split.patients[index], None)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", "float32", "float64"])
@pytest.mark.parametrize("experts_last", [True, False])
def test_the_expert_axis_and_type_of_the_labels_do_not_matter(tmp_path, dtype, experts_last):
    labels = (MASKS if experts_last else MASKS.transpose(0, 3, 1, 2)).astype(dtype)
    with open_dataset(phiseg_file(tmp_path / "a.hdf5", labels=labels)) as dataset:
        split = dataset.splits["train"]
        assert np.array_equal(split.arrays().masks, MASKS.transpose(0, 3, 1, 2))
        assert np.array_equal(split[4].masks, MASKS[4].transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("offset", [0, 0.5])
def test_both_float_ranges_give_the_same_intensities(tmp_path, dtype, offset):
    images = (LEVELS / 255 - offset).astype(dtype)
    with open_dataset(phiseg_file(tmp_path / "a.hdf5", images=images)) as dataset:
        read = dataset.splits["train"].arrays().images
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, LEVELS / 255, rtol=0, atol=2**-11 if dtype == "float16" else 2**-23)
        assert np.array_equal(dataset.splits["train"][2].image, read[2])


def test_the_float_range_is_decided_for_the_file_and_not_for_a_slice(tmp_path):
    images = np.full((6, 9, 7), 0.25)  # this fits both ranges ...
    images[3, 0, 0] = -0.5  # ... and this only PHiSeg's
    with open_dataset(phiseg_file(tmp_path / "a.hdf5", images=images)) as dataset:
        assert dataset.splits["train"][0].image[0, 0] == 0.75


def test_a_slice_outside_the_range_of_the_others_is_named(tmp_path):
    count = 400  # more than are looked at on opening
    images = np.full((count, 2, 2), 0.25)
    images[count // 2 + 1, 1, 1] = -0.25
    path = phiseg_file(tmp_path / "a.hdf5", images=images, labels=np.zeros((count, 2, 2, 1), "u1"), uids=None)
    message = "'train/images'[201] has intensity -0.25, outside the file's range [0, 1]"
    assert message in refusal(path)
    with open_dataset(path) as dataset:
        assert dataset.splits["train"][200].image[0, 0] == 0.25
        with pytest.raises(DataFormatError, match=re.escape(message)):
            dataset.splits["train"][201]


def test_masks_of_0_and_255_are_those_of_0_and_1(tmp_path):
    for dtype in ("uint8", "float64"):
        path = phiseg_file(tmp_path / "a.hdf5", labels=(MASKS * 255).astype(dtype))
        with open_dataset(path) as dataset:
            assert np.array_equal(dataset.splits["train"].arrays().masks, MASKS.transpose(0, 3, 1, 2))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 63), st.integers(1, 47), st.integers(1, 6), st.booleans())
def test_any_size_and_number_of_experts_is_read(tmp_path_factory, count, height, width, experts, experts_last):
    rng = np.random.default_rng(height)
    images = rng.integers(0, 256, (count, height, width), np.uint8)
    masks = rng.random((count, experts, height, width)) > 0.5
    labels = masks.transpose(0, 2, 3, 1) if experts_last else masks
    path = tmp_path_factory.mktemp("sizes") / "a.hdf5"
    phiseg_file(path, images=images, labels=labels.astype(np.uint8), uids=None)
    if height == width == experts and experts > 1:
        assert "does not say which axis is the experts'" in refusal(path)
        return
    with open_dataset(path) as dataset:
        arrays = dataset.splits["train"].arrays()
        assert dataset.n_experts == experts
        assert np.array_equal(arrays.images, images)
        assert np.array_equal(arrays.masks, masks)


def test_empty_masks_and_a_black_image_are_data(tmp_path):
    path = phiseg_file(tmp_path / "a.hdf5", images=LEVELS * 0, labels=np.zeros((6, 9, 7, 1), np.uint8))
    with open_dataset(path) as dataset:
        assert dataset.splits["train"][0].n_found == 0
        assert not dataset.splits["train"].arrays().images.any()


@pytest.mark.parametrize("text", ["fixed", "variable", "numbers"])
def test_keys_patients_and_spacing_are_read_in_the_forms_that_tools_write(tmp_path, text):
    names = ["a", "bé", "c", "d", "e", "f"]
    columns = {
        "fixed": (np.array([name.encode() for name in names]), np.array([b"p", b"p", b"q", b"q", b"r", b"r"])),
        "variable": (names, ["p", "p", "q", "q", "r", "r"]),
        "numbers": (np.arange(6), np.array([1, 1, 2, 2, 3, 3], np.uint16)),
    }
    keys, patients = columns[text]
    spacing = np.array([0.5, 0.75, np.nan, 1, 2, 3], np.float32)
    path = phiseg_file(tmp_path / "a.hdf5", keys=keys, patient_ids=patients, pixel_spacing_mm=spacing)
    with open_dataset(path) as dataset:
        split = dataset.splits["train"]
        assert split.keys == (("0", "1", "2", "3", "4", "5") if text == "numbers" else tuple(names))
        assert split.patients == (tuple("112233") if text == "numbers" else tuple("ppqqrr"))
        assert [case.spacing_mm for case in split][:4] == [(0.5, 0.5), (0.75, 0.75), None, (1, 1)]


def test_spacing_may_differ_between_rows_and_columns(tmp_path):
    spacing = np.array([[0.5, 2], [np.nan, 2], [1, np.nan], [1, 1], [1, 1], [1, 1]])
    with open_dataset(phiseg_file(tmp_path / "a.hdf5", pixel_spacing_mm=spacing)) as dataset:
        assert [case.spacing_mm for case in dataset.splits["train"]][:4] == [(0.5, 2), None, None, (1, 1)]


def test_without_any_identifier_each_slice_is_its_own_patient(tmp_path):
    with open_dataset(phiseg_file(tmp_path / "a.hdf5", uids=None)) as dataset:
        assert len(set(dataset.splits["train"].patients)) == 6


def test_other_groups_arrays_and_attributes_are_left_alone(tmp_path):
    path = phiseg_file(tmp_path / "a.hdf5", series_uids=np.arange(6))
    with h5py.File(path, "r+") as file:
        file["notes/table"] = np.arange(3)
        file["notes/again"] = file["notes"]  # a group within itself must not be followed for ever
        file.attrs.update({"source": "LIDC", "year": np.int64(2011), "scale": 0.5, "window": [1, 2]})
    with open_dataset(path) as dataset:
        assert dict(dataset.attributes) == {"source": "LIDC", "year": 2011, "scale": 0.5}
        assert dataset.verify() == 0


def test_a_slice_is_read_without_reading_the_file(tmp_path):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"train": made_slices(200, (4, 128, 128))}, {}, image_type="uint8")
    tracemalloc.start()
    with open_dataset(path) as dataset:
        dataset.splits["train"][150]
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < path.stat().st_size / 10


@pytest.mark.parametrize("index", [-1, 6])
def test_an_index_outside_the_split_ends_a_loop(tmp_path, index):
    with open_dataset(phiseg_file(tmp_path / "a.hdf5")) as dataset, pytest.raises(IndexError):
        dataset.splits["train"][index]


@pytest.mark.skipif(not REAL_FILES, reason="the real LIDC files are not beside this checkout")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.stem)
def test_real_files_read_as_plain_h5py_reads_them(path):
    with open_dataset(path) as dataset, h5py.File(path) as file:
        assert dataset.n_experts == 4
        for name, split in dataset.splits.items():
            group = file[name]
            assert split.keys == tuple(key.decode() for key in group["keys"][:])
            assert split.patients == tuple(patient.decode() for patient in group["patient_ids"][:])
            for index in (0, len(split) // 2, len(split) - 1):
                stored = group["images"][index]
                expected = stored / 255 if stored.dtype == np.uint8 else stored + 0.5
                np.testing.assert_allclose(split[index].image, expected, atol=1e-7)
                assert np.array_equal(split[index].masks, group["labels"][index].transpose(2, 0, 1) == 1)
                assert split[index].n_found >= 1


@pytest.mark.skipif(not REAL_FILES, reason="the real LIDC files are not beside this checkout")
def test_the_real_sample_goes_through_our_own_file_unchanged(tmp_path):
    with open_dataset(SHARED / "lidc_sample.hdf5") as real:
        write_dataset(tmp_path / "a.hdf5", real.splits, real.attributes, image_type="uint8")
        with open_dataset(tmp_path / "a.hdf5") as ours:
            assert dict(ours.attributes) == dict(real.attributes)
            for name, split in real.splits.items():
                assert (ours.splits[name].keys, ours.splits[name].patients) == (split.keys, split.patients)
                assert np.array_equal(ours.splits[name].arrays().images, split.arrays().images)
                assert np.array_equal(ours.splits[name].arrays().masks, split.arrays().masks)
