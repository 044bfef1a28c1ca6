"""Two windows with one session: what either of them said is kept, and where both said something it is told."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.controller import Controller
from napari_ambiseg.entries import Entry, contradict
from napari_ambiseg.session_file import SUFFIX, read_session
from training.errors import DataFormatError

from .played_engine import PlayedEngine, draw


@pytest.fixture
def another():
    """Another window."""
    viewer = ViewerModel()  # which the controller does not keep alive
    controller = Controller(viewer, PlayedEngine())
    yield controller
    controller.close()


@pytest.fixture
def path(controller, another, tmp_path):
    """The session that both windows have open."""
    path = tmp_path / f"s{SUFFIX}"
    controller.opener.open_demo()
    controller.session.save(path)
    another.session.open(path)
    return path


def notes(path):
    return {case["key"]: case.get("note") for case in read_session(path).cases}


def test_a_window_that_saves_takes_in_what_the_other_one_saved_meanwhile(controller, another, engine, path, told):
    controller.reader.write_note("of the first window")
    draw(controller, engine)
    controller.session.save(path)
    another.opener.next_case()
    another.reader.write_note("of the second window")
    another.session.save(path)
    assert notes(path) == {"synthetic 01": "of the first window", "synthetic 02": "of the second window"}
    assert [run.origin.index for run in read_session(path).runs] == [0]
    assert told() == []  # nothing gave way
    another.session.save(path)  # its own file: nothing to take in
    assert told() == []


def test_two_notes_on_one_case_are_told_once_and_the_one_written_last_is_kept(controller, another, path, told):
    controller.reader.write_note("earlier")
    controller.session.save(path)
    another.reader.write_note("later")
    another.session.save(path)
    assert notes(path)["synthetic 01"] == "later"
    assert told() == ["noted or read otherwise here than in the session, and what was said last is kept: synthetic 01"]
    controller.session.save(path)
    assert controller.state.reading.note == "later"


def test_a_session_that_cannot_be_read_any_more_is_not_replaced(controller, path):
    path.write_text("{}")
    with pytest.raises(DataFormatError, match="is no session"):
        controller.session.save(path)
    assert path.read_text() == "{}"


@pytest.mark.parametrize(
    ("here", "other", "is_one"),
    [
        ({"note": "a"}, {"note": "a"}, False),
        ({"note": "a"}, {"note": ""}, False),
        ({"note": "a"}, {"note": "b"}, True),
        ({"flag": "!"}, {"flag": "?"}, True),
        ({"flag": "!"}, {"flag": ""}, False),
        ({"mask": np.eye(2, dtype=bool)}, {"mask": np.eye(2, dtype=bool)}, False),
        ({"mask": np.eye(2, dtype=bool)}, {"mask": np.ones((2, 2), bool)}, True),
        ({"mask": np.eye(2, dtype=bool)}, {"mask": np.zeros((2, 2), bool)}, False),
        ({"mask": np.eye(2, dtype=bool)}, {"mask": np.zeros((2, 2), bool), "nothing": True}, True),
        ({"note": "a"}, {"flag": "!"}, False),
    ],
)
def test_entries_contradict_where_both_say_something_else(here, other, is_one):
    assert contradict(Entry(**here), Entry(**other)) is is_one
    assert contradict(Entry(**other), Entry(**here)) is is_one
