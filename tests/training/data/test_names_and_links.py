"""Names in the data are data: whatever they are, nothing is written but the file that was asked for."""

import os
import pickle
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

from training import open_dataset
from training.data.prepare import Plan, prepare
from training.errors import AmbisegError

NAMES = [
    "../../escaped",
    "..",
    ".",
    "/etc/escaped",
    "a/../../escaped",
    "~/escaped",
    "C:\\escaped",
    "..\\escaped",
    "nul\0byte",
    "two\nlines",
    "\r",
    "CON",
    "AUX.png",
    "%s%n",
    "$(touch escaped)",
    "; touch escaped",
    "{0.__class__}",
    "\u202egpj.exe",
    "\ufeff",
    " ",
    "x" * 300,
    "*?[",
    "-rf",
    "'\"",
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for the output, as the working folder, three levels below what is watched."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return inner


def everything_in(folder):
    return {path.relative_to(folder) for path in folder.rglob("*")}


def names_in_hdf5(source, name):
    text = name.encode().replace(b"\0", b"0") if name else b""
    with h5py.File(source, "w") as file:
        file["train/images"], file["train/labels"] = np.zeros((1, 9, 9), "f4"), np.ones((1, 9, 9, 2), "u1")
        file["train/keys"] = file["train/patient_ids"] = np.array([text], f"S{len(text) or 1}")


def names_in_a_pickle(source, name):
    entry = {"image": np.zeros((9, 9)), "masks": [np.ones((9, 9), np.uint8)] * 2, "series_uid": name}
    source.write_bytes(pickle.dumps({name: entry}, 3))


def names_in_a_table(source, name):
    for folder in ("images", "anna"):
        (source / folder).mkdir(parents=True)
        Image.fromarray(np.full((9, 9), 255, np.uint8)).save(source / folder / "a.png")
    (source / "patients.csv").write_text(f'name,patient\na,"{name}"\n', encoding="utf-8")


@pytest.mark.parametrize("made", [names_in_hdf5, names_in_a_pickle, names_in_a_table])
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_never_becomes_a_place(tmp_path, place, made, name):
    source = tmp_path / "source"
    made(source, name)
    before = everything_in(tmp_path)
    refusal = ""
    try:
        prepare(source, place / "out.hdf5", Plan(), lambda _: None)
    except AmbisegError as error:
        refusal = str(error)
    if refusal:
        assert len(refusal.splitlines()) == 1
        assert everything_in(tmp_path) == before
        return
    assert everything_in(tmp_path) - before == {(place / "out.hdf5").relative_to(tmp_path)}
    with open_dataset(place / "out.hdf5") as dataset:
        assert len(dataset.splits["train"].keys) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_an_output_that_is_a_link_is_replaced_and_what_it_leads_to_left_alone(tmp_path, place):
    names_in_hdf5(tmp_path / "source", "a")
    names_in_hdf5(tmp_path / "victim", "precious")
    before = (tmp_path / "victim").read_bytes()
    (place / "out.hdf5").symlink_to(tmp_path / "victim")
    prepare(tmp_path / "source", place / "out.hdf5", Plan(), lambda _: None)
    assert (tmp_path / "victim").read_bytes() == before
    assert not (place / "out.hdf5").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes and no links without a privilege there")
@pytest.mark.parametrize("what", ["a text", "a link to a text", "a pipe", "a folder"])
def test_what_is_there_and_no_hdf5_stays(tmp_path, place, what):
    names_in_hdf5(tmp_path / "source", "a")
    (tmp_path / "text").write_text("precious")
    if what == "a text":
        (place / "out.hdf5").write_text("precious")
    elif what == "a link to a text":
        (place / "out.hdf5").symlink_to(tmp_path / "text")
    elif what == "a pipe":
        os.mkfifo(place / "out.hdf5")
    else:
        (place / "out.hdf5").mkdir()
    before = (place / "out.hdf5").lstat()
    with pytest.raises(AmbisegError, match="is no HDF5 file, and stays"):
        prepare(tmp_path / "source", place / "out.hdf5", Plan(), lambda _: None)
    assert (place / "out.hdf5").lstat() == before
    assert (tmp_path / "text").read_text() == "precious"


def test_an_empty_file_is_a_place_that_was_kept_free(tmp_path, place):
    names_in_hdf5(tmp_path / "source", "a")
    (place / "out.hdf5").touch()
    prepare(tmp_path / "source", place / "out.hdf5", Plan(), lambda _: None)
    with open_dataset(place / "out.hdf5") as dataset:
        assert len(dataset.splits["train"]) == 1


def test_a_part_of_the_source_is_never_the_output(tmp_path):
    names_in_a_table(tmp_path / "source", "someone")
    names_in_hdf5(tmp_path / "source" / "mine.hdf5", "a")
    with pytest.raises(AmbisegError, match="is part of what is read"):
        prepare(tmp_path / "source", tmp_path / "source" / "mine.hdf5", Plan(), lambda _: None)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_an_output_that_leads_to_the_source_is_refused(tmp_path, place, link):
    names_in_hdf5(tmp_path / "source", "a")
    link(tmp_path / "source", place / "out.hdf5")
    with pytest.raises(AmbisegError, match="also what is read"):
        prepare(tmp_path / "source", place / "out.hdf5", Plan(), lambda _: None)


@pytest.mark.parametrize("out", ["missing/out.hdf5", "../../../../missing/out.hdf5"])
def test_an_output_in_no_folder_is_refused(tmp_path, place, out):
    names_in_hdf5(tmp_path / "source", "a")
    before = everything_in(tmp_path)
    with pytest.raises(AmbisegError, match="does not exist"):
        prepare(tmp_path / "source", place / out, Plan(), lambda _: None)
    assert everything_in(tmp_path) == before
