"""The drawing in napari's own Activity dialog."""

import gc

import pytest
from napari.utils import progress
from qtpy.QtWidgets import QLabel

from napari_ambiseg._qt.dock import pulse_of
from napari_ambiseg._qt.sampler_panel import SamplerPanel
from napari_ambiseg.messages import Cancelled

from ..played_engine import STEPS


@pytest.fixture
def pulse(quiet_controller, make_dock):
    make_dock(SamplerPanel)
    quiet_controller.opener.open_demo()
    return pulse_of(quiet_controller.viewer)


def bars():
    return [bar for bar in progress._all_instances if bar.desc.startswith("ambiseg")]


def dialog_of(controller):
    return controller.viewer.window._qt_window._activity_dialog


def test_a_drawing_has_one_bar_which_goes_when_it_ends(pulse, quiet_controller, engine):
    quiet_controller.generate()
    pulse._on_timeout()
    assert bars() == []
    engine.load()
    pulse._on_timeout()
    pulse._on_timeout()
    (bar,) = bars()
    assert (bar.desc, bar.total) == ("ambiseg: 6 samples", 100)
    engine.step(*range(STEPS + 1))
    engine.finish()
    pulse._on_timeout()
    assert bars() == []


def test_the_bar_moves_while_the_dialog_is_open_and_costs_nothing_while_it_is_not(pulse, quiet_controller, engine):
    quiet_controller.generate()
    engine.load()
    engine.step(0)
    pulse._on_timeout()
    engine.step(1)
    pulse._on_timeout()
    (bar,) = bars()
    assert bar.n == 0
    pulse._activity._dialogs = [type("Open", (), {"isVisible": lambda _: True})()]
    pulse._on_timeout()
    assert bar.n == 50
    quiet_controller.drawing.cancel()
    engine.answer(Cancelled(1))
    pulse._on_timeout()
    assert bars() == []


def test_napari_s_moving_sign_is_stopped_since_it_repaints_the_window_all_the_time(pulse, quiet_controller, engine):
    quiet_controller.generate()
    engine.load()
    pulse._on_timeout()
    window = quiet_controller.viewer.window._qt_window
    movies = [label.movie() for label in window.statusBar().findChildren(QLabel) if label.movie() is not None]
    assert movies
    assert [movie.state() for movie in movies] == [movie.MovieState.NotRunning for movie in movies]
    assert pulse._activity._dialogs == [dialog_of(quiet_controller)]
    quiet_controller.drawing.cancel()
    engine.answer(Cancelled(1))
    pulse._on_timeout()


def test_a_window_that_is_closed_while_drawing_leaves_no_bar(pulse, quiet_controller, engine, qtbot):
    quiet_controller.generate()
    engine.load()
    pulse._on_timeout()
    assert len(bars()) == 1
    viewer = quiet_controller.viewer
    del pulse
    viewer.close()
    qtbot.wait(50)
    gc.collect()
    assert bars() == []
