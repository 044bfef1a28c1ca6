"""The dock of the cases: what it lists and says, and what it asks for when it is used."""

import time

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_ambiseg._qt.case_browser import CaseBrowser
from napari_ambiseg._qt.case_table import CASE, DISTANCE, FLAG, GED, NOTE, PATIENT, SEEN, TELLING
from napari_ambiseg.layers.roles import READING
from napari_ambiseg.state import BY_DISTANCE, DISAGREEING, FILE_ORDER, FLAGGED
from training.errors import DataFormatError

from ..played_engine import draw
from .in_memory import Split, TwoSplits, column, disagreeing


@pytest.fixture
def controller(quiet_controller):
    return quiet_controller


@pytest.fixture
def dock(make_dock):
    return make_dock(CaseBrowser)


def test_the_table_lists_the_split_and_ranks_it(controller, dock, opened):
    opened(TwoSplits([disagreeing(at) for at in (1, 5, 3)]))
    dock.refresh()
    assert column(dock, CASE) == ["case 0", "case 1", "case 2"]
    assert column(dock, SEEN) == ["2/2"] * 3
    assert [float(text) for text in column(dock, DISTANCE)] == pytest.approx([1 / 4, 5 / 12, 3 / 8], abs=0.006)
    dock.table.sortByColumn(DISTANCE, Qt.SortOrder.DescendingOrder)
    dock.refresh()
    assert column(dock, CASE) == ["case 1", "case 2", "case 0"]
    dock.table.setCurrentIndex(dock.cases.index(1, CASE))
    assert controller.state.browsing.key == "case 2"
    dock.previous.click()
    assert controller.state.browsing.key == "case 1"
    dock.split.setCurrentText("test")
    dock.split.activated.emit(1)
    dock.refresh()
    assert column(dock, CASE) == ["case 0"]


def test_a_third_click_on_a_heading_brings_the_file_s_order_back(controller, dock, opened):
    opened(TwoSplits([disagreeing(at) for at in (1, 5, 3)]))
    dock.refresh()
    header, listing = dock.table.horizontalHeader(), controller.state.listing
    asked = []
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        header.setSortIndicator(DISTANCE, order)
        asked.append((listing.sort, listing.descending))
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    asked.append((listing.sort, listing.descending))
    assert asked == [(BY_DISTANCE, False), (BY_DISTANCE, True), (FILE_ORDER, False)]


def test_one_click_ranks_by_disagreement_and_shows_so_in_the_heading(controller, dock, opened):
    opened(TwoSplits([disagreeing(at) for at in (1, 5, 3)]))
    dock.refresh()
    dock.queue.most.click()
    dock.refresh()
    assert column(dock, CASE) == ["case 1", "case 2", "case 0"]
    header = dock.table.horizontalHeader()
    assert (header.sortIndicatorSection(), header.sortIndicatorOrder()) == (DISTANCE, Qt.SortOrder.DescendingOrder)


def test_j_follows_the_table_s_order_without_the_dock(controller, opened):
    opened(TwoSplits([disagreeing(at) for at in (1, 5, 3)]))
    controller.state.listing.descending = True
    controller.state.listing.sort = BY_DISTANCE
    controller.opener.open_case(1)
    walked = [controller.state.browsing.key]
    for _ in range(3):
        controller.opener.next_case()
        walked.append(controller.state.browsing.key)
    assert walked == ["case 1", "case 2", "case 0", "case 0"]
    controller.opener.next_case(-1)
    assert controller.state.browsing.key == "case 2"


def test_filter_and_search_say_how_many_they_leave(controller, dock, opened):
    opened(TwoSplits([disagreeing(at) for at in (0, 5, 0, 3)]))
    dock.refresh()
    assert dock.counts.text() == "4 cases, 1 read"
    dock.kept.setCurrentText(DISAGREEING)
    dock.kept.activated.emit(1)
    dock.refresh()
    assert column(dock, CASE) == ["case 1", "case 3"]
    assert dock.counts.text() == "2 of 4 cases, 1 read"
    dock.search.setText("case 3")
    dock.refresh()
    assert column(dock, CASE) == ["case 3"]
    dock.next.click()
    assert controller.state.browsing.key == "case 3"
    dock.refresh()
    assert not dock.next.isEnabled()


