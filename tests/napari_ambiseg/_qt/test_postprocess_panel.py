"""The dock that cleans samples and shows what that does to the numbers."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg._qt.postprocess_panel import PostprocessPanel
from napari_ambiseg.messages import Finished, Loaded
from training.metrics import generalized_energy_distance, tally
from training.metrics.glossary import SCORES
from training.postprocess import Cleaning, relative_area

from ..played_engine import draw


@pytest.fixture
def controller(quiet_controller):
    return quiet_controller


@pytest.fixture
def drawn(controller, engine):
    """Six squares, the first one empty, on a case with experts."""
    controller.opener.open_demo()
    draw(controller, engine)
    return controller


@pytest.fixture
def panel(drawn, make_dock):
    return make_dock(PostprocessPanel)


def now(panel):
    """What the event loop does next."""
    panel._soon.stop()
    panel._show_now()
    panel.refresh()


def cells(panel, row):
    names = [label.text() for label in panel.numbers.names]
    return [label.text() for label in panel.numbers.cells[names.index(row)]]


def test_a_slider_changes_the_numbers_and_reset_brings_them_back(drawn, panel):
    run = drawn.results.run
    masks, truth = run.masks, run.case.masks
    cleaned = relative_area(masks, 0.5)
    raw_ged, ged = (generalized_energy_distance(of, truth) for of in (masks, cleaned))
    before = panel.ged.text()
    panel.relative_area.setValue(0.5)
    now(panel)
    assert drawn.state.postprocessing.cleaning == Cleaning(relative_area=0.5)
    assert panel.ged.text() == f"Distance {raw_ged:.3f} → {ged:.3f}"
    assert cells(panel, SCORES["ged_v"].heading) == [
        f"{raw_ged:.3f}", f"{ged:.3f}", f"{round(ged, 3) - round(raw_ged, 3):+.3f}".replace("-", "−"),
    ]  # fmt: skip
    empty = [int((~of.any((1, 2))).sum()) for of in (masks, cleaned)]
    assert cells(panel, "Empty samples") == [str(empty[0]), str(empty[1]), f"+{empty[1] - empty[0]}"]
    dice = [tally(of, truth).scores(names=("dice",))[0] for of in (masks, cleaned)]
    assert cells(panel, SCORES["dice"].heading)[:2] == [f"{value:.3f}" for value in dice]
    panel.resets["relative_area"].click()
    now(panel)
    assert panel.ged.text() == before == f"Distance {raw_ged:.3f} → {raw_ged:.3f}"
    assert cells(panel, SCORES["ged_v"].heading)[2] == "0.000"
    assert not panel.resets["relative_area"].isEnabled()


def test_every_control_sets_its_wish_and_reset_all_takes_all_back(drawn, panel):
    panel.threshold.setValue(-0.35)
    panel.smallest_object.setValue(12)
    panel.relative_area.setValue(0.2)
    panel.fill_holes.click()
    now(panel)
    assert drawn.state.postprocessing.cleaning == Cleaning(-0.35, True, 12, 0.2)
    assert all(reset.isEnabled() for reset in panel.resets.values())
    panel.show_before.click()
    assert not drawn.state.postprocessing.show_before
    panel.reset_all.click()
    now(panel)
    assert drawn.state.postprocessing.cleaning == Cleaning()
    assert (panel.threshold.value(), panel.smallest_object.value(), panel.relative_area.value()) == (0, 0, 0)
    assert not panel.fill_holes.isChecked()
    assert not panel.reset_all.isEnabled()


def test_what_another_part_wishes_is_shown_without_being_wished_again(drawn, panel):
    drawn.state.postprocessing.cleaning = Cleaning(0.123456, True, 5, 0.333333)
    panel.refresh()
    assert drawn.state.postprocessing.cleaning == Cleaning(0.123456, True, 5, 0.333333)
    assert panel.smallest_object.value() == 5
    assert panel.fill_holes.isChecked()


def test_while_the_slider_is_dragged_only_where_it_stands_now_is_drawn(drawn, panel, qtbot, monkeypatch):
    shown = []
    update = drawn.results.update
    monkeypatch.setattr(
        drawn.results, "update", lambda: (shown.append(drawn.state.postprocessing.cleaning.relative_area), update())
    )
    for step in range(1, 60):
        panel.relative_area.setValue(step / 100)
    qtbot.waitUntil(lambda: bool(shown))
    assert shown == [0.59]


def test_the_curve_has_its_cursor_at_r_and_a_click_sets_r(drawn, panel):
    panel.relative_area.setValue(0.25)
    now(panel)
    r, ged = panel.curve.line.getData()
    assert list(r) == pytest.approx(np.linspace(0, 1, 21))
    run = drawn.results.run
    assert ged[10] == pytest.approx(generalized_energy_distance(relative_area(run.masks, 0.5), run.case.masks))
    assert panel.curve.cursor_line.value() == 0.25
    panel.curve.picked.emit(0.7012)
    assert drawn.state.postprocessing.cleaning.relative_area == 0.7
    panel.curve.picked.emit(1.4)
    assert drawn.state.postprocessing.cleaning.relative_area == 1.0


def test_the_threshold_is_greyed_with_the_reason_where_there_is_nothing_to_cut(drawn, engine, panel):
    assert panel.threshold.isEnabled()
    panel.threshold.setValue(0.4)
    drawn.generate()
    engine.answer(Loaded(2, "experts", "cpu", 0, ()))
    engine.answer(Finished(2, engine.masks(), 0.1, {"model": "experts", "seed": 0}))
    for _ in range(4):
        drawn.tick()
    panel.refresh()
    assert not panel.threshold.isEnabled()
    assert "finished masks" in panel.threshold.toolTip()
    assert panel.note.text().startswith("The threshold is not applied: these samples came as finished masks")
    panel.resets["threshold"].click()
    now(panel)
    assert panel.note.text().startswith("No threshold: ")


def test_the_smallest_object_is_told_in_square_millimetres_where_the_spacing_is_known(drawn, panel):
    row, column = drawn.results.run.case.spacing_mm
    panel.smallest_object.setValue(20)
    now(panel)
    assert panel.note.text() == f"Smallest object: 20 px are {20 * row * column:.1f} mm²."


def test_without_samples_it_says_so_and_in_a_blind_read_nothing(controller, engine, make_dock):
    panel = make_dock(PostprocessPanel)
    assert panel.ged.text() == "No samples yet"
    assert panel.curve.isHidden()
    controller.opener.open_demo()
    draw(controller, engine)
    controller.state.reading.blind = True
    panel.refresh()
    assert panel.ged.text() == "Blind read: reveal to see"
    assert panel.curve.isHidden()
    assert panel.numbers.isHidden()
    controller.state.reading.blind = False
    panel.refresh()
    assert "→" in panel.ged.text()


def test_samples_of_a_session_say_how_the_threshold_comes_back(drawn, panel):
    drawn.results.show(replace(drawn.results.run, x0_hat=None, frames=None, is_restored=True))
    panel.threshold.setValue(0.4)
    now(panel)
    assert panel.note.text().startswith("The threshold is not applied: opened from a session: Generate gives the steps")
