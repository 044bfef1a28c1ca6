"""The dock of the experts: their numbers without a model, their switches, and the matrix with the samples in it."""

import numpy as np
import pytest

from napari_ambiseg._qt.experts_panel import BLIND, ExpertsPanel
from napari_ambiseg.layers.maps import DIFFERENCE, MAPS, NO_MAP, OF_SAMPLES, VOTES
from napari_ambiseg.layers.roles import EXPERTS
from training.data.hdf5 import write_dataset
from training.metrics import pairwise_distance
from training.metrics.staple import is_available
from training.records import AnnotatedSlice

from ..played_engine import STEPS
from ..played_engine import draw as begin


@pytest.fixture
def panel(windowless, qtbot):
    """The dock without a window around it, whose pulse the test gives by hand."""
    panel = ExpertsPanel(windowless)
    qtbot.addWidget(panel)
    panel.state.sampling.n_samples = 6
    panel.refresh()
    return panel


@pytest.fixture
def demo(panel):
    """With demo case 7: nobody drew A and B, C and D differ."""
    panel.controller.opener.open_demo()
    panel.controller.opener.open_case(6)
    beat(panel)
    return panel


def beat(panel, ticks=1):
    for _ in range(ticks):
        panel.controller.tick()
    panel.refresh()


def draw(panel, engine):
    begin(panel.controller, engine)
    beat(panel, STEPS + 3)


def cells(panel):
    return [[cell.text() for cell in row] for row in panel.rows._cells]


def case(masks, spacing=None):
    return AnnotatedSlice(np.zeros(masks.shape[1:], np.float32), masks, "patient", "key", spacing)


def opened(panel, path, case):
    write_dataset(path, {"train": [case]}, {})
    panel.controller.opener.open_path(path)
    beat(panel)


def test_without_a_case_it_says_so_and_shows_nothing_else(panel):
    assert panel.seen.text() == "No case is open"
    hidden = (panel.rows, panel.outlines, panel.map, panel.areas, panel.pairs, panel.hover)
    assert all(widget.isHidden() for widget in hidden)


def test_the_experts_numbers_are_there_without_any_model(demo, engine):
    masks, spacing = demo.controller.case.masks, demo.controller.case.spacing_mm
    assert engine.requests == []
    assert demo.seen.text() == "Seen by 2 of 4 experts"
    assert demo.spread.text().endswith(": 0.53")
    assert cells(demo)[0] == cells(demo)[1] == ["none"] * 3
    assert cells(demo)[2][0] == f"{masks[2].sum() * spacing[0] * spacing[1]:.1f}"
    assert [head.text() for head in demo.rows._heads] == ["area\n(mm²)", "longest ⌀\n(mm)", "⌀ of area\n(mm)"]
    assert demo.pairs.value(("A", "B")) == 0  # two empty masks agree
    assert demo.pairs.value(("C", "D")) == pytest.approx(pairwise_distance(masks)[2, 3])


def test_sizes_are_in_pixels_where_no_spacing_is_known_and_for_any_number_of_experts(panel, tmp_path):
    masks = np.zeros((7, 16, 16), bool)
    masks[0, 4:8, 4:8] = True
    masks[1, 4:6, 4:8] = True
    opened(panel, tmp_path / "seven.hdf5", case(masks))
    assert panel.seen.text() == "Seen by 2 of 7 experts"
    assert cells(panel)[:3] == [["16", "5.0", "4.5"], ["8", "4.1", "3.2"], ["none"] * 3]
    extremes = [[label.text() for label in labels] for labels in panel.rows._extremes]
    assert extremes == [["8", "4.1", "3.2"], ["16", "5.0", "4.5"]]
    assert panel.rows._heads[0].text() == "area\n(px)"


def test_another_number_of_experts_leaves_no_old_rows_behind(panel, tmp_path):
    masks = np.zeros((5, 16, 16), bool)
    masks[:, 4:8, 4:8] = True
    opened(panel, tmp_path / "five.hdf5", case(masks))
    opened(panel, tmp_path / "two.hdf5", case(masks[:2]))
    assert len(panel.rows._switches) == 2
    assert panel.rows.layout().count() == 3 + 2 * 4 + 2 * 4


def test_large_lesions_and_many_samples_do_not_widen_the_dock(panel, engine, tmp_path):
    masks = np.ones((4, 128, 128), bool)
    masks[1, :40] = False
    opened(panel, tmp_path / "large.hdf5", case(masks, (3.3, 3.3)))
    panel.state.sampling.n_samples = 64
    draw(panel, engine)
    assert panel.content.minimumSizeHint().width() <= 375


def test_a_switch_turns_its_expert_s_outline_off_and_on(demo):
    demo.rows._switches[2].click()
    assert demo.state.display.hidden_experts == (3,)
    beat(demo)
    assert list(demo.controller.layers.find(EXPERTS).features["outline"].unique()) == ["D"]
    assert not demo.rows._switches[2].isChecked()
    demo.rows._switches[2].click()
    assert demo.state.display.hidden_experts == ()


