"""Nothing is lost by one write that failed: it is tried again, told once, and tried a last time at the close."""

import time

import pytest

from napari_ambiseg import autosave
from napari_ambiseg.lost_sessions import default_folder
from napari_ambiseg.session_file import SUFFIX, read_session
from training.errors import ConfigError

from .played_engine import draw


class Disk:
    """Writes sessions while it works, and counts how often it was asked to."""

    def __init__(self, monkeypatch):
        self.works, self.asked = True, 0
        self._write = autosave.write_session
        monkeypatch.setattr(autosave, "write_session", self)

    def __call__(self, path, record):
        self.asked += 1
        if not self.works:
            raise ConfigError(f"cannot write {path}: disk full; choose another place")
        self._write(path, record)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def drawn(controller, engine, file, disk):
    controller.opener.open_path(file)
    draw(controller, engine)
    return controller


def let_write(controller):
    """As if the pause were over."""
    writer = controller.autosave
    writer._next = 0
    writer.update()
    end = time.monotonic() + 20
    while writer._background.busy:
        assert time.monotonic() < end
        writer.update()
        time.sleep(0.002)


def kept(controller):
    return read_session(controller.autosave._lost.own)


def test_what_failed_is_written_at_the_next_pause_though_nothing_changed_since(drawn, disk, told):
    disk.works = False
    let_write(drawn)
    let_write(drawn)
    assert disk.asked == 2
    assert len([line for line in told() if "tried again and again: cannot write" in line]) == 1
    disk.works = True
    let_write(drawn)
    assert len(kept(drawn).runs) == 1
    let_write(drawn)
    assert disk.asked == 3  # there is nothing new
    disk.works = False
    drawn.state.sampling.seed = 3
    let_write(drawn)
    assert len([line for line in told() if "tried again and again" in line]) == 2  # it had worked in between


def test_after_a_failure_it_waits_for_the_next_pause(drawn, disk):
    disk.works = False
    let_write(drawn)
    for _ in range(20):
        drawn.autosave.update()
    assert disk.asked == 1
    assert 0 < drawn.autosave._next - time.monotonic() <= 5


def test_what_changes_while_it_is_being_written_is_written_too(drawn, disk):
    drawn.autosave._next = 0
    drawn.autosave.update()
    drawn.state.sampling.seed = 21
    let_write(drawn)
    let_write(drawn)
    assert kept(drawn).sampling.seed == 21


def test_the_close_tries_a_last_time(drawn, disk):
    disk.works = False
    let_write(drawn)
    disk.works = True
    drawn.autosave.close()
    (left,) = default_folder().glob(f"*{SUFFIX}")
    assert len(read_session(left).runs) == 1


def test_a_close_that_cannot_write_says_so_in_the_log_too(drawn, disk, caplog, told):
    disk.works = False
    drawn.autosave.close()
    assert "disk full" in caplog.text
    assert any("disk full" in line for line in told())


def test_a_window_closed_at_once_after_a_drawing_keeps_it(drawn):
    drawn.autosave.close()
    (left,) = default_folder().glob(f"*{SUFFIX}")
    assert len(read_session(left).runs) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda c: setattr(c.state.display, "staple", True),
        lambda c: setattr(c.state.display, "outline_width", 2.0),
        lambda c: setattr(c.state.postprocessing, "show_before", False),
        lambda c: setattr(c.state.listing, "search", "1"),
        lambda c: c.placer.put((3, 3)),
    ],
)
def test_each_change_of_a_setting_is_written_down(drawn, disk, change):
    let_write(drawn)
    before = disk.asked
    let_write(drawn)
    assert disk.asked == before
    change(drawn)
    let_write(drawn)
    assert disk.asked == before + 1


def test_a_session_that_another_window_took_is_no_longer_offered(drawn, told):
    let_write(drawn)
    own = drawn.autosave._lost.own
    lost = own.rename(own.with_name(f"999999999-1{SUFFIX}"))
    drawn.autosave.look_for_lost()
    assert drawn.state.sessions.offered
    lost.unlink()
    with pytest.raises(ConfigError, match="another window has"):
        drawn.autosave.restore()
    assert drawn.state.sessions.offered == ""


def test_what_was_restored_is_not_lost_by_a_crash_right_after(drawn):
    let_write(drawn)
    own = drawn.autosave._lost.own
    own.rename(own.with_name(f"999999999-1{SUFFIX}"))
    drawn.autosave.look_for_lost()
    drawn.autosave.restore()
    (left,) = default_folder().glob(f"*{SUFFIX}")  # nothing was written since
    assert len(read_session(left).runs) == 1
