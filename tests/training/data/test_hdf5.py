"""HDF5: the layouts that are read, the round trip, and everything that is refused."""

import hashlib
import json
import math
import os
import re
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.dataset import intensity
from training.data.hdf5 import is_annotated_hdf5, is_hdf5, write_dataset
from training.data.opening import open_dataset
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice

SHARED = Path(__file__).parents[4] / "shared" / "data"
REAL_FILES = sorted(SHARED.glob("*.hdf5"))
LEVELS = np.random.default_rng(5).integers(0, 256, (6, 9, 7), np.uint8)  # N, H, W
MASKS = np.random.default_rng(6).random((6, 9, 7, 3)) > 0.6  # N, H, W, K


def phiseg_file(path, **changes):
    """A small file in PHiSeg's layout with one split, ``train``; a change of None leaves that array out."""
    arrays = {"images": LEVELS, "labels": MASKS.astype(np.uint8), "uids": np.array([4, 4, -2, -2, 7, 7])} | changes
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if values is not None:
                file.create_dataset(f"train/{name}", data=values)
    return path


def made_slices(count=3, shape=(2, 9, 7), prefix="a", seed=0):
    """Slices whose every intensity is k / 255."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        yield AnnotatedSlice(
            intensity(rng.integers(0, 256, shape[1:], np.uint8)),
            rng.random(shape) > 0.5,
            f"patient-{prefix}{index // 2}",
            f"{prefix}/{index}",
            (0.7, 0.1 + index) if index % 2 else None,
        )


def read_all(path):
    with open_dataset(path) as dataset:
        for split in dataset.splits.values():
            split.arrays()


def refusal(path):
    """The one line with which a file is refused, on opening or on reading all of it."""
    with pytest.raises(DataFormatError) as caught:
        read_all(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# --- the layouts that are read ---------------------------------------------------------------------------------


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


# --- the project's own file ------------------------------------------------------------------------------------


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
            assert hashlib.sha256(values.tobytes() + mark).hexdigest() == digest


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
        file.attrs["ambiseg_format"] = 2
    assert "has format version 2, but this program reads version 1" in refusal(path)


# --- what is refused -------------------------------------------------------------------------------------------


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


def external_link(file, secret):
    del file["train/images"]
    file["train/images"] = h5py.ExternalLink(str(secret), "train/images")


def external_group(file, secret):
    file["val"] = h5py.ExternalLink(str(secret), "train")


def external_link_elsewhere(file, secret):
    file["notes/more/deeper"] = h5py.ExternalLink(str(secret), "train")


def soft_link(file, secret):
    file.move("train/images", "train/hidden")
    file["train/images"] = h5py.SoftLink("/train/hidden")


def soft_link_to_itself(file, secret):
    del file["train/labels"]
    file["train/labels"] = h5py.SoftLink("/train/labels")


def external_storage(file, secret):
    del file["train/images"]
    file["train"].create_dataset("images", LEVELS.shape, "u1", external=[(str(secret), 0, LEVELS.nbytes)])


def virtual_dataset(file, secret):
    del file["train/images"]
    layout = h5py.VirtualLayout(LEVELS.shape, "u1")
    layout[:] = h5py.VirtualSource(str(secret), "train/images", LEVELS.shape)
    file["train"].create_virtual_dataset("images", layout)


def nested_virtual_dataset(file, secret):
    layout = h5py.VirtualLayout((6,), "i8")
    layout[:] = h5py.VirtualSource(".", "train/uids", (6,))
    file.create_virtual_dataset("notes/more/uids", layout)


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (external_link, "'train/images' is an external link to '{secret}' and is refused"),
        (external_group, "'val' is an external link to '{secret}' and is refused"),
        (external_link_elsewhere, "'notes/more/deeper' is an external link to '{secret}' and is refused"),
        (soft_link, "'train/images' is a soft link to '/train/hidden' and is refused"),
        (soft_link_to_itself, "'train/labels' is a soft link to '/train/labels' and is refused"),
        (external_storage, "data set 'train/images' has external storage in '{secret}' and is refused"),
        (virtual_dataset, "data set 'train/images' is virtual and is refused"),
        (nested_virtual_dataset, "data set 'notes/more/uids' is virtual and is refused"),
    ],
)
def test_whatever_points_elsewhere_is_refused_by_name(tmp_path, plant, message):
    secret = phiseg_file(tmp_path / "secret.hdf5")
    path = phiseg_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        plant(file, secret)
    assert message.format(secret=secret) in refusal(path)
    is_annotated_hdf5(path)  # must not raise, whatever it answers


def unwritten(file):
    file.create_dataset("train/images", (10**7, 256, 256), "u1")


def compressed(file):
    file.create_dataset("train/images", (10**7, 256, 256), "u1", chunks=(1, 256, 256), compression="gzip")
    file["train/images"][0] = 1


def one_huge_chunk(file):
    file.create_dataset("train/images", (1, 2, 2), "u1", maxshape=(None,) * 3, chunks=(1, 60_000, 60_000))


def many_just_below_the_limit(file):
    file.create_dataset("train/images", (1, 2, 2), "u1")
    for number in range(40):
        file.create_dataset(f"train/more{number}", (60 * 2**20,), "u1")


def long_text(file):
    file.create_dataset("train/keys", (10,), "S50000000")


@pytest.mark.parametrize("bomb", [unwritten, compressed, one_huge_chunk, many_just_below_the_limit, long_text])
def test_a_file_that_declares_far_more_than_it_stores_is_refused_before_it_is_read(tmp_path, bomb):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        bomb(file)
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    assert "bytes in memory, but only" in refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_large_file_of_empty_masks_is_no_bomb(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        for name, shape in {"images": (1500, 128, 128), "labels": (1500, 128, 128, 4)}.items():
            array = file.create_dataset(f"train/{name}", shape, "u1", chunks=(1, *shape[1:]), compression="gzip")
            chunk = zlib.compress(bytes(math.prod(shape[1:])), 4)
            for index in range(shape[0]):
                array.id.write_direct_chunk((index, *(0 for _ in shape[1:])), chunk)
    with open_dataset(path) as dataset:
        assert dataset.splits["train"][1499].n_found == 0


@pytest.fixture(scope="module", params=["phiseg", "project"])
def whole_file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.hdf5"
    if request.param == "phiseg":
        return phiseg_file(path)
    write_dataset(path, {"train": made_slices(20), "test": made_slices(5, prefix="b")}, {"source": "made up"})
    return path


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_truncated_file_is_refused_in_one_line(tmp_path, whole_file, percent):
    content = whole_file.read_bytes()
    path = tmp_path / "cut.hdf5"
    path.write_bytes(content[: len(content) * percent // 100])
    message = refusal(path)
    assert ("not an HDF5 file" if percent == 0 else "the file is damaged or incomplete") in message
    assert not is_annotated_hdf5(path)


def test_a_file_that_lost_its_last_byte_is_refused(tmp_path, whole_file):
    path = tmp_path / "cut.hdf5"
    path.write_bytes(whole_file.read_bytes()[:-1])
    assert "truncated" in refusal(path)


def test_the_cheap_look_tells_our_files_from_others(tmp_path):
    assert is_annotated_hdf5(phiseg_file(tmp_path / "a.hdf5"))
    assert is_annotated_hdf5(str(tmp_path / "a.hdf5"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["train"] = np.zeros(3)
        file["val/images"] = np.zeros(3)
    (tmp_path / "text.hdf5").write_text("no HDF5")
    for other in ("other.h5", "text.hdf5", "absent.hdf5", "", "a\0b"):
        assert not is_annotated_hdf5(tmp_path / other)


# --- the real files --------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("block", [0, 512, 1024, 4096])
def test_the_signature_is_found_behind_a_user_block_without_libhdf5(tmp_path, block):
    with h5py.File(tmp_path / "a", "w", userblock_size=block) as file:
        file["x"] = 1
    assert is_hdf5(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"\x89HDF", bytes(600), bytes(100) + b"\x89HDF\r\n\x1a\n" + bytes(900)])
def test_no_signature_where_one_may_be_is_no_hdf5(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert not is_hdf5(tmp_path / "a")
    assert not is_hdf5(tmp_path / "missing")
    assert not is_hdf5(tmp_path)
