"""The dock of the cases: a table to rank, filter and search, flags and notes, and the blind read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QModelIndex, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
)
from superqt import QElidingLabel

from napari_ambiseg._qt.case_table import CASE, COLUMNS, CaseTable
from napari_ambiseg._qt.case_view import CaseView
from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.open_buttons import OpenButtons
from napari_ambiseg._qt.queue_box import QueueBox
from napari_ambiseg._qt.reading_box import ReadingBox
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.entries import FLAGS
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.notices import notifying
from napari_ambiseg.ranking import TELLING_FILTERS
from napari_ambiseg.state import FILTERS

_LAID_OUT_MS = 500  # after that Qt has given new texts their room


class CaseBrowser(Dock):
    """Table of the cases of a split.  A click or an arrow key opens one; a click on a heading ranks them."""

    preferred = QSize(390, 460)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._index = -1  # the case whose row was shown last
        self._read = (-1, False, False, False)  # that case, how far its blind read was, and whether it warned
        self._wanted = False  # whether the blind read is to be brought into sight
        self._noted: Origin | None = None  # of the case that the note is on
        self._build()
        state = self.state
        browsing, reading, queue = state.browsing.events, state.reading.events, state.queue.events
        self.follow(
            browsing.source, browsing.splits, browsing.split, browsing.index, browsing.surveyed,
            state.listing.events.revision, self.controller.casebook.changed,
            reading.blind, reading.keep, reading.flag, reading.note, reading.nothing, reading.area, reading.unfilled,
            reading.distances, reading.standing, queue.total, queue.done, queue.message, state.sampling.events.status,
        )  # fmt: skip

    def start_search(self) -> None:
        """Let the user type what to search for."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def show_reading(self) -> None:
        """Bring the blind read into sight, now and when Qt has given its new texts their room."""
        self._wanted = True
        self._show_reading()
        QTimer.singleShot(_LAID_OUT_MS, self._end_showing)

    # -- building --------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.empty = OpenButtons(self.controller)
        self.column.addWidget(self.empty)
        self._build_source()
        self._build_filters()
        self._build_table()
        self._build_steps()
        self.queue = QueueBox(self.controller)
        self.column.addWidget(self.queue)
        self._build_note()
        self.reading = ReadingBox(self.controller)
        self.column.addWidget(self.reading)
        self.verticalScrollBar().rangeChanged.connect(lambda *_: self._show_reading())

    def _build_source(self) -> None:
        self.source = QElidingLabel()
        self.source.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.split = QComboBox()
        self.split.setToolTip("Part of the file: training, validation or test cases")
        self.split.setAccessibleName("Part of the file")
        self.split.activated.connect(self._enter_split)
        self.counts = QLabel()
        self.counts.setToolTip("How many cases are listed, and of how many the experts' outlines were shown")
        row = QHBoxLayout()
        row.addWidget(self.source, 1)
        row.addWidget(self.counts)
        row.addWidget(self.split)
        self.column.addLayout(row)

    def _build_filters(self) -> None:
        self.search = QLineEdit()
        self.search.setPlaceholderText(f"Search{hint('search')}")
        self.search.setToolTip("Lists the cases whose identifier, patient or note has all of these words")
        self.search.setAccessibleName("Search the cases")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._set_search)
        self.kept = QComboBox()
        self.kept.addItems(FILTERS)
        self.kept.setToolTip(
            "Which cases are listed. Not read yet: the experts' outlines were never shown. Disagreeing: experts not "
            "all at distance 0. Seen by some only: some experts outlined something and others nothing. While you read "
            "blind, filters that tell of experts or model rest"
        )
        self.kept.setAccessibleName("Which cases are listed")
        self.kept.activated.connect(lambda _: self._set_kept())
        self._row(self.search, self.kept)

    def _build_table(self) -> None:
        self.cases = CaseTable(self.controller.browser.ranking, self.state.listing)
        self.table = CaseView(self.cases)
        self.table.selectionModel().currentRowChanged.connect(self._open_row)
        self.resting = text_label("What tells of experts or model is not followed until you stop reading blind")
        self.column.addWidget(self.resting)
        self.column.addWidget(self.table, 1)

    def _build_steps(self) -> None:
        self.previous, self.next = QPushButton(f"Previous{hint('previous')}"), QPushButton(f"Next{hint('next')}")
        self.previous.setToolTip("The case above in the table's order")
        self.next.setToolTip("The case below in the table's order")
        self.previous.clicked.connect(lambda _: self.controller.opener.next_case(-1))
        self.next.clicked.connect(lambda _: self.controller.opener.next_case())
        self.flag = QPushButton()
        self.flag.setToolTip("Marks the open case: no flag, ! important, ? unsure, and round again")
        self.flag.clicked.connect(lambda _: self.controller.reader.next_flag())
        row = QHBoxLayout()
        for button in (self.previous, self.flag, self.next):
            row.addWidget(button, 1)
        self.column.addLayout(row)

    def _build_note(self) -> None:
        label = QLabel("N&ote")
        self.note = QLineEdit()
        self.note.setPlaceholderText("on the open case")
        self.note.setToolTip("A line on the open case; kept as you type it, and searched too")
        self.note.setMaxLength(2000)
        self.note.textEdited.connect(self._write_note)  # not later: the case may change while somebody is typing
        label.setBuddy(self.note)
        label.setToolTip(self.note.toolTip())
        self._row(label, self.note, first_grows=False)

    def _row(self, first: Any, second: Any, *, first_grows: bool = True) -> None:
        row = QHBoxLayout()
        row.addWidget(first, int(first_grows))
        row.addWidget(second, int(not first_grows))
        self.column.addLayout(row)

    # -- showing ---------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the list, what is newly known of its cases, and the row of the open case."""
        browsing, reading = self.state.browsing, self.state.reading
        is_open = browsing.index >= 0
        self.empty.setVisible(not is_open)
        self.source.setText(Path(browsing.source).name or "Nothing is open yet.")
        self.source.setToolTip(browsing.source)
        if [self.split.itemText(at) for at in range(self.split.count())] != list(browsing.splits):
            self.split.clear()
            self.split.addItems(browsing.splits)
        self.split.setCurrentText(browsing.split)
        self.split.setVisible(len(browsing.splits) > 1)
        self._refresh_list(browsing.index)
        ranking = self.controller.browser.ranking
        self.split.setEnabled(is_open)
        self.previous.setEnabled(is_open and ranking.has(browsing.index, -1))
        self.next.setEnabled(is_open and ranking.has(browsing.index, 1))
        self.flag.setText(f"Flag: {_flag_text(reading.flag)}{hint('flag')}")
        for widget in (self.flag, self.note, self.search, self.kept):
            widget.setEnabled(is_open)
        origin = self.controller.browser.origin
        if not self.note.hasFocus() or self._noted != origin:  # somebody may be typing there
            self.note.setText(reading.note)
            self._noted = origin
        self.queue.refresh()
        self._refresh_reading()

    def _refresh_reading(self) -> None:
        self.reading.refresh()
        reading, before = self.state.reading, self._read
        warns = reading.blind and reading.unfilled > 0
        self._read = (self.state.browsing.index, reading.blind, bool(reading.distances), warns)
        if (
            self._read[0] == before[0] and self._read != before
        ):  # where the dock is low, what is new may be out of sight
            self.show_reading()

    def _show_reading(self) -> None:
        if self._wanted:
            self.verticalScrollBar().setValue(self.reading.y())

    def _end_showing(self) -> None:
        self._wanted = False

    def _refresh_list(self, index: int) -> None:
        listing, reading = self.state.listing, self.state.reading
        ranking = self.controller.browser.ranking
        scrolled = self.table.verticalScrollBar().value()
        reordered = self.cases.take_order()
        if not reordered:
            self.cases.renew()
        entries = self.controller.casebook.book(self.state.browsing.source, self.state.browsing.split).values()
        self.table.fit(ranking, entries, blind=reading.blind)
        total = len(ranking.keys)
        known = f", {self.state.browsing.surveyed} surveyed" if not self._surveyed() else ""
        cases = "case" if total == 1 else "cases"
        listed = f"{total} {cases}" if listing.shown == total else f"{listing.shown} of {total} {cases}"
        self.counts.setText(f"{listed}, {ranking.n_read} read{known}" if total else "")
        self._allow_filters(every=not reading.hides_others)
        self.kept.setCurrentText(ranking.kept)
        if self.search.text() != listing.search and not self.search.hasFocus():
            self.search.setText(listing.search)
        self._show_indicator()
        self.resting.setText(self._resting())
        self.resting.setVisible(bool(self.resting.text()))
        row = ranking.row(index)
        if row is None:
            self.table.clearSelection()
        elif reordered or index != self._index or self.table.currentIndex().row() != row:
            self.table.setCurrentIndex(self.cases.index(row, CASE))
        if reordered and index == self._index:
            self.table.verticalScrollBar().setValue(scrolled)
        self._index = index

    def _resting(self) -> str:
        """Which ranking or filter waits for the end of the blind reads."""
        listing, ranking = self.state.listing, self.controller.browser.ranking
        waiting, follows = [], ""
        if ranking.sort != listing.sort:
            waiting.append(f"ranking by {next(one.name for one in COLUMNS if one.sort == listing.sort)}")
            follows = ": J and K follow the file's order"
        if ranking.kept != listing.kept:
            waiting.append(f"filter {listing.kept!r}")
        verb = "wait" if len(waiting) > 1 else "waits"
        return f"The {' and the '.join(waiting)} {verb} until you no longer read blind{follows}." if waiting else ""

    def _allow_filters(self, *, every: bool) -> None:
        """Offer every filter, or those alone that tell nothing of experts and model."""
        filters: Any = self.kept.model()
        for at, name in enumerate(FILTERS):
            filters.item(at).setEnabled(every or name not in TELLING_FILTERS)

    def _surveyed(self) -> bool:
        survey = self.controller.browser.survey
        return survey is None or survey.done

    def _show_indicator(self) -> None:
        header, ranking = self.table.horizontalHeader(), self.controller.browser.ranking
        column = next((at for at, one in enumerate(COLUMNS) if one.sort == ranking.sort), -1)
        order = Qt.SortOrder.DescendingOrder if ranking.descending else Qt.SortOrder.AscendingOrder
        if header.sortIndicatorSection() != column or (column >= 0 and header.sortIndicatorOrder() != order):
            before = header.blockSignals(True)
            header.setSortIndicator(column, order)
            header.blockSignals(before)
            header.viewport().update()

    # -- asking ----------------------------------------------------------------------------------------------------

    def _open_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            index = self.cases.case_at(current.row())
            if index != self.state.browsing.index:
                self.controller.opener.open_case(index)

    def _enter_split(self, _: int) -> None:
        with notifying():
            self.controller.browser.enter(self.split.currentText())

    def _set_search(self, text: str) -> None:
        self.state.listing.search = text

    def _set_kept(self) -> None:
        self.state.listing.kept = self.kept.currentText()

    def _write_note(self, text: str) -> None:
        if self._noted == self.controller.browser.origin:
            with notifying():
                self.controller.reader.write_note(text)


def _flag_text(flag: str) -> str:
    return f"{flag} {FLAGS[flag]}" if flag else "none"
