"""Drawing a whole list: asked once where it takes long."""

import math

import pytest
from qtpy.QtWidgets import QMessageBox

from napari_ambiseg._qt.queue_box import QueueBox
from napari_ambiseg.controller import controller_of


@pytest.fixture
def controller(windowless):
    controller = controller_of(windowless)
    controller.opener.open_demo()
    return controller


@pytest.fixture
def box(controller, qtbot):
    box = QueueBox(controller)
    qtbot.addWidget(box)
    box.refresh()
    return box


@pytest.fixture
def ask(monkeypatch):
    """Answers the question, and has what was asked."""
    asked = []

    def answer(yes):
        button = QMessageBox.StandardButton.Yes if yes else QMessageBox.StandardButton.No
        monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or button)
        return asked

    return answer


@pytest.mark.parametrize("seconds", [1.0, 24.9, math.nan])  # of a case; 24 of them are few
def test_a_short_list_is_drawn_without_a_question(controller, box, ask, seconds):
    asked = ask(False)
    controller.state.sampling.seconds = seconds
    box.draw_all.click()
    assert (asked, controller.state.queue.total) == ([], 24)


@pytest.mark.parametrize(("yes", "total"), [(True, 24), (False, 0)])
def test_a_long_one_says_how_long_and_waits_for_a_yes(controller, box, ask, yes, total):
    asked = ask(yes)
    controller.state.sampling.seconds = 200.0
    box.draw_all.click()
    (text,) = asked
    assert text.startswith("Draw samples for 24 cases?\nThat takes about 1 h 20 min;")
    assert controller.state.queue.total == total


def test_many_cases_are_asked_for_where_nobody_knows_how_long_one_takes(controller, box, ask, monkeypatch):
    asked = ask(False)
    monkeypatch.setattr(controller.backlog, "outlook", lambda _: (2826, math.nan))
    box.draw_all.click()
    (text,) = asked
    assert text.startswith("Draw samples for 2826 cases?\nNobody knows yet how long")
    assert controller.state.queue.total == 0


def test_stopping_asks_nothing(controller, box, ask):
    asked = ask(False)
    controller.state.sampling.seconds = 1.0
    box.draw_all.click()
    controller.state.sampling.seconds = 1000.0
    box.draw_all.click()
    assert (asked, controller.state.queue.total) == ([], 0)
