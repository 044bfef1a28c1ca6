"""HDF5 files made to do harm, or damaged: refused before their data is read."""

from __future__ import annotations

import math
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from training.data.hdf5 import is_annotated_hdf5, is_hdf5, write_dataset
from training.data.opening import open_dataset

from .hdf5_files import LEVELS, made_slices, phiseg_file, refusal


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


def labels_of_one_image(file):
    file.create_dataset("train/images", data=np.zeros((1, 2, 2), "u1"))
    file.create_dataset("train/labels", (1, 2, 2, 10**11), "u1")


def ten_dimensions(file):
    file.create_dataset("train/images", (64,) * 10, "u1", chunks=(1,) * 10)


def many_patients(file):
    file.create_dataset("train/uids", (10**12,), "i8")


def wide_spacing(file):
    file.create_dataset("train/pixel_spacing_mm", (10**10, 2), "f8", chunks=(2**16, 2), compression="gzip")


def packed_to_nothing(file):
    file.create_dataset("train/labels", (10**8, 8, 8, 4), "u1", chunks=(10**5, 8, 8, 4), scaleoffset=0)


def beside_the_splits(file):
    file.create_dataset("notes/more/deeper", (10**13,), "u1")


def hounsfield(file):
    file.create_dataset("test/hounsfield", (10**7, 512, 512), "i2", chunks=(1, 512, 512), compression="lzf")


BOMBS = [
    unwritten,
    compressed,
    one_huge_chunk,
    many_just_below_the_limit,
    long_text,
    labels_of_one_image,
    ten_dimensions,
    many_patients,
    wide_spacing,
    packed_to_nothing,
    beside_the_splits,
    hounsfield,
]


@pytest.mark.parametrize("bomb", BOMBS)
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
