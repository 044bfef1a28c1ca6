"""Two windows at once: each has its own data, process, drawing and layers, and outlives the other."""

import psutil

from napari_ambiseg.controller import controller_of
from training.sampling_wish import SamplingWish

from .conftest import draw_all, settle


def test_two_windows_draw_at_once_and_one_outlives_the_other(open_window, fifty_cases):
    first, second = open_window(), open_window()
    first.opener.open_demo()
    second.opener.open_path(fifty_cases)
    second.opener.open_case(3)
    for controller, n, seed in ((first, 6, 0), (second, 5, 8)):
        sampling = controller.state.sampling
        sampling.n_samples, sampling.seed, sampling.wish = n, seed, SamplingWish(steps=4)
    draw_all(first, second)
    assert first.engine.pid != second.engine.pid
    assert [(run.n, run.seed) for run in (first.results.run, second.results.run)] == [(6, 0), (5, 8)]
    assert first.results.run.origin.source == "demo cases"
    assert second.results.run.origin.index == 3
    assert len(first.layers.find("samples").data) != len(second.layers.find("samples").data)
    assert not set(map(id, first.viewer.layers)) & set(map(id, second.viewer.layers))
    first.state.display.map = "votes"
    settle(0.1)
    first.tick()
    assert first.layers.find("map") is not None
    assert second.layers.find("map") is None

    process = psutil.Process(first.engine.pid)
    first.generate()  # closed in the middle of it
    settle(0.1)
    first.viewer.close()
    settle(0.3)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    second.opener.next_case()
    draw_all(second)
    assert second.results.run.origin.index == 4
    assert second.results.masks.shape == (5, 128, 128)
    assert controller_of(second.viewer) is second
