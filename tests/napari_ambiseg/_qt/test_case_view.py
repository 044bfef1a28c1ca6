"""The table of cases as it is seen: the open case stays in sight, and notes have room."""

import pytest
from qtpy.QtWidgets import QAbstractSlider

from napari_ambiseg._qt.case_table import CASE, GED, NOTE, PATIENT, CaseTable
from napari_ambiseg._qt.case_view import CaseView

from .in_memory import TwoSplits, disagreeing


@pytest.fixture
def view(controller, qtbot):
    """A table of 60 cases, four rows high, of which the fortieth is current."""
    controller.browser.open(TwoSplits([disagreeing(3)] * 60), "in memory")
    cases = CaseTable(controller.browser.ranking, controller.state.listing)
    cases.take_order()
    view = CaseView(cases)
    qtbot.addWidget(view)
    view.resize(360, 300)
    view.setCurrentIndex(cases.index(40, CASE))
    return view


def is_in_sight(view):
    return view.viewport().rect().contains(view.visualRect(view.currentIndex()).center())


def test_the_current_row_is_in_sight_once_the_table_is_shown_and_when_it_becomes_lower(view, qtbot):
    view.show()
    assert is_in_sight(view)
    view.setCurrentIndex(view.model().index(50, CASE))
    assert is_in_sight(view)
    view.resize(360, 130)
    assert is_in_sight(view)


def test_where_the_user_scrolled_the_table_stays_until_another_row_is_current(view):
    view.show()
    bar = view.verticalScrollBar()
    bar.triggerAction(QAbstractSlider.SliderAction.SliderToMinimum)
    view.resize(360, 130)
    view.hide()
    view.show()
    assert bar.value() == 0
    view.setCurrentIndex(view.model().index(30, CASE))
    view.resize(360, 100)
    assert is_in_sight(view)


@pytest.mark.parametrize("width", [270, 300, 360, 700])
def test_a_note_can_be_read_beside_ged_and_the_identifier_gets_what_it_needs(controller, view, width):
    key = controller.browser.key
    controller.casebook.change(
        controller.browser.origin, key, note="near the wall of the left upper lobe", ged=0.3, n=4
    )
    entries = controller.casebook.book("in memory", "train").values()
    view.show()
    view.fit(controller.browser.ranking, entries, blind=False)
    view.resize(width, 300)
    assert not view.isColumnHidden(GED)
    assert view.columnWidth(NOTE) >= 80
    assert view.columnWidth(CASE) >= 80
    assert view.isColumnHidden(PATIENT) == (width < 400)  # its name is in the tooltip of the case
    if width >= 360:
        assert not view.horizontalScrollBar().isVisible()
    if width == 700:
        assert view.columnWidth(CASE) > view.fontMetrics().horizontalAdvance("case 59")
        assert view.columnWidth(NOTE) > 300


def test_a_patient_is_a_column_only_where_the_heading_fits(controller, view):
    view.show()
    for width in (270, 360, 700):
        view.resize(width, 300)
        view.fit(controller.browser.ranking, (), blind=False)
        heading = view.fontMetrics().horizontalAdvance("Patient")
        assert view.isColumnHidden(PATIENT) or view.columnWidth(PATIENT) > heading
        assert view.columnWidth(CASE) > view.fontMetrics().horizontalAdvance("case 59")
    assert not view.isColumnHidden(PATIENT)
