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
from napari_ambiseg.layers.book import role_of
from napari_ambiseg.layers.maps import SAMPLE_VARIANCE
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, MAP, TRAJECTORY
from napari_ambiseg.state import IDLE, SAMPLING
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.export.colours import expert_colour
from training.sampling_wish import SamplingWish

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_engine_process.py")))


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


def ask(controller, model, steps, **changes):
    """Wish for masks of a fake model."""
    sampling = controller.state.sampling
    sampling.model, sampling.wish = model, SamplingWish(steps=steps)
    for name, value in changes.items():
        setattr(sampling, name, value)


def picture(viewer, canvas_only=True):
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.01)
    return viewer.screenshot(canvas_only=canvas_only, flash=False)[..., :3].astype(int)


def difference(one, other):
    """Largest of any pixel, middle on middle: sliders may have changed the canvas's size."""
    size = np.minimum(one.shape, other.shape)[:2]
    crops = []
    for image in (one, other):
        top, left = (np.array(image.shape[:2]) - size) // 2
        crops.append(image[top : top + size[0], left : left + size[1]])
    return np.abs(crops[0] - crops[1]).max()


def has_colour(image, colour, tolerance=40):
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return (np.abs(image - wanted).max(axis=-1) < tolerance).sum() > 20


def test_slice_experts_samples_and_variance_are_all_to_be_seen(viewer, wait):
    open_all_docks(viewer)
    controller = controller_of(viewer)
    controller.opener.open_demo()
    controller.opener.open_case(8)
    bare = picture(viewer)
    assert bare.std() > 10
    assert all(has_colour(bare, expert_colour(at)) for at in (1, 3, 4))  # the second one sees nothing here
    assert not has_colour(bare, expert_colour(2))
    controller.state.sampling.model = "one-go"
    controller.generate()
    wait(lambda: controller.results.masks is not None)
    outlined = picture(viewer)
    controller.state.display.map = SAMPLE_VARIANCE
    wait(lambda: controller.layers.is_visible(MAP))
    coloured = picture(viewer)
    assert difference(outlined, bare) > 60
    assert difference(coloured, outlined) > 60
    whole = picture(viewer, canvas_only=False)
    assert whole.shape[1] > coloured.shape[1]
    assert whole.std() > 10


def test_a_drawing_survives_closing_the_docks_and_deleting_layers(viewer, wait):
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.opener.open_demo()
    state = controller.state
    ask(controller, "slow", 30, n_samples=3, seed=1)
    controller.generate()
    wait(lambda: len(state.playback.times) > 2)
    for dock in docks.values():
        dock.parent().destroyOnClose()
    del dock, docks
    for role in (TRAJECTORY, EXPERTS, IMAGE):
        viewer.layers.remove(controller.layers.find(role))
    wait(lambda: state.sampling.status == IDLE and controller.results.masks is not None)
    assert state.disagreement.processed.n == 3
    assert not docks_of(viewer)
    open_all_docks(viewer)
    controller.opener.open_case(4)
    controller.tick()
    assert controller.layers.find(IMAGE) is not None
    assert controller.layers.find(EXPERTS) is not None


def test_the_window_stays_alive_while_samples_are_drawn(viewer, wait):
    open_all_docks(viewer)
    controller = controller_of(viewer)
    controller.opener.open_demo()
    state, beats = controller.state, []
    ask(controller, "slow", 60)
    controller.generate()
    wait(lambda: state.sampling.status == SAMPLING)
    pulse_of(viewer).beat.connect(lambda: beats.append(time.monotonic()))
    wait(lambda: state.sampling.status == IDLE)
    assert np.median(np.diff(beats)) < 0.25  # on a busy machine that draws by software; 0.05 is asked for


def test_cancel_keeps_what_came_and_the_next_drawing_starts(viewer, wait):
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.opener.open_demo()
    state = controller.state
    ask(controller, "slow", 200)
    docks["Sampler"].refresh()
    docks["Sampler"].generate.click()
    wait(lambda: len(state.playback.times) > 2 and "Cancel" in docks["Sampler"].generate.text())
    docks["Sampler"].generate.click()
    wait(lambda: state.sampling.status == IDLE)
    assert 2 < len(state.playback.times) < 64
    ask(controller, "quick", 3)
    wait(lambda: "Generate" in docks["Sampler"].generate.text() and docks["Sampler"].generate.isEnabled())
    docks["Sampler"].generate.click()
    wait(lambda: state.disagreement.processed is not None)


def test_a_killed_sampling_process_is_one_message_and_the_next_run_works(viewer, wait, monkeypatch):
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.opener.open_demo()
    state = controller.state
    ask(controller, "stuck", 5)
    controller.generate()
    wait(lambda: len(state.playback.times) > 0)
    psutil.Process(controller.engine.pid).kill()
    wait(lambda: state.sampling.status == IDLE)
    assert len(told) == 1
    state.sampling.model = "quick"
    wait(lambda: "Generate" in docks["Sampler"].generate.text() and docks["Sampler"].generate.isEnabled())
    docks["Sampler"].generate.click()
    wait(lambda: state.disagreement.processed is not None)


def test_a_file_opened_by_napari_s_own_menu_arrives_in_the_docks(viewer, wait, tmp_path):
    path = tmp_path / "cases.hdf5"
    write_dataset(path, {"train": [phantom_case(index, seed=3, size=32).slice for index in range(3)]}, {})
    docks = open_all_docks(viewer)
    viewer.open(str(path), plugin=PLUGIN)
    wait(lambda: docks["Disagreement viewer"].where.text().endswith("(1 of 3)"))
    assert len([layer for layer in viewer.layers if role_of(layer) == IMAGE]) == 1
    assert controller_of(viewer).state.disagreement.experts.n_experts == 4


def test_closing_the_window_ends_timer_and_sampling_process(viewer, wait):
    open_all_docks(viewer)
    controller, pulse = controller_of(viewer), pulse_of(viewer)
    controller.opener.open_demo()
    ask(controller, "slow", 500)
    controller.generate()
    wait(lambda: controller.state.sampling.status == SAMPLING)
    pid, ended = controller.engine.pid, []
    pulse.destroyed.connect(lambda *_: ended.append(True))
    viewer.close()
    wait(lambda: bool(ended) and not psutil.pid_exists(pid))
    assert ended == [True]
    assert not psutil.pid_exists(pid)
