"""What the docks' tests share."""

import pytest
from qtpy.QtCore import QObject, Signal

from napari_ambiseg.controller import controller_of
from napari_ambiseg.sources import HDF5


@pytest.fixture
def quiet_controller(make_napari_viewer, monkeypatch, engine):
    """The controller of a viewer with a window that is not shown, whose pulse the tests give by hand."""
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    monkeypatch.setattr("napari_ambiseg._qt.dock._BEAT_MS", 10**6)
    controller = controller_of(make_napari_viewer())
    controller.state.sampling.n_samples = 6
    return controller


@pytest.fixture
def make_dock(quiet_controller):
    """Makes a dock in the window of `quiet_controller`."""

    def make(kind):
        dock = kind(quiet_controller.viewer)
        quiet_controller.viewer.window.add_dock_widget(dock, name=kind.__name__)
        dock.refresh()
        return dock

    return make


@pytest.fixture
def opened(quiet_controller, monkeypatch):
    """Opens these data in place of a file, and lets the survey end."""

    def make(data, *, surveyed=True):
        monkeypatch.setattr("napari_ambiseg.opener.layout_of", lambda _: HDF5)
        monkeypatch.setattr("napari_ambiseg.browser.open_isolated", lambda _: data)
        quiet_controller.opener.open_path("any.h5")
        while surveyed and not quiet_controller.browser.survey.done:
            quiet_controller.tick()
        return data

    return make


class _StillPulse(QObject):
    """A pulse that never beats."""

    beat = Signal()

    def serve(self, dock):
        self.beat.connect(dock.look)


@pytest.fixture
def windowless(viewer, engine, monkeypatch, qapp):
    """A viewer without a window that docks take all the same: much faster than one with a window."""
    pulse = _StillPulse()
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    monkeypatch.setattr("napari_ambiseg._qt.dock.pulse_of", lambda _: pulse)
    yield viewer
    controller_of(viewer).close()
