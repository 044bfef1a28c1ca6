"""The window goes on while samples are drawn on the CPU, by the real process, with all docks open."""

import time

import numpy as np
import pytest
from qtpy.QtCore import QEventLoop, Qt, QTimer

from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.state import IDLE

BEAT_MS = 20


@pytest.fixture
def window(make_napari_viewer):
    """A shown window with all docks and a demo case."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    open_all_docks(viewer)
    controller = controller_of(viewer)
    controller.opener.open_demo()
    return controller


def pass_time(seconds):
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def gaps_while_drawing(controller):
    """Milliseconds between the beats of a timer, from the request to some time after the masks are there."""
    beats = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start(BEAT_MS)
    controller.generate()
    deadline = time.monotonic() + 120
    while controller.state.sampling.status != IDLE:
        assert time.monotonic() < deadline, controller.state.sampling.message
        pass_time(0.1)
    pass_time(0.3)
    timer.stop()
    return 1000 * np.diff(beats)


@pytest.mark.slow
def test_nineteen_of_twenty_gaps_stay_below_100_ms_and_none_reaches_250_while_samples_are_drawn(window):
    """On a machine with nothing else to do no gap reaches 100 ms; this is what must hold on a busy one."""
    controller = window
    controller.state.sampling.n_samples = 8
    pass_time(1.0)
    gaps_while_drawing(controller)  # the first one also loads torch and the model, and makes the layers
    runs = []
    for _ in range(3):
        runs.append(gaps_while_drawing(controller))
        assert len(controller.state.playback.times) == 11
        if np.percentile(runs[-1], 95) < 100 and runs[-1].max() < 250:
            return
    told = [f"95 % {np.percentile(run, 95):.0f} ms, most {run.max():.0f} ms of {len(run)}" for run in runs]
    pytest.fail(f"the window stood still: {'; '.join(told)}")
