"""A session comes back as it was; a damaged one changes nothing; what was lost is offered."""

import json
import os
import time

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.controller import Controller
from napari_ambiseg.layers.maps import VOTES
from napari_ambiseg.lost_sessions import default_folder
from napari_ambiseg.session_file import SUFFIX, MasksRecord, read_session
from training.errors import ConfigError, DataFormatError
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

from .played_engine import PlayedEngine, draw


@pytest.fixture
def worked(controller, engine, file):
    """A window in which things were done: samples of two cases, a note, settings."""
    controller.opener.open_path(file)
    draw(controller, engine)
    controller.opener.next_case(2)
    draw(controller, engine)
    controller.tick()
    origin = controller.browser.origin
    controller.casebook.change(origin, controller.browser.key, note="spiculated", flag="!")
    controller.state.sampling.wish = SamplingWish(sampler="ddpm", steps=7)
    controller.state.sampling.seed = 5
    controller.state.postprocessing.cleaning = Cleaning(relative_area=0.25, fill_holes=True)
    controller.state.display.map = VOTES
    controller.tick()
    return controller


@pytest.fixture
def another():
    """Another window."""
    viewer = ViewerModel()  # which the controller does not keep alive
    controller = Controller(viewer, PlayedEngine())
    yield controller
    controller.close()


def test_everything_comes_back_in_another_window(worked, another, tmp_path):
    worked.session.save(tmp_path / f"s{SUFFIX}")
    another.session.open(tmp_path / f"s{SUFFIX}")
    another.tick()
    for name in ("source", "split", "index", "key"):
        assert getattr(another.state.browsing, name) == getattr(worked.state.browsing, name)
    assert another.state.sampling.wish == SamplingWish(sampler="ddpm", steps=7)
    assert (another.state.sampling.seed, another.state.sampling.n_samples) == (5, 6)
    assert another.state.postprocessing.cleaning == Cleaning(relative_area=0.25, fill_holes=True)
    assert another.state.display.map == VOTES
    entry = another.casebook.of(another.browser.origin, another.browser.key)
    assert (entry.note, entry.flag) == ("spiculated", "!")
    np.testing.assert_array_equal(another.results.run.masks, worked.results.run.masks)
    assert another.results.run.provenance == dict(worked.results.run.provenance)
    assert another.state.disagreement.raw.ged_v == worked.state.disagreement.raw.ged_v


def test_samples_of_cases_that_are_not_shown_wait_for_them(worked, another, tmp_path):
    worked.session.save(tmp_path / f"s{SUFFIX}")
    another.session.open(tmp_path / f"s{SUFFIX}")
    first = worked.runs.all()[0]
    another.opener.open_case(first.origin.index)
    another.tick()
    np.testing.assert_array_equal(another.results.run.masks, first.masks)
    another.opener.open_case(1)
    another.tick()
    assert another.results.run is None


def test_saving_what_was_opened_loses_nothing(worked, another, tmp_path):
    worked.session.save(tmp_path / f"a{SUFFIX}")
    another.session.open(tmp_path / f"a{SUFFIX}")
    another.session.save(tmp_path / f"b{SUFFIX}")
    a, b = (json.loads((tmp_path / f"{name}{SUFFIX}").read_text()) for name in "ab")
    order = lambda runs: sorted(runs, key=lambda run: run["origin"]["index"])  # noqa: E731
    assert order(a.pop("runs")) == order(b.pop("runs"))
    assert {**a, "saved": ""} == {**b, "saved": ""}


def test_a_relative_path_is_found_from_elsewhere(controller, another, file, tmp_path, monkeypatch):
    monkeypatch.chdir(file.parent)
    controller.opener.open_path(file.name)
    controller.session.save(tmp_path / f"s{SUFFIX}")
    monkeypatch.chdir("/")
    another.session.open(tmp_path / f"s{SUFFIX}")
    assert another.state.browsing.key == controller.state.browsing.key


def test_data_that_is_gone_or_changed_is_told(worked, another, file, tmp_path, told):
    worked.session.save(tmp_path / f"s{SUFFIX}")
    record = json.loads((tmp_path / f"s{SUFFIX}").read_text())
    record["origin"]["key"] = "another"
    for run in record["runs"]:
        run["origin"]["key"] = "another"
    (tmp_path / f"t{SUFFIX}").write_text(json.dumps(record))
    another.session.open(tmp_path / f"t{SUFFIX}")
    assert any("has changed since" in line for line in told())
    assert any("cannot be shown: they are of another" in line for line in told())
    assert another.results.run is None
    another.browser.close()
    file.unlink()
    with pytest.raises(DataFormatError, match=r"cases\.hdf5, which is not there"):
        another.session.open(tmp_path / f"s{SUFFIX}")


def damaged(record):
    """Names and contents of files that are no session, or none that can be trusted."""
    yield "no JSON", "{"
    yield "another file", '{"a": 1}'
    yield "another version", json.dumps({**record, "version": 2})
    yield "an unknown field", json.dumps({**record, "more": 1})
    yield "not a number", json.dumps(record).replace('"seed": 5', '"seed": NaN')
    yield "a seed below 0", json.dumps({**record, "sampling": {**record["sampling"], "seed": -1}})
    yield "a map that there is not", json.dumps({**record, "display": {**record["display"], "map": "x"}})
    yield "r of 2", json.dumps({**record, "postprocessing": {"cleaning": {"relative_area": 2}}})
    yield "cases of text", json.dumps({**record, "cases": "x"})
    yield "a split that there is not", json.dumps({**record, "origin": {**record["origin"], "split": "x"}})


