"""No window's session is lost: closed at once, beside another, restored and closed, or not to be read for now."""

import json
import os
import time

import pytest
from napari.components import ViewerModel

from napari_ambiseg.controller import Controller
from napari_ambiseg.lost_sessions import LostSessions, default_folder
from napari_ambiseg.session_file import SUFFIX

from .played_engine import PlayedEngine


@pytest.fixture
def window():
    """Makes windows, and closes those that the test leaves open."""
    made = []

    def make():
        viewer = ViewerModel()
        made.append((viewer, Controller(viewer, PlayedEngine())))
        return made[-1][1]

    yield make
    for _, controller in made:
        controller.close()


def kept():
    """What lies in the folder, the text of each file by its name."""
    return {path.name: path.read_text() for path in sorted(default_folder().iterdir())}


def noted(controller, note):
    controller.opener.open_demo()
    controller.reader.write_note(note)
    return controller


@pytest.fixture
def left(window):
    """The file that a closed window left, and what is in it."""
    noted(window(), "mine").autosave.close()
    (path,) = default_folder().iterdir()
    return path, json.loads(path.read_text())


def test_a_window_that_is_closed_at_once_leaves_what_was_done(window):
    noted(window(), "important").autosave.close()
    (text,) = kept().values()
    assert "important" in text


def test_windows_that_are_closed_one_after_another_leave_a_file_each(window):
    first, second = noted(window(), "of the first"), noted(window(), "of the second")
    first.autosave.close()
    second.autosave.close()
    assert [sum(f"of the {name}" in text for text in kept().values()) for name in ("first", "second")] == [1, 1]
    assert len(kept()) == 2


def test_a_restored_session_is_there_until_the_new_window_has_written_its_own(window, left):
    another = window()
    another.autosave.look_for_lost()
    another.autosave.restore()
    assert another.state.reading.note == "mine"
    (text,) = kept().values()
    assert "mine" in text  # a crash now loses nothing
    another.autosave.close()
    (text,) = kept().values()
    assert "mine" in text
    third = window()
    third.autosave.look_for_lost()
    assert third.state.sessions.offered


def test_a_session_that_cannot_be_taken_over_is_offered_again(window, left):
    path, record = left
    path.write_text(json.dumps({**record, "origin": {**record["origin"], "split": "none"}}))
    another = window()
    another.autosave.look_for_lost()
    with pytest.raises(Exception, match="no split 'none'"):
        another.autosave.restore()
    assert path.exists()
    assert another.state.sessions.offered


def test_a_session_of_a_later_version_stays_and_is_told_of_once(window, left, told):
    path, record = left
    path.write_text(json.dumps({**record, "version": 2, "more": 1}))
    another = window()
    for _ in range(2):
        another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""
    assert json.loads(path.read_text())["more"] == 1
    (line,) = [line for line in told() if "newer napari-ambiseg" in line]
    assert "format 2, this one reads 1" in line


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="somebody who may read everything")
def test_a_session_that_may_not_be_read_for_now_stays(window, left):
    path, _ = left
    path.chmod(0)
    another = window()
    another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""
    path.chmod(0o600)
    another.autosave.look_for_lost()
    assert another.state.sessions.offered


def test_a_session_that_cannot_be_read_for_now_is_offered_once_it_can(window, left, told):
    path, record = left
    path.unlink()
    path.mkdir()  # reading it is an error of the system, as of a disk that is away
    another = window()
    for _ in range(2):
        another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""
    assert path.exists()
    assert len([line for line in told() if "cannot be read" in line]) == 1
    path.rmdir()
    path.write_text(json.dumps(record))
    another.autosave.look_for_lost()
    assert another.state.sessions.offered


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', '{"version": "x", "format": "napari-ambiseg session"}'])
def test_a_damaged_session_is_kept_under_another_name(window, left, told, content):
    path, _ = left
    path.write_text(content)
    another = window()
    for _ in range(2):
        another.autosave.look_for_lost()
    assert another.state.sessions.offered == ""
    assert kept() == {f"{path.name}.unreadable": content}
    assert len([line for line in told() if f"kept as {path.name}.unreadable" in line]) == 1


def test_the_five_newest_are_kept_and_offered_one_after_another(window, left):
    path, record = left
    path.unlink()
    for at in range(8):
        older = path.with_name(f"last-{at}{SUFFIX}")
        older.write_text(json.dumps({**record, "saved": f"2026-01-0{at + 1}T00:00:00+00:00"}))
        os.utime(older, (time.time() - 100 + at,) * 2)
    lost = LostSessions("x")
    found = []
    while (newest := lost.newest()) is not None:
        found.append(newest[1][:10])
        lost.remove(newest[0])
    assert found == [f"2026-01-0{day}" for day in (8, 7, 6, 5, 4)]


def test_what_is_in_use_or_this_window_s_own_is_not_offered(window, left):
    path, record = left
    path.rename(path.with_name(f"{os.getpid()}-1{SUFFIX}"))
    lost = LostSessions("x")
    assert lost.newest() is None
    lost.own.write_text(json.dumps(record))
    assert lost.newest() is None
    assert len(kept()) == 2


def test_a_lost_session_is_offered_though_its_number_is_another_programs_by_now(controller, tmp_path):
    controller.opener.open_demo()
    controller.session.save(tmp_path / "s.ambiseg.json")
    lost = tmp_path / "sessions" / f"{os.getppid()}-7f00{SUFFIX}"  # a living process that began after it was written
    lost.parent.mkdir()
    (tmp_path / "s.ambiseg.json").rename(lost)
    before = time.time() - 30 * 24 * 3600
    os.utime(lost, (before, before))
    found = LostSessions("me", tmp_path / "sessions").newest()
    assert found is not None
    assert found[0] == lost


def test_half_written_sessions_of_windows_that_were_killed_do_not_pile_up(tmp_path):
    dead = 2**22 + 1  # no process has such a number
    half = tmp_path / f".{dead}-7f00{SUFFIX}.{dead}-0badcafe.part"
    half.write_text("{")
    LostSessions("me", tmp_path).newest()
    assert not half.exists()


def test_what_a_living_window_is_writing_stays(tmp_path):
    half = tmp_path / f".{os.getpid()}-7f00{SUFFIX}.{os.getpid()}-0badcafe.part"
    half.write_text("{")
    LostSessions("me", tmp_path).newest()
    assert half.exists()
