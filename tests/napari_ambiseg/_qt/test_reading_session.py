"""Twenty cases read blind in a real window, with all docks open, by its buttons and keys."""

import time
from functools import partial

import numpy as np
import psutil
import pytest
from qtpy.QtWidgets import QLabel

from napari_ambiseg._compat import camera
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.engine import Engine
from napari_ambiseg.layers.roles import EXPERTS, READING
from napari_ambiseg.state import BY_DISTANCE
from training.export.colours import expert_colour

from ..fake_engine import FAKE

CASES = 20


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", partial(Engine, FAKE))
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    return viewer


def has_expert(viewer, number):
    image = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    wanted = [int(expert_colour(number)[at : at + 2], 16) for at in (1, 3, 5)]
    return bool((np.abs(image - wanted).max(axis=-1) < 40).sum() > 20)


def words(docks):
    """All texts of all docks but the keys' and buttons' own."""
    return " ".join(label.text() for dock in docks.values() for label in dock.findChildren(QLabel) if label.isVisible())


@pytest.mark.slow
def test_twenty_cases_are_read_blind_in_the_window(viewer, qtbot):
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    qtbot.wait(200)
    docks["Cases"].parent().raise_()
    controller.opener.open_demo()
    qtbot.waitUntil(lambda: controller.browser.survey.done, timeout=20000)
    docks["Cases"].queue.most.click()
    controller.opener.open_case(int(controller.browser.ranking.order[0]))
    controller.state.reading.keep = True
    controller.reader.toggle()
    order = [int(index) for index in controller.browser.ranking.order[:CASES]]
    visited, layers, lenses, memory, gaps = [], [], [], [], []
    for _ in range(CASES):
        qtbot.wait(120)  # two beats
        visited.append(controller.state.browsing.index)
        assert controller.state.reading.blind
        assert not any(has_expert(viewer, number) for number in (1, 2, 3, 4))
        assert "Seen by" not in words(docks)
        layer = controller.layers.find(READING)
        layer.paint((64, 64), 1)
        docks["Cases"].refresh()
        docks["Cases"].reading.toggle.click()
        qtbot.waitUntil(lambda: controller.layers.is_visible(EXPERTS), timeout=5000)
        qtbot.wait(120)
        assert len(controller.state.reading.distances) == 4
        seen = [number for number, mask in enumerate(controller.case.masks, 1) if mask.sum() > 60]
        assert not seen or any(has_expert(viewer, number) for number in seen)
        layers.append(len(viewer.layers))
        lenses.append((camera(viewer).center, camera(viewer).zoom))
        memory.append(psutil.Process().memory_info().rss)
        started = time.perf_counter()
        docks["Cases"].next.click()
        gaps.append(time.perf_counter() - started)
    assert controller.state.listing.sort == BY_DISTANCE
    assert visited == order
    assert len(set(layers)) == 1
    assert len(set(lenses)) == 1
    assert memory[-1] < 1.05 * memory[4]
    assert np.median(gaps) < 1.0  # 0.1 where nothing else runs
    book = controller.casebook.book("demo cases", "synthetic")
    assert sum(1 for entry in book.values() if entry.revealed) == CASES
