"""A session keeps every drawing that can be compared, and which are A and B; an edited file does no harm."""

import json
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.controller import Controller
from napari_ambiseg.kept_runs import KEPT_OF_A_CASE
from napari_ambiseg.session_file import SUFFIX, MasksRecord, read_session
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
def pinned(controller, engine, file):
    """A window where seed 0 was pinned as A, and seeds 1 and 2 drawn after it."""
    controller.opener.open_path(file)
    draw(controller, engine)
    controller.comparer.pin()
    for seed in (1, 2):
        controller.state.sampling.seed = seed
        draw(controller, engine)
    controller.tick()
    return controller


@pytest.fixture
def saved(pinned, tmp_path):
    """Its session, which a test may edit before it is opened."""
    path = tmp_path / f"s{SUFFIX}"
    pinned.session.save(path)
    return path


def edited(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def seeds(controller):
    comparer = controller.comparer
    a, b = (None if run is None else run.seed for run in (comparer.first, comparer.second))
    return [run.seed for run in comparer.runs], a, b


def test_what_was_pinned_and_drawn_before_comes_back(pinned, saved, another):
    another.session.open(saved)
    another.tick()
    assert seeds(another) == ([0, 1, 2], 0, 2)
    assert another.state.comparing.runs == pinned.state.comparing.runs
    for here, there in zip(another.comparer.runs, pinned.comparer.runs, strict=True):
        np.testing.assert_array_equal(here.masks, there.masks)
    assert another.results.run.seed == 2


def test_b_that_was_chosen_comes_back(pinned, another, tmp_path):
    pinned.comparer.choose_second(1)
    pinned.session.save(tmp_path / f"s{SUFFIX}")
    another.session.open(tmp_path / f"s{SUFFIX}")
    another.tick()
    assert seeds(another) == ([0, 1, 2], 0, 1)


def test_what_was_drawn_again_is_what_is_shown(pinned, engine, another, tmp_path):
    pinned.state.sampling.seed = 1
    draw(pinned, engine)
    pinned.tick()
    pinned.session.save(tmp_path / f"s{SUFFIX}")
    another.session.open(tmp_path / f"s{SUFFIX}")
    another.tick()
    assert (another.results.run.seed, seeds(another)[0]) == (1, [0, 1, 2])


def test_a_pin_alone_is_something_to_save(pinned, tmp_path):
    pinned.session.save(tmp_path / f"s{SUFFIX}")
    assert pinned.session.is_saved
    pinned.comparer.choose_first(1)
    assert not pinned.session.is_saved


def test_cases_that_are_not_shown_keep_theirs_through_another_window(pinned, another, tmp_path):
    pinned.opener.next_case()
    pinned.session.save(tmp_path / f"a{SUFFIX}")
    another.session.open(tmp_path / f"a{SUFFIX}")
    another.session.save(tmp_path / f"b{SUFFIX}")
    assert read_session(tmp_path / f"a{SUFFIX}").runs == read_session(tmp_path / f"b{SUFFIX}").runs
    another.opener.next_case(-1)
    another.tick()
    assert seeds(another) == ([0, 1, 2], 0, 2)


def test_no_more_is_kept_of_a_case_than_can_be_compared(pinned, engine, tmp_path):
    for seed in range(3, 20):
        pinned.state.sampling.seed = seed
        draw(pinned, engine)
    pinned.tick()
    pinned.session.save(tmp_path / f"s{SUFFIX}")
    kept = read_session(tmp_path / f"s{SUFFIX}").runs
    assert [run.seed for run in kept] == [0, *range(20 - KEPT_OF_A_CASE + 1, 20)]
    assert [run.letter for run in kept] == ["A"] + [""] * (KEPT_OF_A_CASE - 1)
    assert [run.seed for run in kept if run.shown] == [19]


def test_a_session_of_before_letters_were_kept_opens(saved, another):
    def change(record):
        record["runs"] = record["runs"][-1:]
        del record["runs"][0]["letter"], record["runs"][0]["shown"]

    edited(saved, change)
    another.session.open(saved)
    another.tick()
    assert (another.results.run.seed, seeds(another)) == (2, ([2], None, 2))


def test_one_damaged_drawing_leaves_the_others_and_is_told_once(saved, another, told):
    edited(saved, lambda record: record["runs"][0]["masks"].update(packed="!"))
    another.session.open(saved)
    another.tick()
    assert seeds(another) == ([1, 2], None, 2)
    (line,) = [line for line in told() if "cannot be shown" in line]
    assert line.startswith("1 of 3 drawings of ")
    assert "are damaged" in line


@pytest.mark.parametrize("letter", ["C", 1, None, "AB"])
def test_a_letter_that_there_is_not_is_refused(saved, another, letter):
    edited(saved, lambda record: record["runs"][0].update(letter=letter))
    with pytest.raises(DataFormatError, match=r"runs\.0\.letter"):
        another.session.open(saved)


def test_a_file_with_thousands_of_drawings_of_one_case_fills_no_memory(saved, another):
    def change(record):
        runs = record["runs"]
        record["runs"] = [{**runs[0], "seed": seed} for seed in range(3000)] + runs[1:]

    edited(saved, change)
    another.session.open(saved)
    another.tick()
    assert len(another.comparer.runs) <= KEPT_OF_A_CASE
    assert another.results.run.seed == 2


def test_drawings_that_would_not_fit_into_memory_are_left_packed(saved, another, monkeypatch):
    monkeypatch.setattr("napari_ambiseg.session.KEPT_BYTES", 2 * 6 * 64 * 64)
    unpacked = []
    masks = MasksRecord.masks
    monkeypatch.setattr(MasksRecord, "masks", lambda record: unpacked.append(record) or masks(record))
    another.session.open(saved)
    assert len(unpacked) == 2
    assert seeds(another)[0] == [1, 2]


def test_masks_of_another_shape_than_the_drawing_are_not_even_unpacked(saved, another, monkeypatch, told):
    edited(saved, lambda record: [run["masks"].update(shape=[6, 4096, 4096]) for run in record["runs"]])
    monkeypatch.setattr(MasksRecord, "masks", lambda _: pytest.fail("unpacked"))
    another.session.open(saved)
    assert any("they have the shape (6, 4096, 4096), not (6, 64, 64)" in line for line in told())


def test_the_same_masks_are_one_drawing_whoever_holds_them(pinned):
    run = pinned.results.run
    assert run.is_same(replace(run, masks=run.masks.copy(), frames=None))
    assert not run.is_same(replace(run, masks=~run.masks))
    assert not run.is_same(replace(run, seed=9))
