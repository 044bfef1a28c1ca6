"""What a path is: ours at once, ours after a conversion, or not ours."""

import sys

import h5py
import pytest

from napari_ambiseg.sources import HDF5, layout_of
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
