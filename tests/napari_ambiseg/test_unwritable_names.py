"""Data in a folder whose name is no UTF-8, and a note with half a letter: what no file of text can hold."""

import os
from pathlib import Path

import pytest

from napari_ambiseg.session_file import read_session
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import ConfigError


@pytest.fixture
def odd_file(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    write_dataset(folder / "cases.hdf5", {"train": [phantom_case(0, 1, 64).slice]}, {})
    return folder / "cases.hdf5"


def test_data_under_a_name_that_no_session_can_hold_is_told_in_one_line(controller, odd_file, tmp_path):
    controller.opener.open_path(odd_file)
    controller.tick()
    controller.reader.write_note("hi")
    with pytest.raises(ConfigError, match="rename"):
        controller.session.save(tmp_path / "s.ambiseg.json")
    with pytest.raises(ConfigError, match="rename"):
        controller.session.without_drawings()


def test_the_engine_is_stopped_where_the_session_cannot_be_written_at_the_close(controller, engine, odd_file):
    controller.opener.open_path(odd_file)
    controller.reader.write_note("hi")
    stopped = []
    engine.stop = lambda: stopped.append(True)
    controller.close()
    assert stopped


def test_the_autosave_tells_once_that_it_cannot_write(controller, odd_file, told, monkeypatch):
    controller.opener.open_path(odd_file)
    controller.reader.write_note("hi")
    monkeypatch.setattr("napari_ambiseg.autosave._PAUSE_S", 0.0)
    controller.autosave._next = 0.0
    for _ in range(5):
        controller.tick()
    assert len([line for line in told() if "rename" in line]) == 1


def test_half_a_letter_in_a_note_does_not_keep_the_session_from_being_saved(controller, tmp_path):
    controller.opener.open_demo()
    controller.tick()
    controller.reader.write_note("bad \ud83d")
    controller.session.save(tmp_path / "s.ambiseg.json")
    assert read_session(tmp_path / "s.ambiseg.json").cases
