"""The dock that compares: what it offers, and the numbers of A, B and their difference."""

from dataclasses import replace

import pytest

from napari_ambiseg._qt.compare_panel import ComparePanel
from training.metrics.glossary import SCORES
from training.postprocess import Cleaning

from ..played_engine import draw


@pytest.fixture
def controller(quiet_controller):
    return quiet_controller


@pytest.fixture
def dock(make_dock):
    return make_dock(ComparePanel)


def test_it_says_what_to_do_next(controller, dock):
    hints = []

    def hint():
        controller.tick()
        dock.refresh()
        hints.append(dock.hint.text())

    hint()
    controller.opener.open_demo()
    hint()
    draw(controller, controller.engine)
    hint()
    dock.pin.click()
    hint()
    controller.state.sampling.seed = 1
    draw(controller, controller.engine)
    hint()
    controller.reader.toggle()
    hint()
    assert hints == [
        "No case is open",
        "Draw samples of this case, then pin them as A.",
        "Pin what is shown as A, then draw the same case another way: that becomes B.",
        "Now draw this case another way (model, steps, seed): that becomes B.",
        "",
        "Blind read: reveal to see",
    ]
    assert dock.numbers.isHidden()


def test_the_table_shows_a_b_and_their_difference(controller, dock):
    controller.opener.open_demo()
    controller.opener.open_case(8)
    draw(controller, controller.engine)
    first = controller.state.disagreement.raw
    dock.refresh()
    dock.pin.click()
    controller.state.sampling.seed, controller.state.sampling.n_samples = 1, 4
    draw(controller, controller.engine)
    second = controller.state.disagreement.raw
    dock.refresh()
    texts = {name: [label.text() for label in labels] for name, labels in dock.numbers.values.items()}
    for name, take in (("ged_v", lambda one: one.ged_v), ("dice", lambda one: one.scores["dice"])):
        a, b = round(take(first), 3), round(take(second), 3)  # whose difference the reader can check
        change = f"{b - a:+.3f}".replace("-", "−")
        assert texts[SCORES[name].heading] == [f"{a:.3f}", f"{b:.3f}", change]
    assert texts["n"] == ["6", "4", "−2"]
    assert dock.advice.text() == "A has 6 samples, B 4: GED (V) falls with n by itself; draw equally many."


def test_a_and_b_are_chosen_from_the_runs_of_the_case(controller, dock):
    controller.opener.open_demo()
    for seed in range(3):
        controller.state.sampling.seed = seed
        draw(controller, controller.engine)
    dock.refresh()
    assert dock.first.itemText(0) == "none is pinned"
    dock.first.setCurrentIndex(1)
    dock.first.activated.emit(1)
    dock.refresh()
    assert [dock.first.itemText(at) for at in range(dock.first.count())] == list(controller.state.comparing.runs)
    assert (controller.comparer.first.seed, controller.comparer.second.seed) == (0, 2)
    dock.second.setCurrentIndex(1)
    dock.second.activated.emit(1)
    assert controller.comparer.second.seed == 1


def test_another_seed_pins_what_is_shown_and_draws_with_the_next(controller, dock):
    controller.opener.open_demo()
    draw(controller, controller.engine)
    dock.refresh()
    dock.again.click()
    assert controller.comparer.first.seed == 0
    assert controller.engine.requests[-1].seed == controller.state.sampling.seed == 1


def test_the_switches_follow_what_is_side_by_side(controller, dock):
    controller.opener.open_demo()
    controller.tick()
    dock.refresh()
    assert not dock.runs.isEnabled()
    dock.experts.click()
    dock.refresh()
    assert dock.experts.isChecked()
    controller.comparer.leave()
    dock.refresh()
    assert not dock.experts.isChecked()
    dock.experts.click()
    dock.experts.click()
    assert controller.state.comparing.shown == ""


def test_no_signed_zero_is_shown(controller, dock):
    controller.opener.open_demo()
    draw(controller, controller.engine)
    dock.refresh()
    dock.pin.click()
    controller.state.sampling.seed = 1  # the played engine draws the same masks
    draw(controller, controller.engine)
    dock.refresh()
    assert dock.numbers.values[SCORES["ged_v"].heading][2].text() == "0.000"


def test_numbers_after_post_processing_say_so(controller, dock):
    controller.opener.open_demo()
    draw(controller, controller.engine)
    controller.comparer.pin()
    controller.state.sampling.seed = 1
    draw(controller, controller.engine)
    dock.refresh()
    assert dock.after.isHidden()
    controller.state.postprocessing.cleaning = Cleaning(relative_area=0.8)
    controller.tick()
    dock.refresh()
    assert dock.after.text() == "after post-processing (relative area 0.80)"
    assert not dock.after.isHidden()
    controller.reader.toggle()
    controller.tick()
    dock.refresh()
    assert dock.after.isHidden()


def test_the_area_has_its_unit_and_the_difference_the_decimals_of_its_terms(controller, dock):
    controller.opener.open_demo()
    draw(controller, controller.engine)
    controller.comparer.pin()
    controller.state.sampling.seed, controller.state.sampling.n_samples = 1, 4
    draw(controller, controller.engine)
    dock.refresh()
    a, b, change = (label.text() for label in dock.numbers.values["Mean area"])
    assert [len(text.partition(".")[2]) for text in (a, b, change)] == [1, 1, 1]
    assert float(change.replace("−", "-")) == pytest.approx(float(b) - float(a))
    assert dock.numbers.names["Mean area"].text() == "Mean area (mm²)"
    controller.browser.case = replace(controller.case, spacing_mm=None)
    dock.refresh()
    assert dock.numbers.names["Mean area"].text() == "Mean area (px)"
