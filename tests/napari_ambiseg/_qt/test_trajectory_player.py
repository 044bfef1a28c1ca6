"""The dock that scrubs through the reverse diffusion."""

import math

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_ambiseg._qt.save_dialog import Kind
from napari_ambiseg._qt.trajectory_player import TrajectoryPlayer
from napari_ambiseg.messages import Cancelled, Finished, Loaded
from napari_ambiseg.products import MASKS, MOVIE
from napari_ambiseg.state import NOISY

from ..played_engine import STEPS, draw


@pytest.fixture
def controller(quiet_controller):
    return quiet_controller


@pytest.fixture
def drawn(controller, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    return controller


@pytest.fixture
def dock(drawn, make_dock):
    return make_dock(TrajectoryPlayer)


def test_the_sliders_move_napari_s_own_and_back(drawn, dock):
    dims = drawn.viewer.dims
    dock.frame.setValue(1)
    dock.sample.setValue(2)
    assert dims.current_step[-4:-2] == (2, 1)
    dock.refresh()
    assert dock.where.text().startswith("step 1/4 · sample 3/6 · from nearly all noise · t 0.75, log SNR −5.0")
    assert dock.where.toolTip().startswith(dock.where.text())  # where the dock is narrow the line is cut
    dims.set_current_step((0, 1), (3, 2))
    dock.refresh()
    assert (dock.sample.value(), dock.frame.value()) == (3, 2)


def test_the_buttons_step_play_and_go_round_the_samples(drawn, dock):
    playback = drawn.state.playback
    assert not dock.forward.isEnabled()
    dock.back.click()
    assert playback.frame == STEPS - 1
    dock.refresh()
    dock.forward.click()
    dock.next_sample.click()
    assert (playback.frame, playback.sample) == (STEPS, 1)
    dock.play.click()
    dock.refresh()
    assert playback.playing
    assert dock.play.text().replace("&", "") == "Pause"
    dock.play.click()
    assert not playback.playing
    dock.loop.click()
    assert not playback.loop
    dock.speed.setCurrentIndex(dock.speed.findText("10 /s"))
    dock.speed.activated.emit(dock.speed.currentIndex())
    assert playback.frames_per_second == 10


def test_the_noisy_state_can_be_shown(drawn, dock):
    dock.quantity.setCurrentIndex(dock.quantity.findData(NOISY))
    dock.quantity.activated.emit(dock.quantity.currentIndex())
    assert drawn.state.playback.quantity == NOISY


@pytest.mark.parametrize("metric", ["ged_v", "ged_u", "area", "empty", "dice", "change"])
def test_the_curve_is_the_number_that_is_chosen_at_each_step(drawn, dock, metric):
    dock.metric.setCurrentIndex(dock.metric.findData(metric))
    dock.metric.activated.emit(dock.metric.currentIndex())
    dock.refresh()
    playback, experts = drawn.state.playback, drawn.state.disagreement.experts
    expected = {
        "area": [at.areas.mean() for at in playback.measures],
        "empty": [at.n_empty / at.n for at in playback.measures],
        "change": playback.changes,
    }.get(metric) or [at.scores[metric] for at in playback.measures]
    steps, values = dock.curve.line.getData()
    first = int(metric == "change")  # before the first state there is none
    assert list(steps) == list(range(first, STEPS + 1))
    assert values == pytest.approx(list(expected)[first:])
    assert dock.curve.cursor_line.value() == STEPS
    levels = {"area": experts.areas.mean(), "empty": 1 - experts.n_found / experts.n_experts}
    assert dock.curve.level.isVisible() == (metric in ("area", "empty", "dice"))
    if metric in levels:
        assert dock.curve.level.value() == pytest.approx(levels[metric])


def test_a_click_on_the_curve_goes_to_the_nearest_step(drawn, dock, qtbot):
    dock.resize(700, 160)
    dock.refresh()
    dock.curve.resize(240, 120)
    view = dock.curve.getPlotItem().vb
    view.updateMatrix()
    at = dock.curve.mapFromScene(view.mapViewToScene(QPointF(1.2, 0)))
    at.setY(dock.curve.height() // 2)
    qtbot.mouseClick(dock.curve.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert drawn.state.playback.frame == 1
    dock.curve.picked.emit(-7.0)
    assert drawn.state.playback.frame == 0
    dock.curve.picked.emit(99.0)
    assert drawn.state.playback.frame == STEPS


def test_nothing_is_told_in_a_blind_read(drawn, dock):
    drawn.state.reading.blind = True
    dock.refresh()
    assert dock.where.text() == "Blind read: reveal to see"
    assert dock.curve.line.getData()[0] is None or not len(dock.curve.line.getData()[0])
    assert dock.frame.maximum() == dock.sample.maximum() == 0
    assert not any(widget.isEnabled() for widget in (dock.frame, dock.sample, dock.play, dock.back, dock.movie))


def test_it_says_why_there_is_nothing_to_scrub(controller, engine, make_dock):
    dock = make_dock(TrajectoryPlayer)
    assert dock.where.text() == "open a case first"
    controller.opener.open_demo()
    dock.refresh()
    assert dock.where.text() == "no samples yet: press Generate [G] in the Sampler"
    controller.generate()
    dock.refresh()
    assert dock.where.text() == "waiting for the first step ..."
    engine.answer(Loaded(1, "experts", "cpu", 0, ()))
    engine.answer(Finished(1, engine.masks(), 0.1, {"model": "experts", "seed": 0}))
    for _ in range(4):
        controller.tick()
    dock.refresh()
    assert dock.where.text() == "this model draws in one go: it has no steps to watch"
    assert not dock.play.isEnabled()


def test_it_says_what_is_missing_of_a_walk(controller, engine, make_dock):
    controller.opener.open_demo()
    dock = make_dock(TrajectoryPlayer)
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    controller.drawing.cancel()
    engine.answer(Cancelled(1))
    controller.tick()
    dock.refresh()
    assert dock.where.text().endswith("(stopped at step 1)")
    assert dock.movie.isEnabled()
    controller.generate()
    engine.answer(Loaded(2, "demo", "cpu", STEPS, (0, 2, 4)))
    engine.step(0, 2, 4)
    engine.finish()
    for _ in range(4):
        controller.tick()
    dock.refresh()
    assert dock.where.text().endswith("(3 of 5 states kept)")


@pytest.mark.parametrize(
    ("chosen", "name", "written", "product"),
    [
        (Kind(MOVIE, ".gif").filter, "walk", "walk.gif", MOVIE),
        (Kind(MOVIE, ".gif").filter, "walk.mp4", "walk.mp4", MOVIE),
        (Kind(MOVIE, ".mp4").filter, "walk.mp4", "walk.mp4", MOVIE),
        (Kind(MOVIE, "").filter, "walk", "walk", MOVIE),
        (Kind(MASKS, ".hdf5").filter, "walk", "walk.hdf5", MASKS),
        ("", "walk", "walk.gif", MOVIE),
    ],
)
def test_the_walk_is_saved_as_it_is_looked_at(drawn, dock, monkeypatch, tmp_path, chosen, name, written, product):
    asked = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / name), chosen))
    monkeypatch.setattr(drawn.output, "write", lambda *args: asked.append(args))
    playback = drawn.state.playback
    playback.sample, playback.quantity, playback.frames_per_second = 2, NOISY, 10.0
    dock.movie.click()
    drawn.state.output.shown_sample, drawn.state.output.closeup = True, False
    dock.movie.click()
    for what, path, options in asked:
        assert (what, path) == (product, tmp_path / written)
        assert (options.look.quantity, options.pace.fps) == (NOISY, 10.0)
    assert [(options.look.sample, options.look.closeup) for *_, options in asked] == [(None, True), (2, False)]


