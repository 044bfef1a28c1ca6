"""The project's own HDF5: what is written is read back, and nothing half-written is ever left."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice

from .hdf5_files import made_slices, refusal


@pytest.mark.parametrize("image_type", ["uint8", "float32"])
def test_what_is_written_is_read_back_exactly(tmp_path, image_type):
    path = tmp_path / "a.hdf5"
    splits = {"train": list(made_slices(70)), "val": [], "test": list(made_slices(3, prefix="é", seed=1))}
    attributes = {"source": "made up", "seed": 3, "scale": 0.1}
    write_dataset(path, splits, attributes, image_type=image_type)
    with open_dataset(path) as dataset:
        assert dict(dataset.attributes) == attributes
        assert list(dataset.splits) == ["train", "test"]  # a split without slices is left out
        for name, split in dataset.splits.items():
            for wrote, read in zip(splits[name], split, strict=True):
                assert np.array_equal(wrote.image, read.image)
                assert np.array_equal(wrote.masks, read.masks)
                assert (wrote.key, wrote.patient, wrote.spacing_mm) == (read.key, read.patient, read.spacing_mm)
        assert dataset.verify() == 12


def test_intensities_that_8_bits_cannot_hold_are_kept_or_refused_but_never_rounded(tmp_path):
    image = np.random.default_rng(0).random((4, 4), np.float32)
    case = AnnotatedSlice(image, np.ones((1, 4, 4), bool), "p", "k")
    with pytest.raises(DataFormatError, match=r"image 'k' has intensities that are not k / 255.*float32"):
        write_dataset(tmp_path / "a.hdf5", {"train": [case]}, {}, image_type="uint8")
    write_dataset(tmp_path / "a.hdf5", {"train": [case]}, {})
    with open_dataset(tmp_path / "a.hdf5") as dataset:
        assert np.array_equal(dataset.splits["train"][0].image, image)


def test_the_fields_other_tools_find_phisegs_layout(tmp_path):
    path = tmp_path / "a.hdf5"
    cases = list(made_slices(5))
    write_dataset(path, {"train": cases}, {}, image_type="uint8")
    with h5py.File(path) as file:
        assert list(file) == ["train"]  # PHiSeg's loader takes every top-level name for a split
        train = file["train"]
        assert train["images"].shape == (5, 9, 7)
        assert train["labels"].shape == (5, 9, 7, 2)
        assert train["labels"].dtype == np.uint8
        assert np.array_equal(train["labels"][3, :, :, 1], cases[3].masks[1])
        assert train["uids"].dtype == np.int64
        uids = train["uids"][:]
        assert (uids[0] == uids[1], uids[1] == uids[2], uids[2] == uids[3]) == (True, False, True)
        expected = hashlib.sha256(b"patient-a0").digest()[:8]
        assert uids[0] == int.from_bytes(expected, "little", signed=True)
        assert train["images"].chunks == (1, 9, 7)
        assert train["images"].compression is None


def test_the_recorded_checksums_are_those_of_the_bytes_the_type_and_the_shape(tmp_path):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"val": made_slices(70)}, {"b": 1, "a": "x"}, image_type="uint8")
    with h5py.File(path) as file:
        recorded = json.loads(file.attrs["ambiseg_sha256"])
        assert recorded.pop("attributes") == hashlib.sha256(b'{"a": "x", "b": 1}').hexdigest()
        assert set(recorded) == {f"val/{name}" for name in file["val"]}
        for name, digest in recorded.items():
            values = file[name][:]
            mark = f"{values.dtype.str} {values.shape}".encode()
            if name == "val/labels":
                content = b"".join(np.packbits(row).tobytes() for row in values)
                assert digest == "bits:" + hashlib.sha256(content + mark).hexdigest()
            else:
                assert digest == hashlib.sha256(values.tobytes() + mark).hexdigest()


def test_a_file_of_version_1_is_read_and_its_checksums_compared(tmp_path):
    """There the checksum of labels was of their bytes."""
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"val": made_slices(70)}, {})
    with h5py.File(path, "r+") as file:
        recorded = json.loads(file.attrs["ambiseg_sha256"])
        labels = file["val/labels"][:]
        mark = f"{labels.dtype.str} {labels.shape}".encode()
        recorded["val/labels"] = hashlib.sha256(labels.tobytes() + mark).hexdigest()
        file.attrs["ambiseg_sha256"], file.attrs["ambiseg_format"] = json.dumps(recorded), 1
    with open_dataset(path) as dataset:
        assert dataset.verify() == 6
    with h5py.File(path, "r+") as file:
        file["val/labels"][69, 0, 0, 0] ^= 1
    assert "'val/labels' is not what was written" in refusal(path)


@pytest.mark.parametrize("value", [2, 3, 128, 255])
def test_a_label_that_is_neither_0_nor_1_spoils_the_checksum(tmp_path, value):
    """Its bit is that of a 1, but it is not what was written."""
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"val": made_slices(3)}, {})
    with h5py.File(path, "r+") as file:
        row, column, expert = np.argwhere(file["val/labels"][1])[0]
        file["val/labels"][1, row, column, expert] = value
    with open_dataset(path) as dataset, pytest.raises(DataFormatError, match="is not what was written"):
        dataset.verify()


def test_the_same_slices_give_the_same_bytes(tmp_path):
    for name in ("a.hdf5", "b.hdf5"):
        write_dataset(tmp_path / name, {"train": made_slices(5), "test": made_slices(2, prefix="b")}, {"x": 1})
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


def broken_slices(error):
    yield from made_slices(2)
    raise error


@pytest.mark.parametrize("error", [OSError("source went away"), KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.hdf5"
    path.write_bytes(b"old")
    with pytest.raises(type(error)) as caught:
        write_dataset(path, {"train": broken_slices(error)}, {})
    assert caught.value is error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def with_changes(case, **changes):
    return AnnotatedSlice(**({name: getattr(case, name) for name in case.__dataclass_fields__} | changes))


def test_slices_that_cannot_share_a_file_are_refused_and_nothing_is_left(tmp_path):
    first, second, third = made_slices(3)
    wide = AnnotatedSlice(np.zeros((9, 8), np.float32), np.zeros((2, 9, 8), bool), "p", "wide")
    refused = [
        ({"train": [first, wide]}, r"slice 'wide' has masks \(K, H, W\) = \(2, 9, 8\).*\(2, 9, 7\)"),
        ({"train": [first, with_changes(second, key=first.key)]}, "two slices have the key 'a/0'"),
        ({"train": [first], "val": [second]}, "patient 'patient-a0' is in split 'train' and in 'val'"),
        ({"train": [], "val": []}, "no slices to write"),
        ({}, "no slices to write"),
    ]
    for splits, message in refused:
        with pytest.raises(DataFormatError, match=message):
            write_dataset(tmp_path / "a.hdf5", splits, {})
    with pytest.raises(ConfigError, match="cannot write a split 'validation'; choose from: train, val, test"):
        write_dataset(tmp_path / "a.hdf5", {"validation": [third]}, {})
    with pytest.raises(ConfigError, match="attribute 'ambiseg_format' is reserved"):
        write_dataset(tmp_path / "a.hdf5", {"val": [third]}, {"ambiseg_format": 2})
    with pytest.raises(ConfigError, match=r"attribute 'window' must be text or a number, got \[1, 2\]"):
        write_dataset(tmp_path / "a.hdf5", {"val": [third]}, {"window": [1, 2]})
    with pytest.raises(ConfigError, match=r"the folder .*absent does not exist"):
        write_dataset(tmp_path / "absent" / "a.hdf5", {"val": [third]}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "a.hdf5").mkdir()
    with pytest.raises(DataFormatError, match=r"a\.hdf5: cannot be written \(.*\); nothing was changed there"):
        write_dataset(tmp_path / "a.hdf5", {"val": made_slices(1)}, {})
    assert list(tmp_path.iterdir()) == [tmp_path / "a.hdf5"]


FILL_THE_DISK = """
import pathlib, resource, sys
import numpy as np
from training.data.hdf5 import write_dataset
from training.errors import DataFormatError
from training.records import AnnotatedSlice

