"""Real windows whose sampling process draws with fakes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import Controller, controller_of
from napari_ambiseg.engine import Engine
from napari_ambiseg.state import IDLE
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.sampling_wish import SamplingWish

from ..fake_engine import FAKE

N_CASES, N_SAMPLES, N_STEPS = 50, 16, 10


@pytest.fixture
def open_window(make_napari_viewer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Controller]:
    """Opens a window with all docks, whose engine starts the fake process; gives its controller."""
    monkeypatch.setattr("napari_ambiseg.controller.Engine", partial(Engine, FAKE))

    def open_one() -> Controller:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1280, 720)
        open_all_docks(viewer)
        controller = controller_of(viewer)
        sampling = controller.state.sampling
        sampling.model, sampling.n_samples, sampling.wish = "discs", N_SAMPLES, SamplingWish(steps=N_STEPS)
        return controller

    return open_one


@pytest.fixture(scope="session")
def fifty_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 50 cases with four experts each."""
    path = tmp_path_factory.mktemp("fifty") / "fifty.hdf5"
    cases = [phantom_case(i, 21).slice for i in range(N_CASES)]
    assert {case.n_experts for case in cases} == {4}
    write_dataset(path, {"train": cases}, {})
    return path


def settle(seconds: float = 0.0) -> None:
    """Let the windows do what waits, for so long."""
    until = time.monotonic() + seconds
    QApplication.processEvents()
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.002)


def draw_all(*controllers: Controller) -> None:
    """A drawing in each of these windows, all at once."""
    for controller in controllers:
        controller.generate()
    deadline = time.monotonic() + 60
    while any(controller.state.sampling.status != IDLE for controller in controllers):
        messages = [controller.state.sampling.message for controller in controllers]
        assert time.monotonic() < deadline, messages
        settle(0.01)
        for controller in controllers:
            controller.tick()
    for controller in controllers:
        controller.tick()
    settle()