def test_an_existing_file_is_not_replaced_without_asking(drawn, dock, monkeypatch, tmp_path):
    (tmp_path / "walk.gif").write_text("mine")
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "walk"), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    monkeypatch.setattr(drawn.output, "write", lambda *args: asked.append(args))
    dock.movie.click()
    assert asked == []
    dock.movie.click()
    assert len(asked) == 1


def test_a_gif_is_really_written_while_the_window_lives_and_can_be_cancelled(drawn, dock, monkeypatch, tmp_path, qtbot):
    from PIL import Image

    target = tmp_path / "walk.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))
    dock.movie.click()
    dock.refresh()
    assert dock.movie.text().startswith("Cancel")
    qtbot.waitUntil(lambda: drawn.output.update() or not drawn.state.output.writing, timeout=20000)
    with Image.open(target) as movie:
        assert movie.n_frames == STEPS + 1
    target.unlink()
    dock.refresh()
    dock.movie.click()
    dock.refresh()
    dock.movie.click()
    qtbot.waitUntil(lambda: drawn.output.update() or not drawn.state.output.writing, timeout=20000)
    assert not target.exists() or drawn.state.output.written  # a fast machine may be done before


def test_values_that_are_not_known_leave_gaps_and_not_a_broken_plot(dock):
    dock.curve.show_curve(np.arange(3.0), np.array([math.nan, 0.5, math.nan]), math.nan, level=math.nan)
    assert list(dock.curve.line.getData()[0]) == [1.0]
    assert not dock.curve.cursor_line.isVisible()
    dock.curve.show_curve(np.empty(0), np.empty(0), 0.0, level=0.3, whole=1.0)
    assert dock.curve.level.isVisible()
    assert dock.curve.getPlotItem().vb.viewRange()[1][1] > 1