folder = pathlib.Path(sys.argv[1])
masks = np.ones((1, 64, 64), bool)
for limit in (0, 1_000, 50_000, 1_000_000, 1_900_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    slices = (AnnotatedSlice(np.zeros((64, 64), np.float32), masks, "p", str(index)) for index in range(100))
    try:
        write_dataset(folder / "a.hdf5", {"train": slices}, {})
    except DataFormatError as error:
        print(str(error).removeprefix(f"{folder / 'a.hdf5'}: "))
"""


@pytest.mark.skipif(os.name != "posix", reason="the limit on a file's size is POSIX")
def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_file(tmp_path):
    (tmp_path / "a.hdf5").write_bytes(b"old")
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert (child.returncode, child.stderr) == (0, "")  # libhdf5 alone would end in a segmentation fault
    assert child.stdout.splitlines() == ["cannot be written (File too large); nothing was changed there"] * 5
    assert (tmp_path / "a.hdf5").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5"]


@pytest.mark.parametrize("name", ["images", "labels", "uids", "keys", "patient_ids", "pixel_spacing_mm"])
def test_a_single_flipped_bit_in_any_array_is_noticed(tmp_path, name):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"train": made_slices(3)}, {})
    with h5py.File(path) as file:
        array = file["train"][name]
        start = array.id.get_offset() if array.chunks is None else array.id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[start] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataFormatError), open_dataset(path) as dataset:
        dataset.verify()
    if name != "uids":  # unused beside patient_ids
        assert f"'train/{name}' is not what was written (its SHA-256 differs)" in refusal(path)


def test_integers_in_place_of_floats_of_the_same_bytes_are_noticed(tmp_path):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"train": made_slices(3)}, {})
    with h5py.File(path, "r+") as file:
        spacing = file["train/pixel_spacing_mm"][:]
        del file["train/pixel_spacing_mm"]
        file["train/pixel_spacing_mm"] = spacing.view(np.int64)
    assert "'train/pixel_spacing_mm' is not what was written" in refusal(path)


def test_a_changed_attribute_or_a_missing_array_of_our_own_file_is_noticed(tmp_path):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"train": made_slices(3)}, {"source": "made up"})
    with h5py.File(path, "r+") as file:
        file.attrs["source"] = "made us"
    assert "its attributes are not what was written" in refusal(path)
    with h5py.File(path, "r+") as file:
        file.attrs["source"] = "made up"
        file["train"].move("keys", "keyz")
    assert "the array 'train/keys' is missing" in refusal(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["ambiseg_sha256"]
    assert "cannot be read" in refusal(path)
    with h5py.File(path, "r+") as file:
        file.attrs["ambiseg_format"] = 3
    assert "has format version 3, but this program reads the versions 1 and 2" in refusal(path)


def test_rows_of_any_memory_order_are_written_alike(tmp_path):
    cases = list(made_slices(4))
    turned = [
        AnnotatedSlice(np.asfortranarray(case.image), np.asfortranarray(case.masks), case.patient, case.key)
        for case in cases
    ]
    plain = [AnnotatedSlice(case.image, case.masks, case.patient, case.key) for case in cases]
    for name, slices in (("a", turned), ("b", plain)):
        write_dataset(tmp_path / f"{name}.hdf5", {"val": slices}, {}, image_type="uint8")
        write_dataset(tmp_path / f"{name}f.hdf5", {"val": slices}, {})
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()
    assert (tmp_path / "af.hdf5").read_bytes() == (tmp_path / "bf.hdf5").read_bytes()


@pytest.mark.parametrize("value", [5, None, [1], {}])
def test_a_checksum_that_is_no_text_is_a_damaged_list(tmp_path, value):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"val": made_slices(3)}, {})
    with h5py.File(path, "r+") as file:
        recorded = json.loads(file.attrs["ambiseg_sha256"])
        file.attrs["ambiseg_sha256"] = json.dumps(recorded | {"val/labels": value})
    assert "its list of checksums is damaged" in refusal(path)


@pytest.mark.parametrize("name", ["val/images", "val/labels", "val/keys", "attributes"])
def test_an_array_without_its_checksum_is_not_taken_for_checked(tmp_path, name):
    path = tmp_path / "a.hdf5"
    write_dataset(path, {"val": made_slices(3)}, {})
    with h5py.File(path, "r+") as file:
        recorded = json.loads(file.attrs["ambiseg_sha256"])
        del recorded[name]
        file.attrs["ambiseg_sha256"] = json.dumps(recorded)
    assert "its list of checksums is damaged" in refusal(path)
