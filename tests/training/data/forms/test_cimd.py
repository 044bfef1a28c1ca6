"""JPEG folders without patients: lossy masks are cut, every folder is its own patient."""

import re

import numpy as np
import pytest
from PIL import Image

from training.data.forms.cimd import Cimd
from training.data.forms.interface import Options, Tally, Unit
from training.errors import DataFormatError

RAMP = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))


def disc(x, y, radius=9):
    rows, columns = np.mgrid[:32, :32]
    return ((rows - y) ** 2 + (columns - x) ** 2 < radius**2) * np.uint8(255)


def case(root, split, number, image=5, labels=range(4), **how):
    folder = root / split / str(number)
    folder.mkdir(parents=True)
    Image.fromarray(RAMP).save(folder / f"image_{image}.jpg", quality=95)
    for slot in labels:
        Image.fromarray(disc(10 + 3 * slot, 16)).save(folder / f"label{slot}_.jpg", quality=95)
    return folder


def read(path):
    tally = Tally()
    form = Cimd(path, Options())
    found = list(form.read(tally))
    assert {item.unit for item in found} <= set(form.units())
    return found, tally, form


def test_a_case_is_its_image_and_the_discs_that_were_drawn(tmp_path):
    folder = case(tmp_path, "training", 3)
    (found,), tally, form = read(tmp_path)
    with Image.open(folder / "image_5.jpg") as picture:
        assert (found.case.image * 255).round().astype(int).tolist() == np.asarray(picture).tolist()
    for slot in range(4):
        assert np.array_equal(found.case.masks[slot], disc(10 + 3 * slot, 16) > 0)
    assert found.unit == Unit("training-3", split="train")
    assert found.case.key == "training-3_image5"
    assert found.case.spacing_mm is None
    assert tally.noted == {
        "patient unknown, each folder counted as one": 1,
        "masks from JPEG, which is lossy, cut at half": 1,
    }
    assert not tally.dropped
    assert form.attributes["masks"] == "JPEG is lossy: masks were cut at 127"
    assert form.image_type == "uint8"


def test_folders_come_in_numeric_order_with_their_splits(tmp_path):
    for split, number in (("training", 10), ("training", 9), ("validation", 1), ("testing", 2)):
        case(tmp_path, split, number)
    found, _, form = read(tmp_path)
    assert [item.unit for item in found] == [
        Unit("testing-2", split="test"),
        Unit("training-9", split="train"),
        Unit("training-10", split="train"),
        Unit("validation-1", split="val"),
    ]
    assert len(form) == 4


def test_one_split_or_a_parent_may_be_given(tmp_path):
    case(tmp_path / "data", "test", 1)
    for path in (tmp_path, tmp_path / "data", tmp_path / "data" / "test"):
        assert Cimd.recognises(path)
        assert read(path)[2].units() == [Unit("test-1", split="test")]
    (tmp_path / "data" / "test").rename(tmp_path / "data" / "mine")
    assert read(tmp_path / "data" / "mine")[2].units() == [Unit("mine-1")]


def test_incomplete_and_ambiguous_folders_are_dropped_with_their_reason(tmp_path):
    case(tmp_path, "train", 1)
    case(tmp_path, "train", 2, labels=(0, 1, 3))
    (case(tmp_path, "train", 3) / "image_5.jpg").unlink()
    folder = case(tmp_path, "train", 4)
    (folder / "image_6.jpg").write_bytes((folder / "image_5.jpg").read_bytes())
    case(tmp_path, "train", 5, labels=range(5))
    (case(tmp_path, "train", 6) / "label1_.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "train" / "7").mkdir()
    found, tally, _ = read(tmp_path)
    assert [item.case.key for item in found] == ["train-1_image5"]
    assert tally.dropped == {
        "label2 is missing": 1,
        "mask without an image": 1,
        "more than one image beside the masks": 1,
        "more masks than label0 to label3": 1,
        "label1 is damaged or cut short": 1,
    }


def test_a_folder_of_another_kind_is_named(tmp_path):
    assert not Cimd.recognises(tmp_path)
    assert not Cimd.recognises(tmp_path / "a\0b")
    with pytest.raises(DataFormatError, match=re.escape(str(tmp_path)) + ".*image_#.jpg"):
        Cimd(tmp_path, Options())
    (tmp_path / "train").mkdir()
    assert not Cimd.recognises(tmp_path)
    with pytest.raises(DataFormatError, match=r"expected <split>/<n>/image_#\.jpg"):
        Cimd(tmp_path, Options())
