"""What all docks share: drawn at the beat, only while in sight; the pulse that asks for it."""

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QLabel

from napari_ambiseg._qt.dock import Dock, pulse_of
from napari_ambiseg.layers.roles import TRAJECTORY

from ..played_engine import draw


class Counting(Dock):
    """Counts how often it was refreshed."""

    def __init__(self, napari_viewer):
        super().__init__(napari_viewer)
        self.refreshed = 0
        self.column.addWidget(QLabel("here"))
        self.follow(self.state.sampling.events.message)

    def refresh(self):
        self.refreshed += 1


def test_a_dock_refreshes_once_a_beat_only_if_something_changed_and_only_in_sight(windowless, qtbot):
    dock = Counting(windowless)
    qtbot.addWidget(dock)
    dock.look()
    assert dock.refreshed == 0  # nobody can see it
    dock.show()
    qtbot.waitUntil(dock.is_in_sight)
    dock.look()
    dock.look()
    assert dock.refreshed == 1
    for text in "abc":
        dock.state.sampling.message = text
    dock.look()
    assert dock.refreshed == 2
    dock.hide()
    dock.state.sampling.message = "d"
    dock.look()
    assert dock.refreshed == 2
    dock.show()
    qtbot.waitUntil(dock.is_in_sight)
    dock.look()
    assert dock.refreshed == 3


def test_the_pulse_works_then_lets_the_docks_look(quiet_controller, make_dock, monkeypatch):
    dock, order = make_dock(Counting), []
    monkeypatch.setattr(quiet_controller, "tick", lambda: order.append("tick"))
    monkeypatch.setattr(dock, "is_in_sight", lambda: True)
    monkeypatch.setattr(dock, "refresh", lambda: order.append("refresh"))
    pulse_of(quiet_controller.viewer)._on_timeout()
    assert order == ["tick", "refresh"]


def test_a_minimised_window_watches_nothing(quiet_controller, engine, make_dock, monkeypatch):
    make_dock(Counting)
    pulse = pulse_of(quiet_controller.viewer)
    monkeypatch.setattr("napari._qt.qt_main_window._QtMainWindow.isMinimized", lambda _: True)
    pulse._on_timeout()
    assert engine.verbs == ["look away"]


def test_a_closed_dock_that_somebody_still_holds_watches_nothing(quiet_controller, engine, make_dock):
    dock = make_dock(Counting)
    dock.watches = True
    quiet_controller.opener.open_demo()
    draw(quiet_controller, engine)
    quiet_controller.layers.find(TRAJECTORY).visible = False
    quiet_controller.viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete)
    pulse_of(quiet_controller.viewer)._on_timeout()
    assert engine.verbs[-1] == "look away"
