"""The real window, with a real sampling process behind it whose models are fakes."""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.dock import pulse_of
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.dock_names import PLUGIN
from napari_ambiseg.engine import Engine
from napari_ambiseg.layers import expert_colour
from napari_ambiseg.state import IDLE, SAMPLING
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_engine_process.py")))
DOCKS = {"Disagreement viewer", "Cases", "Sampler", "Trajectory", "Disagreement", "Post-processing"}


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", partial(Engine, FAKE))
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    return viewer


@pytest.fixture
def wait(qtbot):
    def until(condition, seconds=20):
        qtbot.waitUntil(condition, timeout=seconds * 1000)

    return until


def docks_of(viewer):
    return {name.partition(" (")[0]: widget for name, widget in viewer.window.dock_widgets.items() if PLUGIN in name}


def picture(viewer, canvas_only=True):
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.01)
    return viewer.screenshot(canvas_only=canvas_only, flash=False)[..., :3].astype(int)


def has_colour(image, colour, tolerance=40):
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return (np.abs(image - wanted).max(axis=-1) < tolerance).sum() > 20


def test_the_menu_entry_opens_every_dock_and_twice_does_no_harm(viewer, wait):
    viewer.window.add_plugin_dock_widget(PLUGIN, "Disagreement viewer")
    wait(lambda: set(docks_of(viewer)) == DOCKS)
    first = docks_of(viewer)
    viewer.window.add_plugin_dock_widget(PLUGIN, "Disagreement viewer")
    open_all_docks(viewer)
    assert docks_of(viewer) == first


def test_the_window_fits_a_small_screen_and_shows_the_main_controls(viewer, wait):
    docks = open_all_docks(viewer)
    controller_of(viewer).open_demo()
    wait(lambda: docks["Sampler"].generate.isEnabled())
    size = viewer.window._qt_window.size()
    assert (size.width(), size.height()) == (1280, 720)
    viewport = docks["Sampler"].viewport()
    button = docks["Sampler"].generate
    assert viewport.rect().contains(button.mapTo(viewport, button.rect().bottomRight()))
    assert not docks["Disagreement"].seen.visibleRegion().isEmpty()
    assert docks["Disagreement"].empty.visibleRegion().boundingRect().height() == docks["Disagreement"].empty.height()


def test_slice_experts_samples_and_variance_are_all_to_be_seen(viewer, wait):
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.open_demo()
    controller.open_case(8)
    bare = picture(viewer)
    assert bare.std() > 10
    assert all(has_colour(bare, expert_colour(at)) for at in (1, 3, 4))  # the second one sees nothing here
    assert not has_colour(bare, expert_colour(2))
    controller.state.sampling.model = "one-go"
    controller.generate()
    wait(lambda: docks["Disagreement"].empty.text() == "Model: empty in 0 of 16")
    outlined = picture(viewer)
    docks["Disagreement"].variance.click()
    wait(lambda: viewer.layers["variance"].visible)
    coloured = picture(viewer)
    assert np.abs(outlined - bare).max() > 60
    assert np.abs(coloured - outlined).max() > 60
    whole = picture(viewer, canvas_only=False)
    assert whole.shape[1] > coloured.shape[1]
    assert whole.std() > 10


def test_a_drawing_survives_closing_the_docks_and_deleting_layers(viewer, wait):
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.open_demo()
    state = controller.state
    state.sampling.model, state.sampling.steps, state.sampling.n_samples, state.sampling.seed = "slow", 30, 3, 1
    controller.generate()
    wait(lambda: len(state.playback.times) > 2)
    for dock in docks.values():
        dock.parent().destroyOnClose()
    del dock, docks
    for name in ("trajectory", "expert 3", "image"):
        viewer.layers.remove(name)
    wait(lambda: state.sampling.status == IDLE)
    assert state.disagreement.processed.n == 3
    assert not docks_of(viewer)
    again = open_all_docks(viewer)
    wait(lambda: again["Disagreement"].empty.text() == "Model: empty in 0 of 3")
    controller.open_case(4)
    assert {"image", "expert 1", "expert 2"} <= {layer.name for layer in viewer.layers}


def test_closed_docks_are_really_gone(viewer, wait):
    docks = open_all_docks(viewer)
    gone = []
    for name, dock in docks.items():
        dock.destroyed.connect(lambda *_, name=name: gone.append(name))
        dock.parent().destroyOnClose()
    wait(lambda: set(gone) == DOCKS)
    assert not docks_of(viewer)


def test_the_window_stays_alive_while_samples_are_drawn(viewer, wait):
    open_all_docks(viewer)
    controller = controller_of(viewer)
    controller.open_demo()
    state, beats = controller.state, []
    state.sampling.model, state.sampling.steps = "slow", 60
    controller.generate()
    wait(lambda: state.sampling.status == SAMPLING)
    pulse_of(viewer).beat.connect(lambda: beats.append(time.monotonic()))
    wait(lambda: state.sampling.status == IDLE)
    assert np.median(np.diff(beats)) < 0.25  # on a busy machine that draws by software; 0.05 is asked for


def test_cancel_keeps_what_came_and_the_next_drawing_starts(viewer, wait):
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.open_demo()
    state = controller.state
    state.sampling.model, state.sampling.steps = "slow", 200
    docks["Sampler"].refresh()
    docks["Sampler"].generate.click()
    wait(lambda: len(state.playback.times) > 2 and docks["Sampler"].cancel.isEnabled())
    docks["Sampler"].cancel.click()
    wait(lambda: state.sampling.status == IDLE)
    assert 2 < len(state.playback.times) < 64
    state.sampling.model, state.sampling.steps = "quick", 3
    wait(lambda: docks["Sampler"].generate.isEnabled())
    docks["Sampler"].generate.click()
    wait(lambda: state.disagreement.processed is not None)


def test_a_killed_sampling_process_is_one_message_and_the_next_run_works(viewer, wait, monkeypatch):
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.open_demo()
    state = controller.state
    state.sampling.model = "stuck"
    controller.generate()
    wait(lambda: len(state.playback.times) == 2)
    psutil.Process(controller.engine.pid).kill()
    wait(lambda: state.sampling.status == IDLE)
    assert len(told) == 1
    state.sampling.model = "quick"
    wait(lambda: docks["Sampler"].generate.isEnabled())
    docks["Sampler"].generate.click()
    wait(lambda: state.disagreement.processed is not None)


def test_a_file_opened_by_napari_s_own_menu_arrives_in_the_docks(viewer, wait, tmp_path):
    path = tmp_path / "cases.hdf5"
    write_dataset(path, {"train": [phantom_case(index, seed=3, size=32).slice for index in range(3)]}, {})
    docks = open_all_docks(viewer)
    viewer.open(str(path), plugin=PLUGIN)
    wait(lambda: docks["Disagreement viewer"].where.text().endswith("(1 of 3)"))
    assert docks["Disagreement"].seen.text().startswith("Seen by ")
    assert [layer.name for layer in viewer.layers].count("image") == 1


def test_closing_the_window_ends_timer_and_sampling_process(viewer, wait):
    open_all_docks(viewer)
    controller, pulse = controller_of(viewer), pulse_of(viewer)
    controller.open_demo()
    controller.state.sampling.model, controller.state.sampling.steps = "slow", 500
    controller.generate()
    wait(lambda: controller.state.sampling.status == SAMPLING)
    pid, ended = controller.engine.pid, []
    pulse.destroyed.connect(lambda *_: ended.append(True))
    viewer.close()
    wait(lambda: bool(ended) and not psutil.pid_exists(pid))
    assert ended == [True]
    assert not psutil.pid_exists(pid)