def test_nine_thousand_cases_are_listed_without_reading_them_and_scroll_at_once(controller, dock, opened):
    data = opened(TwoSplits([disagreeing(3)] * 9000), surveyed=False)
    dock.refresh()
    assert dock.cases.rowCount() == 9000
    assert column(dock, DISTANCE)[-1] == "..."
    assert dock.counts.text() == "9000 cases, 1 read, 0 surveyed"
    assert data.splits["train"].read == 1
    started = time.perf_counter()
    dock.refresh()
    assert time.perf_counter() - started < 0.5


def test_the_table_stays_where_it_is_scrolled_while_the_survey_goes_on(controller, dock, opened):
    opened(TwoSplits([disagreeing(3)] * 500), surveyed=False)
    controller.viewer.window._qt_window.show()
    dock.refresh()
    QApplication.processEvents()
    bar = dock.table.verticalScrollBar()
    bar.setValue(200)
    assert bar.value() == 200
    while not controller.browser.survey.done:
        controller.tick()
        dock.refresh()
    assert bar.value() == 200
    assert column(dock, DISTANCE)[-1] != "..."


def test_a_case_that_cannot_be_read_is_named_and_the_rest_stays_usable(controller, dock, opened, monkeypatch):
    class Torn(Split):
        def __getitem__(self, index):
            if index == 1:
                raise DataFormatError("slice 1 is torn")
            return super().__getitem__(index)

    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    opened(TwoSplits([disagreeing(3)] * 3, Torn))
    dock.refresh()
    assert column(dock, SEEN) == ["2/2", "unreadable", "2/2"]
    dock.table.setCurrentIndex(dock.cases.index(1, CASE))
    assert told == ["slice 1 is torn"]
    dock.table.setCurrentIndex(dock.cases.index(2, CASE))
    assert controller.state.browsing.index == 2


def test_a_bad_file_is_one_notification(controller, dock, monkeypatch, tmp_path):
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"not HDF5")
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(bad), ""))
    dock.empty.file.click()
    (text,) = told
    assert str(bad) in text
    assert "\n" not in text


def test_flag_and_note_are_of_the_open_case(controller, dock):
    controller.opener.open_demo()
    dock.refresh()
    dock.flag.click()
    QTest.keyClicks(dock.note, "near the wall")
    dock.refresh()
    assert dock.flag.text() == "Flag: ! important [Q]"
    assert column(dock, FLAG)[:2] == ["!", ""]
    assert column(dock, NOTE)[:2] == ["near the wall", ""]
    controller.opener.next_case()
    dock.refresh()
    assert (dock.flag.text(), dock.note.text()) == ("Flag: none [Q]", "")
    controller.state.listing.kept = FLAGGED
    dock.refresh()
    assert column(dock, CASE) == ["synthetic 01"]


def test_a_note_never_goes_to_the_case_that_came_meanwhile(controller, dock):
    controller.opener.open_demo()
    dock.refresh()
    QTest.keyClicks(dock.note, "of the firs")
    controller.opener.next_case()
    QTest.keyClicks(dock.note, "t")  # the dock does not show yet that another case is there
    assert controller.casebook.of(controller.browser.origin, "synthetic 02").note == ""
    dock.refresh()
    assert dock.note.text() == ""
    controller.opener.next_case(-1)
    assert controller.state.reading.note == "of the firs"


def test_a_note_that_is_being_typed_is_kept_when_the_case_changes_or_the_window_is_closed(
    controller, dock, monkeypatch
):
    """The field keeps the focus, and no Enter is pressed."""
    monkeypatch.setattr(dock.note, "hasFocus", lambda: True)
    controller.opener.open_demo()
    dock.refresh()
    for number in range(3):
        QTest.keyClicks(dock.note, f"  case {number} ")
        dock.refresh()
        assert dock.note.text() == f"  case {number} "  # the spaces too, while somebody is typing
        controller.opener.next_case()
        dock.refresh()
        assert dock.note.text() == ""
    QTest.keyClicks(dock.note, "the last")
    controller.close()
    notes = [entry["note"] for entry in controller.casebook.as_json() if "note" in entry]
    assert notes == ["case 0", "case 1", "case 2", "the last"]


