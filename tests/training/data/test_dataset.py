"""What any data set offers, and what opening one refuses."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from training.data.dataset import SliceArrays, intensity, white_level
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice


@pytest.fixture
def stored(tmp_path):
    """A file with 3 slices in train and 2 in test, of 2 experts."""
    rng = np.random.default_rng(0)

    def slices(split, count):
        for index in range(count):
            image = rng.random((5, 4), np.float32)
            yield AnnotatedSlice(image, rng.random((2, 5, 4)) > 0.5, f"{split}-patient", f"{split}-{index}")

    path = tmp_path / "slices.hdf5"
    write_dataset(path, {"train": slices("train", 3), "test": slices("test", 2)}, {"source": "made up"})
    return path


def test_all_256_levels_become_their_exact_fraction():
    levels = np.arange(256, dtype=np.uint8)
    expected = np.array([level / 255 for level in range(256)], np.float32)
    assert intensity(levels).dtype == np.float32
    assert np.array_equal(intensity(levels), expected)
    assert np.array_equal(intensity(expected), expected)


def test_intensity_is_the_stored_value_over_the_white_level():
    for image in (np.array([0, 7, 255], np.uint8), np.array([0, 0.3, 1], np.float32)):
        divided = image.astype(np.float32) / np.float32(white_level(image.dtype))
        assert np.array_equal(intensity(image), divided)


@pytest.mark.parametrize("dtype", ["float64", "uint16", "bool"])
def test_images_in_memory_have_one_of_two_types(dtype):
    with pytest.raises(DataFormatError, match=f"uint8 or float32, got {dtype}"):
        intensity(np.zeros((2, 2), dtype))


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (np.zeros((3, 4, 5), np.uint8), np.zeros((3, 2, 5, 4), bool)),
        (np.zeros((3, 4, 5), np.uint8), np.zeros((2, 2, 4, 5), bool)),
        (np.zeros((3, 4, 5), np.uint8), np.zeros((3, 2, 4, 5), np.uint8)),
        (np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 5), bool)),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(images, masks):
    with pytest.raises(DataFormatError, match="slice arrays"):
        SliceArrays(images, masks)


def test_a_split_can_be_counted_iterated_and_read_at_once(stored):
    with open_dataset(stored) as dataset:
        split = dataset.splits["train"]
        cases, arrays = list(split), split.arrays()
        assert len(split) == len(cases) == len(arrays) == 3
        assert [case.key for case in cases] == list(split.keys) == ["train-0", "train-1", "train-2"]
        assert np.array_equal(intensity(arrays.images), np.stack([case.image for case in cases]))
        assert np.array_equal(arrays.masks, np.stack([case.masks for case in cases]))


def test_an_unknown_split_is_answered_with_those_there_are(stored):
    with open_dataset(stored) as dataset, pytest.raises(ConfigError, match=r"no split 'val'; .*train, test"):
        dataset.case("val", 0)


@pytest.mark.parametrize("index", [-1, 2, 10**9])
def test_an_index_out_of_range_is_answered_with_the_count(stored, index):
    with open_dataset(stored) as dataset:
        with pytest.raises(ConfigError, match=f"no slice {index} in split 'test'; it has 2, so 0 to 1"):
            dataset.case("test", index)
        assert dataset.case("test", 1).key == "test-1"


def test_the_checksum_is_the_files_own(stored):
    with open_dataset(stored) as dataset:
        assert dataset.sha256() == hashlib.sha256(stored.read_bytes()).hexdigest()


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataFormatError, match=r"nothing\.hdf5: no such file; give an HDF5"):
        open_dataset(tmp_path / "nothing.hdf5")
    with pytest.raises(DataFormatError, match="is a folder of no known layout; give an HDF5"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"not a data set\n", pickle.dumps({"image": 1}), b"\x89PNG\r\n\x1a\n" + bytes(40), bytes(4096)]
)
def test_the_content_decides_and_not_the_name(tmp_path, content):
    path = tmp_path / "looks_right.hdf5"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="not an HDF5 file"):
        open_dataset(path)


def test_hdf5_is_known_by_its_content_under_any_name(stored):
    renamed = stored.rename(stored.with_name("slices.txt"))
    with open_dataset(renamed) as dataset:
        assert list(dataset.splits) == ["train", "test"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(stored):
    stored.chmod(0)
    with pytest.raises(DataFormatError, match="cannot be read"):
        open_dataset(stored)


def test_importing_data_sets_loads_neither_torch_nor_h5py():
    code = "import sys, training.data.dataset; print({'torch', 'h5py'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert shown.stdout.strip() == "set()"


def test_another_layout_is_named_with_the_command_that_converts_it(tmp_path):
    for name in ("images", "anna"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.zeros((8, 8), np.uint8))
    with pytest.raises(DataFormatError, match=r"layout 'folder'; convert it first: ambiseg prepare .* OUT\.hdf5"):
        open_dataset(tmp_path)
