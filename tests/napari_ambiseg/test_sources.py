"""What a path is: ours at once, ours after a conversion, or not ours."""

import json
import sys
from pathlib import Path

import h5py
import pytest

from napari_ambiseg.readers import read_slices
from napari_ambiseg.session_file import SUFFIX
from napari_ambiseg.sources import HDF5, layout_if_ours, layout_of
from training.errors import DataFormatError


def test_a_folder_has_the_name_of_its_form(slices_folder):
    assert layout_of(slices_folder) == "lidc-slices"


def test_hdf5_is_left_to_the_process_that_may_die_of_it(tmp_path, monkeypatch):
    """Whatever is in it, libhdf5 does not see it here."""
    with h5py.File(tmp_path / "any.h5", "w"):
        pass

    def refuse(*_, **__):
        raise AssertionError("libhdf5 was asked")

    monkeypatch.setattr("h5py.File", refuse)
    monkeypatch.setattr("h5py.is_hdf5", refuse)
    assert layout_of(tmp_path / "any.h5") == HDF5


def others(tmp_path):
    yield tmp_path / "absent", "no such file or folder"
    yield tmp_path, "in this folder"
    empty = tmp_path / "empty.h5"
    empty.touch()
    yield empty, "in this file"
    text = tmp_path / "notes.pickle"
    text.write_text("no pickle")
    yield text, "in this file"
    half = tmp_path / "half.h5"
    half.write_bytes(b"\x89HDF")
    yield half, "in this file"


def test_anything_else_is_one_line_that_names_it(tmp_path):
    for path, why in others(tmp_path):
        with pytest.raises(DataFormatError) as error:
            layout_of(path)
        assert str(error.value).startswith(f"{path}: ")
        assert why in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_is_nobody_s_and_nobody_waits_for_it(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(DataFormatError):
        layout_of(tmp_path / "pipe.h5")


@pytest.mark.parametrize("path", ["/" + "a" * 5000, "x" * 300 + SUFFIX, "a\0b", "a\0b" + SUFFIX])
def test_a_path_that_no_file_can_have_is_one_line(path, controller, told):
    with pytest.raises(DataFormatError, match="cannot be opened: ") as error:
        layout_of(Path(path))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert layout_if_ours(Path(path)) is None
    assert read_slices(path) is None
    controller.opener.open_path(path)
    assert len(told()) == 1


@pytest.mark.parametrize("source", ["/" + "a" * 300, "/" + "a/" * 2000, "a\0b"])
def test_a_session_of_such_a_path_is_one_line_too(source, controller, told, tmp_path):
    session = tmp_path / f"s{SUFFIX}"
    controller.opener.open_demo()
    controller.session.save(session)
    record = json.loads(session.read_text())
    session.write_text(json.dumps({**record, "origin": {**record["origin"], "source": source}}))
    controller.opener.open_path(session)
    session.write_text(json.dumps({**record, "sampling": {**record["sampling"], "model": f"{source}.safetensors"}}))
    controller.opener.open_path(session)
    controller.tick()
    assert len(told()) == 1
    assert controller.browser.case is not None