def test_a_damaged_session_is_refused_in_one_line_and_changes_nothing(worked, another, tmp_path):
    worked.session.save(tmp_path / f"s{SUFFIX}")
    record = json.loads((tmp_path / f"s{SUFFIX}").read_text())
    before = another.session.record().model_copy(update={"saved": ""})
    for name, content in damaged(record):
        path = tmp_path / f"{name}{SUFFIX}"
        path.write_text(content)
        with pytest.raises((ConfigError, DataFormatError)) as told:
            another.session.open(path)
        assert "\n" not in str(told.value), name
        assert another.session.record().model_copy(update={"saved": ""}) == before, name
    with pytest.raises(DataFormatError, match="cannot be read"):
        another.session.open(tmp_path / f"none{SUFFIX}")


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (2, 16, 16)])
def test_masks_are_packed_without_loss(shape):
    masks = np.random.default_rng(0).random(shape) > 0.5
    np.testing.assert_array_equal(MasksRecord.of(masks).masks(), masks)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": (3, 5, 8)}, "bytes of"),
        ({"shape": (1, 5, 7)}, "bytes of"),
        ({"shape": (0, 5, 7)}, "shape"),
        ({"shape": (2**20, 2**20, 2**20)}, "shape"),
        ({"packed": "####"}, "damaged"),
        ({"packed": "AAAA"}, "damaged"),
    ],
)
def test_masks_that_are_not_what_they_say_are_refused(change, says):
    record = MasksRecord.of(np.ones((3, 5, 7), bool)).model_copy(update=change)
    with pytest.raises(DataFormatError, match=says):
        record.masks()


def test_a_name_of_another_end_is_refused(worked, tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.ambiseg\.json, got 's\.json'"):
        worked.session.save(tmp_path / "s.json")


def test_the_session_is_written_down_by_itself_and_offered_after_a_crash(worked, another, monkeypatch, tmp_path):
    wait_for_autosave(worked)
    (written,) = default_folder().glob(f"*{SUFFIX}")
    assert written.name.startswith(f"{os.getpid()}-")
    another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""  # its window is still open
    written.rename(written.with_name(f"999999999-1{SUFFIX}"))  # the process is gone
    another.autosave.look_for_lost()
    assert "cases.hdf5" in another.state.sessions.offered
    assert "2 drawings" in another.state.sessions.offered
    another.autosave.restore()
    another.tick()
    np.testing.assert_array_equal(another.results.run.masks, worked.results.run.masks)
    assert another.state.sessions.offered == ""
    another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""


def test_what_is_offered_can_be_done_away_with(worked, another):
    wait_for_autosave(worked)
    worked.autosave.close()  # the window was closed in order: it is the last session then
    another.autosave.look_for_lost()
    assert another.state.sessions.offered
    another.autosave.discard()
    another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""
    assert not list(default_folder().iterdir())


def test_what_the_user_saved_is_not_offered_as_lost(worked, another, tmp_path):
    wait_for_autosave(worked)
    worked.session.save(tmp_path / f"s{SUFFIX}")
    worked.autosave.close()
    another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""


def test_a_damaged_file_is_not_offered_and_old_ones_go(another):
    folder = default_folder()
    folder.mkdir(parents=True)
    for at in range(9):
        (folder / f"99999999{at}-1{SUFFIX}").write_text("{")
    another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""
    assert len(list(folder.iterdir())) <= 5


def test_without_autosave_nothing_is_written(viewer, engine, file):
    from napari_ambiseg.settings import Settings

    controller = Controller(viewer, engine, Settings(autosave=False))
    controller.opener.open_path(file)
    controller.autosave._next = 0
    for _ in range(3):
        controller.autosave.update()
    controller.close()
    assert not default_folder().exists()


def test_a_disk_that_cannot_be_written_is_told_once(worked, monkeypatch, told):
    default_folder().parent.mkdir(parents=True, exist_ok=True)
    default_folder().touch()  # a file in the place of the folder
    wait_for_autosave(worked, writes=False)
    for _ in range(20):
        worked.state.sampling.seed += 1
        worked.autosave.update()
        time.sleep(0.01)
    assert len([line for line in told() if "could not be written down" in line]) == 1


def wait_for_autosave(controller, writes=True):
    """As if the pause were over."""
    writer = controller.autosave
    controller.session.touch()
    writer._next = 0
    writer.update()
    end = time.monotonic() + 20
    while writer._background.busy:
        assert time.monotonic() < end
        writer.update()
        time.sleep(0.005)
    if writes:
        assert read_session(writer._lost.own).runs
        assert controller.state.sessions.saved


def test_a_session_that_is_saved_while_the_data_are_away_keeps_case_and_drawings(controller, engine, file, tmp_path):
    controller.opener.open_path(file)
    controller.tick()
    draw(controller, engine)
    path = tmp_path / "s.ambiseg.json"
    controller.session.save(path)
    assert read_session(path).origin is not None
    assert len(read_session(path).runs) == 1
    file.rename(tmp_path / "away")  # a network drive that is gone for a moment
    controller.reader.write_note("large")
    controller.session.save(path)
    assert read_session(path).origin is not None
    assert len(read_session(path).runs) == 1
