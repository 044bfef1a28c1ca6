"""The content of a file or folder decides what it is."""

import pickle

import numpy as np
import pytest
from PIL import Image

from training.data.forms.interface import Options
from training.data.forms.sniffing import forms, open_form, recognise, summary_of
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import ConfigError, DataFormatError

CASE = phantom_case(0, 0, 32).slice


def grey(path, array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((32, 32), np.uint8) if array is None else array).save(path)


def an_hdf5(folder):
    write_dataset(folder / "named.pickle", {"train": [CASE]}, {})
    return folder / "named.pickle"


def a_pickle(folder, **extra):
    mask = np.zeros((32, 32), np.uint8)
    entry = {"image": CASE.image.astype(float), "masks": [mask + 1] * 4, "series_uid": "1.2", **extra}
    (folder / "data.bin").write_bytes(pickle.dumps({"123_slice1": entry}, 3))
    return folder / "data.bin"


def a_matting_pickle(folder):
    return a_pickle(folder, image=np.zeros((32, 32), np.uint8), alpha=np.zeros((32, 32), np.uint8))


def a_slices_folder(folder):
    for name in ("images", "mask-0", "mask-1", "mask-2", "mask-3"):
        grey(folder / "LIDC-IDRI-0001" / "nodule-0" / name / "slice-0.png")
    return folder


def an_hpu_net_tree(folder):
    grey(folder / "train" / "images" / "LIDC-IDRI-0001" / "z-100.0_c0.png")
    for number in range(1, 5):
        grey(folder / "train" / "gt" / "LIDC-IDRI-0001" / f"z-100.0_c0_l{number}.png")
    return folder


def a_cimd_tree(folder):
    for name in ("image_0", "label0_", "label1_", "label2_", "label3_"):
        grey(folder / "training" / "0" / f"{name}.jpg")
    return folder


def an_own_folder(folder):
    for name in ("images", "anna", "ben"):
        grey(folder / name / "a.png")
    return folder


def a_nifti_case(folder):
    nibabel = pytest.importorskip("nibabel")
    for name in ("image", "expert1", "expert2"):
        volume = np.zeros((8, 8, 4), np.uint8)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / f"{name}.nii.gz")
    return folder


MADE = {
    "hdf5": an_hdf5,
    "lidc-pickle": a_pickle,
    "matting-pickle": a_matting_pickle,
    "lidc-slices": a_slices_folder,
    "hpu-net": an_hpu_net_tree,
    "cimd": a_cimd_tree,
    "nifti": a_nifti_case,
    "folder": an_own_folder,
}


@pytest.mark.parametrize("name", MADE)
def test_each_form_is_recognised_for_what_it_is(name, tmp_path):
    source = MADE[name](tmp_path)
    assert recognise(source) == name
    assert open_form(source).name == name


def test_every_form_says_what_it_is():
    assert set(MADE) | {"tcia"} == set(forms())
    for name in forms():
        assert summary_of(name).strip()
        assert "\n" not in summary_of(name)


def test_a_folder_of_pictures_is_none_of_ours(tmp_path):
    grey(tmp_path / "holiday.png")
    assert recognise(tmp_path) is None


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x05", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"hello", bytes(4096)]
)
def test_a_file_of_something_else_is_none_of_ours(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert recognise(tmp_path / "file") is None


def test_looking_at_nothing_at_all_is_no_error(tmp_path):
    assert recognise(tmp_path / "missing") is None
    assert recognise(tmp_path) is None


def test_what_is_not_there_is_said_so(tmp_path):
    with pytest.raises(DataFormatError, match="there is no such file or folder"):
        open_form(tmp_path / "missing")


def test_what_is_unknown_is_told_with_what_is_known(tmp_path):
    with pytest.raises(DataFormatError, match=r"none of the layouts hdf5, .*folder; .* `ambiseg prepare --layout"):
        open_form(tmp_path)


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown layout 'dicom'; choose one of: auto, hdf5"):
        open_form(tmp_path, "dicom")


@pytest.mark.parametrize(
    ("option", "word"), [({"window": "lung"}, "--window"), ({"shift_masks": True}, "--shift-masks")]
)
def test_an_option_that_a_form_cannot_use_is_refused_and_not_ignored(tmp_path, option, word):
    source = a_slices_folder(tmp_path)
    with pytest.raises(ConfigError, match=f"{word} means nothing for the layout 'lidc-slices'"):
        open_form(source, options=Options(**option))