def test_the_model_s_number_comes_with_its_samples(controller, dock):
    controller.opener.open_demo()
    controller.opener.open_case(8)
    draw(controller, controller.engine)
    dock.refresh()
    assert column(dock, GED)[8] == f"{controller.state.disagreement.raw.ged_v:.2f}"
    assert " of 6 samples " in dock.cases.index(8, GED).data(Qt.ItemDataRole.ToolTipRole)
    assert column(dock, GED)[9] == ""


def test_a_list_is_drawn_and_stopped_by_the_same_button(controller, dock):
    controller.opener.open_demo()
    dock.refresh()
    dock.queue.draw_all.click()
    dock.refresh()
    assert (dock.queue.draw_all.text(), controller.state.queue.total) == ("Stop drawing", 24)
    assert dock.queue.bar.isVisibleTo(dock)
    dock.queue.draw_all.click()
    dock.refresh()
    assert (dock.queue.draw_all.text(), controller.state.queue.total) == ("Draw for all listed", 0)
    assert not dock.queue.bar.isVisibleTo(dock)
    assert dock.queue.progress.text() == "stopped after 0 of 24"


def test_a_blind_read_hides_the_columns_that_tell_and_the_reveal_says_how_far_it_was(controller, dock):
    controller.opener.open_demo()
    dock.refresh()
    assert not dock.reading.nothing.isEnabled()
    dock.reading.toggle.click()
    dock.refresh()
    assert dock.reading.nothing.isEnabled()
    for text, said in (("Nothing there", True), ("Take it back", False)):
        assert dock.reading.nothing.text() == text
        dock.reading.nothing.click()
        dock.refresh()
        assert controller.state.reading.nothing == said
    assert [at for at in range(PATIENT) if dock.table.isColumnHidden(at)] == [*TELLING, NOTE]  # no note yet
    assert (
        dock.reading.told.text() == "Paint the lesion, all of it, or say nothing there. Experts and model are hidden."
    )
    assert dock.reading.toggle.text() == "Reveal [B]"
    assert not dock.queue.most.isEnabled()
    dock.reading.nothing.click()
    dock.refresh()
    assert dock.reading.told.text() == "Your answer: nothing there. Reveal to compare."
    dock.reading.toggle.click()
    dock.refresh()
    assert [at for at in TELLING if dock.table.isColumnHidden(at)] == [GED]  # nothing is drawn yet
    text = dock.reading.told.text()
    assert "nothing there; you had seen the experts before" in text
    for distance in controller.state.reading.distances:
        assert f"Expert {distance.name}" in text
    assert "place " in text


def test_areas_of_a_reading_are_in_mm2_where_the_spacing_is_known(controller, dock):
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.layers.find(READING).data_setitem(tuple(np.indices((10, 10)).reshape(2, -1) + 10), 1)
    controller.tick()
    dock.refresh()
    rows, columns = controller.case.spacing_mm
    assert f"You painted {100 * rows * columns:.0f} mm²." in dock.reading.told.text()


def test_typing_a_search_is_one_key_away(controller, dock):
    controller.opener.open_demo()
    dock.refresh()
    window = controller.viewer.window._qt_window
    window.show()
    dock.start_search()
    assert window.focusWidget() is dock.search


def test_a_part_of_the_file_that_cannot_be_entered_is_one_notification(controller, dock, opened, told):
    opened(TwoSplits([disagreeing(1)]))
    dock.refresh()
    dock.split.addItem("gone")
    dock.split.setCurrentText("gone")
    dock.split.activated.emit(2)
    (said,) = told()
    assert said.startswith("no split 'gone'; choose one of: ")
