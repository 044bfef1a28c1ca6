"""Files that are not laid out as they should be are refused with what was expected and found."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from .hdf5_files import LEVELS, MASKS, phiseg_file, refusal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "group '/train' has no data set 'images'; it has: 'labels', 'uids'"),
        ({"labels": None}, "group '/train' has no data set 'labels'; it has: 'images', 'uids'"),
        ({"images": LEVELS.astype(np.uint16)}, "'train/images' must be uint8 or float, got uint16"),
        ({"images": LEVELS[0]}, "'train/images' must have shape (N, H, W) with N, H, W >= 1, got (9, 7)"),
        ({"images": LEVELS[..., None]}, "must have shape (N, H, W) with N, H, W >= 1, got (6, 9, 7, 1)"),
        ({"images": LEVELS[:0], "labels": MASKS[:0]}, "N, H, W >= 1, got (0, 9, 7)"),
        ({"images": h5py.Empty("u1")}, "N, H, W >= 1, got None"),
        ({"labels": MASKS[:5]}, "must have shape (6, 9, 7, K) or (6, K, 9, 7) with K >= 1 experts, like the images"),
        ({"labels": MASKS[..., 0]}, "like the images, got (6, 9, 7)"),
        ({"labels": MASKS[:, :8]}, "like the images, got (6, 8, 7, 3)"),
        ({"labels": MASKS[..., :0]}, "like the images, got (6, 9, 7, 0)"),
        ({"labels": MASKS.transpose(0, 2, 1, 3)}, "like the images, got (6, 7, 9, 3)"),
        ({"labels": MASKS * 2}, "'train/labels'[0] must hold only 0 and 1, or only 0 and 255, got the values 0, 2"),
        ({"labels": MASKS * np.array([1, 255, 1])}, "got the values 0, 1, 255"),
        ({"labels": np.where(MASKS, -1.0, 0)}, "got the values -1, 0"),
        ({"labels": MASKS * 0.5}, "got the values 0, 0.5"),
        ({"labels": np.where(MASKS, np.nan, 0)}, "got the values 0, nan"),
        ({"labels": MASKS.astype("S1")}, "'train/labels' must be whole numbers, bool or float, got |S1"),
        ({"images": LEVELS.astype(float)}, "float images must lie in [0, 1] or [-0.5, 0.5], got [0, 255]"),
        ({"images": LEVELS / 127.5 - 1}, "float images must lie in [0, 1] or [-0.5, 0.5], got [-1, 1]"),
        ({"uids": np.arange(5)}, "'train/uids' must have shape (6,), one row per image, got (5,)"),
        ({"keys": np.arange(7)}, "'train/keys' must have shape (6,), one row per image, got (7,)"),
        ({"keys": np.zeros(6)}, "'train/keys' must be text or whole numbers, got float64"),
        ({"keys": np.array([b"a"] * 6)}, "two slices have the key 'a'"),
        ({"keys": np.array([b"\xff", *b"abcde"])}, "'train/keys' cannot be read"),
        ({"keys": ["x" * 2000, *"abcde"]}, "'train/keys'[0] has 2000 bytes; at most 1024"),
        ({"pixel_spacing_mm": np.ones((6, 3))}, "'train/pixel_spacing_mm' must have shape (6,) or (6, 2)"),
        ({"pixel_spacing_mm": np.array([1, 1, 0, 1, 1, 1.0])}, "'train/pixel_spacing_mm'[2] must be positive"),
        ({"pixel_spacing_mm": np.array([1, np.inf] * 3)}, "'train/pixel_spacing_mm'[1] must be positive"),
        ({"pixel_spacing_mm": np.array([b"1"] * 6)}, "'train/pixel_spacing_mm' must be numbers in millimetres"),
    ],
)
def test_a_wrong_array_is_named_with_what_was_expected_and_found(tmp_path, changes, message):
    assert message in refusal(phiseg_file(tmp_path / "a.hdf5", **changes))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("index", [0, 301])
def test_a_pixel_that_is_no_number_is_named_with_its_slice(tmp_path, value, index):
    images = np.full((400, 2, 2), 0.5)
    images[index, 1, 0] = value
    path = phiseg_file(tmp_path / "a.hdf5", images=images, labels=np.zeros((400, 2, 2, 1), "u1"), uids=None)
    assert refusal(path) == f"'train/images'[{index}] has a pixel that is {value}; every pixel must be finite"


def test_a_bool_that_is_neither_true_nor_false_is_refused(tmp_path):
    path = phiseg_file(tmp_path / "a.hdf5", labels=MASKS)
    with h5py.File(path, "r+") as file:
        labels = file["train/labels"]
        twos = np.full(MASKS.shape, 2, np.int8)
        labels.id.write(h5py.h5s.ALL, h5py.h5s.ALL, twos, mtype=labels.id.get_type())
    assert "got the values 2" in refusal(path)


def test_a_patient_in_two_splits_is_refused(tmp_path):
    path = phiseg_file(tmp_path / "a.hdf5", patient_ids=np.array([b"p", b"p", b"q", b"q", b"r", b"r"]))
    with h5py.File(path, "r+") as file:
        file.copy("train", "test")
    assert "patient 'p' is in split 'train' and in 'test'" in refusal(path)


def test_splits_of_different_experts_are_refused(tmp_path):
    path = phiseg_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        file["val/images"], file["val/labels"] = LEVELS, MASKS[..., :2].astype(np.uint8)
    assert "same number of experts, got {'train': 3, 'val': 2}" in refusal(path)


def test_a_file_without_slices_or_with_an_unknown_split_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["volume"] = np.zeros(3)
    assert "none of the groups train, val, test, each with images and labels; it has: 'volume'" in refusal(
        tmp_path / "a.hdf5"
    )
    h5py.File(tmp_path / "b.hdf5", "w").close()
    assert "it has: nothing" in refusal(tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "c.hdf5", "w") as file:
        file.create_group("train")
    assert "group '/train' has no data set 'images'; it has: nothing" in refusal(tmp_path / "c.hdf5")
    path = phiseg_file(tmp_path / "d.hdf5")
    with h5py.File(path, "r+") as file:
        file.move("train", "training")
    assert "group 'training' holds images and labels but is no known split; rename it to one of" in refusal(path)
