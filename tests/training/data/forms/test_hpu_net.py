"""The 180 x 180 crops at 0.5 mm with splits of their own, on trees that the tests write."""

import re

import numpy as np
import pytest
from PIL import Image

from training.data.forms.hpu_net import HpuNet
from training.data.forms.interface import Options, Tally, Unit
from training.errors import DataFormatError

RNG = np.random.default_rng(9)


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return array


def crop(root, split="train", patient="LIDC-IDRI-0001", name="z-105.0_c0", numbers=(1, 2, 3, 4), side=180):
    """One slice; returns its image and its masks as they were written."""
    image = put(root / split / "images" / patient / f"{name}.png", RNG.integers(0, 256, (side, side), np.uint8))
    masks = [
        put(root / split / "gt" / patient / f"{name}_l{k}.png", (RNG.random((side, side)) > 0.7) * np.uint8(255))
        for k in numbers
    ]
    return image, np.stack(masks) > 0


def read(path):
    tally = Tally()
    form = HpuNet(path, Options())
    found = list(form.read(tally))
    assert {item.unit for item in found} <= set(form.units())
    return found, tally, form


def keys(found):
    return [item.case.key for item in found]


@pytest.mark.parametrize("numbers", [(1, 2, 3, 4), (0, 1, 2, 3)])
def test_a_slice_is_what_was_written_whether_counted_from_one_or_from_zero(tmp_path, numbers):
    image, masks = crop(tmp_path, numbers=numbers)
    (found,), tally, form = read(tmp_path)
    assert (found.case.image == image / np.float32(255)).all()
    assert np.array_equal(found.case.masks, masks)
    assert found.case.spacing_mm == (0.5, 0.5)
    assert found.unit == Unit("LIDC-IDRI-0001", split="train")
    assert found.case.key == "LIDC-IDRI-0001_z-105.0_c0"
    assert tally == Tally()
    assert form.image_type == "uint8"
    assert len(form) == 1


@pytest.mark.parametrize(
    ("folder", "split"),
    [("train", "train"), ("val", "val"), ("validation", "val"), ("test", "test"), ("Training", "train")],
)
def test_the_form_keeps_its_own_splits(tmp_path, folder, split):
    crop(tmp_path, folder, side=4)
    assert HpuNet.recognises(tmp_path)
    assert [item.unit.split for item in read(tmp_path)[0]] == [split]


def test_one_split_may_be_given_alone(tmp_path):
    crop(tmp_path, "val", side=4)
    assert HpuNet.recognises(tmp_path / "val")
    assert read(tmp_path / "val")[2].units() == [Unit("LIDC-IDRI-0001", split="val")]
    (tmp_path / "val").rename(tmp_path / "cropped")
    assert read(tmp_path / "cropped")[2].units() == [Unit("LIDC-IDRI-0001")]


def test_a_parent_with_this_one_folder_may_be_given(tmp_path):
    crop(tmp_path / "crops", side=4)
    (tmp_path / ".DS_Store").touch()
    assert HpuNet.recognises(tmp_path)
    assert len(read(tmp_path)[0]) == 1


def test_slices_are_sorted_by_height_and_crop_as_numbers(tmp_path):
    for name in ("z--10.5_c0", "z-9.0_c10", "z-9.0_c9", "z-100.0_c0", "z--9.25_c0"):
        crop(tmp_path, name=name, side=4)
    order = ["z--10.5_c0", "z--9.25_c0", "z-9.0_c9", "z-9.0_c10", "z-100.0_c0"]
    assert keys(read(tmp_path)[0]) == [f"LIDC-IDRI-0001_{name}" for name in order]


def test_what_is_missing_or_too_much_is_dropped_with_its_expert(tmp_path):
    kept, _ = crop(tmp_path, name="z-1.0_c0", side=4)
    crop(tmp_path, name="z-2.0_c0", numbers=(1, 2, 4), side=4)
    crop(tmp_path, name="z-3.0_c0", side=4)
    (tmp_path / "train" / "images" / "LIDC-IDRI-0001" / "z-3.0_c0.png").unlink()
    crop(tmp_path, name="z-4.0_c0", numbers=(1, 2, 3, 4, 5), side=4)
    found, tally, _ = read(tmp_path)
    assert keys(found) == ["LIDC-IDRI-0001_z-1.0_c0"]
    assert (found[0].case.image * 255).astype(int).tolist() == kept.astype(int).tolist()
    assert tally.dropped == {
        "mask l3 is missing": 1,
        "mask without an image": 1,
        "more masks than mask l1 to mask l4": 1,
    }
    assert tally.examples["mask l3 is missing"] == "LIDC-IDRI-0001_z-2.0_c0"


def test_links_out_of_the_source_are_refused(tmp_path):
    crop(tmp_path / "source", side=4)
    crop(tmp_path / "outside", "val", "LIDC-IDRI-0002", side=4)
    (tmp_path / "source" / "val").symlink_to(tmp_path / "outside" / "val")
    (tmp_path / "source" / "test").mkdir()
    for part in ("images", "gt"):
        (tmp_path / "source" / "test" / part).symlink_to(tmp_path / "outside" / "val" / part)
    found, tally, form = read(tmp_path / "source")
    assert form.units() == [Unit("LIDC-IDRI-0001", split="train")]
    assert len(found) == 1
    assert tally.dropped == {"link leads out of the source folder": 3}


@pytest.mark.parametrize("name", ["images", "train", "train/images"])
def test_a_folder_of_another_kind_is_named(tmp_path, name):
    (tmp_path / name).mkdir(parents=True)
    assert not HpuNet.recognises(tmp_path)
    assert not HpuNet.recognises(tmp_path / "a\0b")
    with pytest.raises(DataFormatError, match=re.escape(str(tmp_path))):
        HpuNet(tmp_path, Options())


def test_a_tree_without_any_whole_slice_is_an_error_that_says_what_was_expected(tmp_path):
    crop(tmp_path, numbers=(1, 2, 3), side=4)
    with pytest.raises(DataFormatError, match=r"no slice has an image and 4 masks.*_l1\.png"):
        HpuNet(tmp_path, Options())
