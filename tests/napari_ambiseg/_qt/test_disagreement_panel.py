"""The dock of numbers: the metrics' own values, so far and at the end, as drawn and cleaned."""

import csv
import io

import numpy as np
import pytest
from napari._qt.qt_resources import get_stylesheet
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.disagreement_panel import DisagreementPanel
from napari_ambiseg._qt.experts_panel import BLIND
from napari_ambiseg.layers.maps import EXPERT_VARIANCE, NO_MAP, SAMPLE_VARIANCE, VOTES
from training.metrics import generalized_energy_distance, hungarian_iou
from training.postprocess import Cleaning, relative_area

from ..played_engine import STEPS
from ..played_engine import draw as begin


@pytest.fixture
def panel(windowless, qtbot):
    """The dock with a demo case and no window around it, whose pulse the test gives by hand."""
    panel = DisagreementPanel(windowless)
    qtbot.addWidget(panel)
    panel.controller.opener.open_demo()
    panel.controller.opener.open_case(8)
    panel.state.sampling.n_samples = 6
    beat(panel)
    return panel


def beat(panel, ticks=1):
    for _ in range(ticks):
        panel.controller.tick()
    panel.refresh()


def draw(panel, engine):
    begin(panel.controller, engine)
    beat(panel, STEPS + 3)


def values(panel, column=0):
    return {name: label.text() for table in (panel.ged, panel.overlap) for name, label in table.values[column].items()}


def test_without_a_case_it_says_so(windowless, qtbot):
    panel = DisagreementPanel(windowless)
    qtbot.addWidget(panel)
    panel.refresh()
    assert panel.empty.text() == "No case is open"
    assert panel.ged.isHidden()


def test_before_sampling_only_the_experts_term_is_known(panel):
    assert panel.empty.text() == "Model: no samples yet"
    assert panel.experts.text() == "Experts: empty in 1 of 4"
    shown = values(panel)
    assert shown.pop("ged_experts") == f"{panel.state.disagreement.experts.disagreement:.3f}"
    assert set(shown.values()) == {"–"}
    assert not panel.copy.isEnabled()


def test_after_sampling_the_numbers_are_the_metrics_own_and_the_terms_add_up(panel, engine):
    draw(panel, engine)
    masks, experts, shown = engine.masks(), panel.controller.case.masks, values(panel)
    assert panel.empty.text() == "Model: empty in 1 of 6"
    assert panel.ged_head.text() == "<b>Distance (GED)</b> of 6 samples to 4 experts"
    assert shown["ged_v"] == f"{generalized_energy_distance(masks, experts, 'V'):.3f}"
    assert shown["ged_u"] == f"{generalized_energy_distance(masks, experts, 'U'):.3f}"
    assert shown["hm_iou"] == f"{hungarian_iou(masks, experts):.3f}"
    terms = [float(shown[name]) for name in ("2_ged_cross", "ged_samples", "ged_experts")]
    assert terms[0] - terms[1] - terms[2] == pytest.approx(float(shown["ged_v"]), abs=2e-3)
    low, high = panel.state.disagreement.raw.ranges["V"]
    assert shown["ged_v_range"] == f"{low:.2f} to {high:.2f}".replace("-", "−")


def test_while_sampling_the_numbers_are_those_so_far(panel, engine):
    panel.controller.generate()
    engine.load()
    engine.step(1)
    beat(panel, 3)
    so_far = np.roll(engine.masks(), STEPS - 1, axis=1)
    assert panel.empty.text() == "So far: empty in 1 of 6"
    assert values(panel)["ged_v"] == f"{generalized_energy_distance(so_far, panel.controller.case.masks):.3f}"


def test_what_is_cleaned_stands_beside_what_was_drawn(panel, engine):
    draw(panel, engine)
    assert panel.ged.heads[1].isHidden()
    panel.state.postprocessing.cleaning = Cleaning(relative_area=0.5)
    beat(panel)
    cleaned = relative_area(engine.masks(), 0.5)
    raw, experts = values(panel)["ged_v"], panel.controller.case.masks
    assert raw == f"{generalized_energy_distance(engine.masks(), experts):.3f}"
    assert values(panel, 1)["ged_v"] == f"{generalized_energy_distance(cleaned, experts):.3f}"
    n_empty = int((cleaned.sum(axis=(1, 2)) == 0).sum())
    assert panel.empty.text() == f"Model: empty in {n_empty} of 6"
    assert panel.experts.text() == "Experts: empty in 1 of 4; samples as drawn: in 1 of 6"
    panel.state.postprocessing.cleaning = Cleaning()
    beat(panel)
    assert panel.ged.heads[1].isHidden()


def test_a_single_sample_says_what_it_lacks(panel, engine):
    panel.state.sampling.n_samples = 1
    draw(panel, engine)
    assert values(panel)["ged_u"] == "needs n > 1"
    assert values(panel)["ged_v_range"] == "needs n ≥ 4"


def test_the_switches_show_one_map_at_a_time(panel, engine):
    assert not panel.variance.isEnabled()
    draw(panel, engine)
    for button, name in (
        (panel.variance, SAMPLE_VARIANCE),
        (panel.expert_variance, EXPERT_VARIANCE),
        (panel.votes, VOTES),
    ):
        button.click()
        beat(panel)
        assert panel.state.display.map == name
        assert [each.isChecked() for each in (panel.variance, panel.expert_variance, panel.votes)].count(True) == 1
    panel.votes.click()
    beat(panel)
    assert panel.state.display.map == NO_MAP
    assert not panel.votes.isChecked()


def test_copied_numbers_are_those_of_the_dock_in_full(panel, engine):
    draw(panel, engine)
    panel.copy.click()
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(QApplication.clipboard().text()))}
    assert rows["case"] == [panel.state.browsing.key]
    assert [float(value) for value in rows["ged_v"]] == [panel.state.disagreement.raw.ged_v]


def test_a_blind_read_tells_nothing(panel, engine):
    draw(panel, engine)
    panel.state.reading.blind = True
    panel.refresh()
    assert panel.empty.text() == BLIND
    shown = (panel.experts, panel.ged, panel.ged_head, panel.overlap, panel.overlap_head, panel.copy, panel.hover)
    assert all(widget.isHidden() for widget in (*shown, panel.variance, panel.expert_variance, panel.votes))


def test_on_a_slice_that_nobody_annotated_presence_and_variance_remain(panel, engine):
    draw(panel, engine)
    panel.state.disagreement.experts = None
    panel.refresh()
    assert panel.empty.text() == "Model: empty in 1 of 6"
    assert panel.ged.isHidden()
    assert panel.experts.isHidden()
    assert panel.variance.isEnabled()
    assert not panel.votes.isEnabled()


def test_without_experts_and_samples_nothing_is_offered_to_look_at(panel):
    panel.state.disagreement.experts = None
    panel.refresh()
    shown = (panel.hover, panel.variance, panel.expert_variance, panel.votes, panel.copy, panel.ged, panel.overlap)
    assert all(widget.isHidden() for widget in shown)
    assert panel.empty.text() == "Model: no samples yet"


def test_no_name_of_the_distance_wraps_beside_cleaned_numbers(panel, engine):
    draw(panel, engine)
    panel.state.postprocessing.cleaning = Cleaning(relative_area=0.5)
    beat(panel)
    panel.setStyleSheet(get_stylesheet("dark"))
    panel.resize(panel.preferred.width(), 900)
    panel.show()
    QApplication.processEvents()
    line = panel.ged.names["ged_samples"].height()
    assert {name: label.height() for name, label in panel.ged.names.items()} == dict.fromkeys(panel.ged.names, line)