def test_summary_and_own_outlines_take_turns(demo):
    demo.outlines.summary.click()
    assert demo.state.display.summary
    beat(demo)
    demo.outlines.own.click()
    assert not demo.state.display.summary


def test_the_slider_of_agreement_names_its_region(demo):
    said = []
    for least in range(5):
        demo.outlines.slider.setValue(least)
        beat(demo)
        said.append((demo.state.display.agreement, demo.outlines.says.text()))
    assert said == [(0, "off"), (1, "of 4: union"), (2, "of 4"), (3, "of 4: majority"), (4, "of 4: intersection")]


@pytest.mark.parametrize(("at", "least"), [(0, 1), (1, 3), (2, 4)])
def test_a_named_region_is_on_and_off_by_its_button(demo, at, least):
    button = demo.outlines.named[at]
    button.click()
    beat(demo)
    assert demo.state.display.agreement == demo.outlines.slider.value() == least
    assert button.isChecked()
    button.click()
    beat(demo)
    assert demo.state.display.agreement == 0
    assert not button.isChecked()


def test_the_map_is_chosen_by_name_and_says_its_scale(demo):
    demo.map.box.setCurrentIndex(MAPS.index(VOTES))
    demo.map.box.activated.emit(MAPS.index(VOTES))
    assert demo.state.display.map == VOTES
    beat(demo)
    assert "flat colour for each count" in demo.map.scale.text()


def test_maps_of_samples_can_be_chosen_once_there_are_samples(demo, engine):
    def possible():
        return [demo.map.box.model().item(MAPS.index(name)).isEnabled() for name in OF_SAMPLES]

    assert possible() == [False, False]
    draw(demo, engine)
    assert possible() == [True, True]


def test_the_samples_join_the_matrix_and_the_spread(demo, engine):
    draw(demo, engine)
    masks = np.concatenate([demo.controller.case.masks, engine.masks()])
    distances = pairwise_distance(masks)
    assert demo.pairs.value(("D", "6")) == pytest.approx(distances[3, 9])
    assert demo.pairs.value(("2", "3")) == pytest.approx(distances[5, 6])
    shown = demo.areas._samples.getData()[0]
    spacing = demo.controller.case.spacing_mm
    assert shown == pytest.approx(engine.masks().sum(axis=(1, 2)) * spacing[0] * spacing[1])
    for what in ("⌀ of area", "longest ⌀"):
        demo.what.setCurrentText(what)
        demo.refresh()
        assert len(demo.areas._samples.getData()[0]) == 6
        assert demo.spread_head.text() == "<b>Spread</b> (mm) of"


def test_a_cell_shows_its_pair_s_difference_and_again_lets_it_go(demo):
    demo.pairs.chosen.emit(("C", "D"))
    assert (demo.state.display.pair, demo.state.display.map) == (("C", "D"), DIFFERENCE)
    beat(demo)
    assert demo.pair.text() == f"expert C and expert D: {demo.pairs.value(('C', 'D')):.2f} (on the image)"
    assert "only C" in demo.map.scale.text()
    demo.pairs.chosen.emit(("C", "D"))
    assert demo.state.display.map == NO_MAP


def test_the_pixel_under_the_mouse_is_told(demo):
    demo.state.disagreement.hover = "2 of 4 experts (C, D)"
    demo.refresh()
    assert demo.hover.text() == "2 of 4 experts (C, D)"


def test_staple_is_offered_only_with_what_it_needs(demo):
    assert demo.outlines.staple.isEnabled() == is_available()
    if not is_available():
        assert "pip install" in demo.outlines.staple.toolTip()
        return
    demo.outlines.staple.click()
    beat(demo)
    assert "STAPLE" in list(demo.controller.layers.find(EXPERTS).features["outline"])
    assert demo.outlines.rates.text().startswith("Sensitivity / specificity: A ")


def test_a_blind_read_tells_nothing_of_the_experts(demo, engine):
    draw(demo, engine)
    demo.state.reading.blind = True
    demo.refresh()
    assert demo.seen.text() == BLIND
    shown = (demo.spread, demo.rows, demo.outlines, demo.map, demo.areas, demo.pairs, demo.pair, demo.pairs_head)
    assert all(widget.isHidden() for widget in (*shown, demo.hover, demo.spread_head, demo.what))


def test_a_slice_that_nobody_annotated_says_so(demo):
    demo.state.disagreement.experts = None
    demo.refresh()
    assert demo.seen.text() == "Nobody annotated this slice"
    assert demo.rows.isHidden()
    assert all(widget.isHidden() for widget in (demo.map, demo.pairs_head, demo.pairs, demo.pair))
