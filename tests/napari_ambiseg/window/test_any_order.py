"""Whatever the user does, in whatever order: no exception, no orphan, never two layers for one thing (R20)."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from napari.utils.notifications import ErrorNotification, NotificationSeverity, notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.notices import notify
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case

from ..played_engine import STEPS, PlayedEngine
from .any_user import User


@pytest.fixture
def user(make_napari_viewer, monkeypatch, tmp_path):
    """The machine, before two windows with all docks."""
    engines = []

    def make(*_):
        engines.append(PlayedEngine())
        return engines[-1]

    monkeypatch.setattr("napari_ambiseg.controller.Engine", make)
    viewers = [make_napari_viewer(show=True) for _ in range(2)]
    for viewer in viewers:
        viewer.window.resize(1280, 720)
        open_all_docks(viewer)
    file = tmp_path / "large.hdf5"
    write_dataset(file, {"train": [phantom_case(i, 5, 256).slice for i in range(3)]}, {})
    seated = {"viewer": viewers[0], "other": viewers[1], "engines": engines}
    yield type("Seated", (User,), seated | {"file": file, "session": tmp_path / "work.ambiseg.json"})
    for viewer in viewers:
        controller_of(viewer).drawing.cancel()


@contextmanager
def no_bug_told():
    """Nothing that the user is told in here may come from an exception; what is meant for the user is one line."""
    before = len(notification_manager.records)
    with notification_manager:  # as in a running napari, where what a slot or a thread raises goes there
        yield
    told = notification_manager.records[before:]
    bugs = [note.as_text() for note in told if isinstance(note, ErrorNotification)]
    assert not bugs, "\n".join(bugs)
    assert not [note for note in told if note.severity == NotificationSeverity.ERROR and "\n" in note.message]


def play(user, sequences, steps):
    assert STEPS == 4  # what `a_step_comes` counts to
    with no_bug_told():
        run_state_machine_as_test(
            user,
            settings=settings(
                max_examples=sequences,
                stateful_step_count=steps,
                deadline=None,
                phases=[Phase.generate],  # a shorter sequence would begin with other windows
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.long
def test_eight_sequences_of_actions_leave_no_exception(user):
    play(user, 8, 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_sequences_of_actions_leave_no_exception(user):
    play(user, 200, 20)


def test_a_bug_in_a_slot_would_be_noticed(qapp):
    def trip():
        raise ZeroDivisionError("a bug")

    def play_on():
        with no_bug_told():
            QTimer.singleShot(0, trip)
            QApplication.processEvents()

    with pytest.raises(AssertionError, match="a bug"):
        play_on()


def test_an_error_for_the_user_is_no_bug(qapp):
    with no_bug_told():
        notify("no model 'x'; choose one of: demo")
