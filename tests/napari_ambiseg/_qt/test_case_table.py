"""The table of cases: what it tells of a case, and what it keeps back while cases are read blind."""

import pytest
from qtpy.QtCore import Qt

from napari_ambiseg._qt.case_browser import CaseBrowser
from napari_ambiseg._qt.case_table import (
    CASE,
    DISTANCE,
    FLAG,
    GED,
    NOTE,
    PATIENT,
    PROGRESS,
    SEEN,
    TELLING,
)
from napari_ambiseg.state import ALL, BY_DISTANCE, DISAGREEING, FLAGGED, NOTED, UNREAD

from .in_memory import TwoSplits, column, disagreeing

RESTING = (
    "The ranking by Apart and the filter 'disagreeing' wait until you no longer read blind: J and K follow the file's "
    "order."
)


@pytest.fixture
def controller(quiet_controller):
    return quiet_controller


@pytest.fixture
def dock(make_dock):
    return make_dock(CaseBrowser)


def test_an_order_and_a_filter_that_would_tell_rest_while_cases_are_read_blind(controller, dock):
    controller.browser.open(TwoSplits([disagreeing((7 * at) % 9) for at in range(9)]), "in memory")
    controller.browser.advance(10)
    listing, reading = controller.state.listing, controller.state.reading
    listing.kept, listing.descending, listing.sort = DISAGREEING, True, BY_DISTANCE
    dock.refresh()
    assert dock.resting.isHidden()
    ranked = column(dock, CASE)
    assert ranked != sorted(ranked)
    assert dock.kept.currentText() == DISAGREEING
    header = dock.table.horizontalHeader()
    for begin, end in (
        (controller.reader.toggle, controller.reader.toggle),
        (lambda: setattr(reading, "keep", True), lambda: setattr(reading, "keep", False)),
    ):
        begin()
        dock.refresh()
        assert column(dock, CASE) == [f"case {at}" for at in range(9)]
        assert dock.kept.currentText() == ALL
        assert header.sortIndicatorSection() == -1
        told = [text for at in TELLING for text in column(dock, at)[1:]]
        assert set(told) == {"·"}
        assert all(dock.table.isColumnHidden(at) for at in TELLING) == reading.blind
        assert not dock.queue.most.isEnabled()
        assert dock.resting.text() == RESTING
        allowed = {dock.kept.itemText(at) for at in range(dock.kept.count()) if dock.kept.model().item(at).isEnabled()}
        assert allowed == {ALL, FLAGGED, NOTED, UNREAD}
        end()
        dock.refresh()
        assert column(dock, CASE) == ranked
        assert dock.resting.isHidden()
        assert (dock.kept.currentText(), header.sortIndicatorSection()) == (DISAGREEING, DISTANCE)
        assert [at for at in TELLING if dock.table.isColumnHidden(at)] == [GED]  # nothing is drawn yet
        assert all(dock.kept.model().item(at).isEnabled() for at in range(dock.kept.count()))


def test_while_reading_on_blind_the_table_tells_of_the_cases_alone_that_were_read(controller, dock, opened):
    opened(TwoSplits([disagreeing(at) for at in (1, 5, 3)]))
    controller.state.reading.keep = True
    dock.refresh()
    for at in TELLING:
        assert column(dock, at)[1:] == ["·", "·"]
        tips = [dock.cases.index(row, at).data(Qt.ItemDataRole.ToolTipRole) for row in (1, 2)]
        assert tips == ["Shown when you have read the case"] * 2
    assert (column(dock, SEEN)[0], column(dock, DISTANCE)[0]) == ("2/2", "0.25")
    controller.opener.next_case()
    assert column(dock, SEEN) == ["·"] * 3  # it is being read: nothing is told of any
    controller.reader.say_nothing()
    controller.reader.reveal()
    dock.refresh()
    assert column(dock, SEEN) == ["2/2", "2/2", "·"]
    assert not dock.table.isColumnHidden(SEEN)
    controller.state.reading.keep = False
    dock.refresh()
    assert column(dock, SEEN) == ["2/2"] * 3


def test_how_far_a_case_is_read_has_a_column_and_a_count_of_its_own(controller, dock, opened):
    opened(TwoSplits([disagreeing(3)] * 4))
    controller.state.reading.keep = True
    for last in ("revealed", "waiting"):
        controller.opener.next_case()
        controller.reader.say_nothing()
        if last == "revealed":
            controller.reader.reveal()
    controller.reader.next_flag()
    dock.refresh()
    assert column(dock, PROGRESS) == ["✓", "✓ B", "…", ""]
    assert column(dock, FLAG) == ["", "", "!", ""]
    assert dock.counts.text() == "4 cases, 2 read"
    tips = [dock.cases.index(row, PROGRESS).data(Qt.ItemDataRole.ToolTipRole) for row in range(4)]
    assert tips == ["read", "read blind", "waiting", "not read yet"]


@pytest.mark.parametrize("named", [True, False])
def test_long_identifiers_are_shown_by_what_tells_them_apart(controller, dock, opened, named):
    data = TwoSplits([disagreeing(3)] * 3)
    split = data.splits["train"]
    split.patients = ("LIDC-IDRI-0012", "LIDC-IDRI-0012", "LIDC-IDRI-0190") if named else ("Smith",) * 3
    split.keys = tuple(f"LIDC-IDRI-{rest}" for rest in ("0012/slice-041", "0012/slice-042", "0190/slice-007"))
    opened(data)
    dock.refresh()
    assert column(dock, CASE) == ["0012/slice-041", "0012/slice-042", "0190/slice-007"]
    assert dock.cases.index(1, CASE).data(Qt.ItemDataRole.ToolTipRole).startswith("LIDC-IDRI-0012/slice-042\n")
    assert dock.table.isColumnHidden(PATIENT) == named
    name = dock.table.fontMetrics().horizontalAdvance("0012/slice-041")
    assert dock.table.columnWidth(CASE) > name


def test_identifiers_have_the_room_of_columns_that_are_empty(controller, dock, opened):
    data = TwoSplits([disagreeing(3)] * 2)
    data.splits["train"].keys = ("LIDC-IDRI-0075_nodule1_slice10", "LIDC-IDRI-0076_nodule2_slice11")
    opened(data)
    needed = dock.table.fontMetrics().horizontalAdvance("0075_nodule1_slice10")
    for say, hidden in (
        (lambda: None, [GED, NOTE]),
        (lambda: controller.casebook.change(controller.browser.origin, controller.browser.key, ged=0.3, n=4), [NOTE]),
        (lambda: controller.reader.write_note("near the wall"), []),
    ):
        say()
        dock.refresh()
        assert [at for at in (GED, NOTE) if dock.table.isColumnHidden(at)] == hidden
        if hidden:
            assert dock.table.columnWidth(CASE) > needed
    assert dock.table.columnWidth(CASE) > 0.8 * needed


def test_painting_before_the_dock_has_looked_at_a_shorter_file_shows_empty_cells(controller, dock, opened):
    opened(TwoSplits([disagreeing(at) for at in range(5)]))
    dock.refresh()
    controller.browser.open(TwoSplits([disagreeing(1)]), "shorter")
    assert dock.cases.rowCount() == 5
    assert dock.cases.data(dock.cases.index(4, CASE)) is None
    dock.refresh()
    assert column(dock, CASE) == ["case 0"]


def test_the_number_of_cases_is_said_in_good_english(controller, dock, opened):
    opened(TwoSplits([disagreeing(1)]))
    dock.refresh()
    assert dock.counts.text().startswith("1 case, ")
