"""A data file that was exchanged for another of its name: nothing of one patient is shown on another."""

import json

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.casebook import Casebook
from napari_ambiseg.controller import Controller
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.session_file import SUFFIX
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.records import AnnotatedSlice

from .played_engine import PlayedEngine, draw

ORIGIN = Origin("file.h5", "train", 0)
FIRST, SECOND = "1" * 64, "2" * 64


def notes(book):
    return [(value["key"], value.get("note")) for value in book.as_json()]


def test_an_entry_is_not_shown_on_another_image_and_comes_back_with_its_own():
    book = Casebook()
    book.meet(ORIGIN, "a", FIRST)
    book.change(ORIGIN, "a", note="of the first")
    book.meet(ORIGIN, "a", SECOND)
    assert book.of(ORIGIN, "a").note == ""
    assert book.aside("file.h5", "train") == 1
    book.change(ORIGIN, "a", note="of the second")
    assert notes(book) == [("a", "of the first"), ("a", "of the second")]
    book.meet(ORIGIN, "a", FIRST)
    assert book.of(ORIGIN, "a").note == "of the first"
    assert len(book) == 2


def test_an_entry_of_another_patient_is_not_listed_either():
    book = Casebook()
    book.follow("file.h5", "train", ["a", "b"], ["p1", "p2"])
    book.change(ORIGIN, "a", note="of p1")
    book.change(ORIGIN, "b", note="of p2")
    book.follow("file.h5", "train", ["a", "b"], ["p3", "p2"])
    assert {key: entry.note for key, entry in book.book("file.h5", "train").items()} == {"b": "of p2"}
    assert book.aside("file.h5", "train") == 1
    assert book.aside("file.h5", "val") == 0


def test_what_was_said_before_patients_were_known_belongs_to_the_case_that_is_there():
    book = Casebook()
    book.change(ORIGIN, "a", note="early")
    book.follow("file.h5", "train", ["a"], ["p1"])
    book.meet(ORIGIN, "a", FIRST)
    entry = book.of(ORIGIN, "a")
    assert (entry.note, entry.patient, entry.content) == ("early", "p1", FIRST)


def test_both_entries_go_through_json_and_back():
    book = Casebook()
    for content in (FIRST, SECOND):
        book.meet(ORIGIN, "a", content)
        book.change(ORIGIN, "a", note=f"of {content[0]}")
    other = Casebook()
    other.from_json(json.loads(json.dumps(book.as_json())))
    assert other.as_json() == book.as_json()
    for content in (FIRST, SECOND):
        other.meet(ORIGIN, "a", content)
        assert other.of(ORIGIN, "a").note == f"of {content[0]}"


def test_taking_the_same_entries_in_again_adds_none():
    book = Casebook()
    for content in (FIRST, SECOND):
        book.meet(ORIGIN, "a", content)
        book.change(ORIGIN, "a", note=f"of {content[0]}")
    before = book.as_json()
    for _ in range(3):
        book.from_json(before)
    assert book.as_json() == before


def write(path, seed, patient=None):
    """A file of five slices with the keys 0 to 4."""
    slices = [phantom_case(i, seed, 64).slice for i in range(5)]
    slices = [AnnotatedSlice(one.image, one.masks, patient or one.patient, str(i)) for i, one in enumerate(slices)]
    write_dataset(path, {"train": slices}, {})


@pytest.fixture
def saved(controller, engine, tmp_path):
    """A session with a note and a drawing of the first case of a file, and its masks."""
    write(tmp_path / "data.hdf5", 1)
    controller.opener.open_path(tmp_path / "data.hdf5")
    draw(controller, engine)
    controller.reader.write_note("of the first file")
    controller.session.save(tmp_path / f"s{SUFFIX}")
    masks = controller.results.run.masks
    controller.opener.open_demo()
    return tmp_path / f"s{SUFFIX}", tmp_path / "data.hdf5", masks


@pytest.fixture
def another():
    """Another window."""
    viewer = ViewerModel()  # which the controller does not keep alive
    controller = Controller(viewer, PlayedEngine())
    yield controller
    controller.close()


@pytest.mark.parametrize(("seed", "patient"), [(1, "somebody else"), (2, None)], ids=["patient", "image"])
def test_a_session_shows_neither_notes_nor_drawings_on_another_case(saved, another, told, seed, patient):
    session, data, _ = saved
    write(data, seed, patient)
    another.session.open(session)
    another.tick()
    assert another.results.run is None
    assert another.state.reading.note == ""
    assert another.state.browsing.key == "0"
    assert any("has changed since" in line for line in told())
    assert any("masks of 0 in the session cannot be shown" in line for line in told())
    assert any("flag, note, reading" in line for line in told())
    another.session.save(session)  # the note is still in it
    assert "of the first file" in session.read_text()


def test_with_the_first_file_back_both_are_shown_again(saved, another, tmp_path):
    session, data, masks = saved
    first = data.read_bytes()
    write(data, 2)
    another.session.open(session)
    another.session.save(tmp_path / f"t{SUFFIX}")
    another.opener.open_demo()
    data.write_bytes(first)
    another.session.open(tmp_path / f"t{SUFFIX}")
    assert another.state.reading.note == "of the first file"
    another.session.open(session)
    another.tick()
    np.testing.assert_array_equal(another.results.run.masks, masks)


def test_what_is_noted_in_this_window_stays_when_a_session_is_opened(saved, another):
    session, data, _ = saved
    another.opener.open_path(data)
    another.reader.next_flag()
    another.opener.next_case(2)
    another.reader.write_note("mine")
    another.session.open(session)
    first = another.casebook.of(Origin(str(data), "train", 0), "0")
    assert (first.note, first.flag) == ("of the first file", "!")
    assert another.casebook.of(Origin(str(data), "train", 2), "2").note == "mine"


def test_what_was_unsaved_before_a_session_was_opened_is_still_unsaved(saved, another):
    another.opener.open_demo()
    another.reader.write_note("mine")
    another.session.open(saved[0])
    another.autosave.close()
    another.autosave.look_for_lost()
    assert another.state.sessions.offered


def test_layers_of_the_user_s_own_and_the_demo_may_change(controller, viewer):
    image = viewer.add_image(np.zeros((64, 64), np.float32))
    labels = viewer.add_labels(np.zeros((64, 64), np.uint8))
    viewer.layers.selection = {image, labels}
    controller.opener.use_layers()
    controller.reader.write_note("kept")
    labels.data[3:9, 3:9] = 1
    controller.browser.show(0)
    assert controller.state.reading.note == "kept"
    controller.opener.open_demo()
    assert controller.casebook.known(controller.browser.origin, controller.browser.key)[1] == ""


def test_a_session_of_the_same_data_says_nothing_of_changes(controller, another, file, told, tmp_path):
    for at, begin in enumerate((controller.opener.open_demo, lambda: controller.opener.open_path(file))):
        begin()
        for _ in range(3):
            controller.reader.write_note(f"note of {controller.browser.key}")
            controller.opener.next_case()
        controller.session.save(tmp_path / f"{at}{SUFFIX}")
        another.session.open(tmp_path / f"{at}{SUFFIX}")
        for _ in range(3):
            another.opener.next_case(-1)
            assert another.state.reading.note == f"note of {another.browser.key}"
    assert told() == []
