"""The dock that lists the cases of a file, with what the experts alone say about each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
)

from napari_ambiseg._qt.dock import Dock, text_line
from napari_ambiseg._qt.open_buttons import OpenButtons
from napari_ambiseg.survey import CaseSummary, Survey

_COLUMNS = {
    "Case": "Identifier of the slice",
    "Patient": "Patient that the slice is of",
    "Seen by": "How many of the experts outlined anything",
    "E[d]": "Mean of 1 - IoU over all pairs of experts, each with itself too: 0 is full agreement",
}
_CASE, _PATIENT, _SEEN, _DISTANCE = range(4)


class CaseTable(QAbstractTableModel):
    """The survey of a split as a table; a row without numbers yet shows "..." there."""

    def __init__(self, survey: Survey | None) -> None:
        super().__init__()
        self._survey = survey
        self._rows = [] if survey is None else list(survey.rows())
        self._known = 0
        self.grow()

    def grow(self) -> None:
        """Take in what the survey has learnt since the last call."""
        if self._survey is None:
            return
        first, self._known = self._known, len(self._survey.summaries)
        if self._known > first:
            self.dataChanged.emit(self.index(first, _SEEN), self.index(self._known - 1, _DISTANCE))

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """One row per case."""
        return len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """One column per number."""
        return len(_COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Names of the columns, and from 1 the numbers of the rows."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.ToolTipRole:
                return list(_COLUMNS.values())[section]
            if role == Qt.ItemDataRole.DisplayRole:
                return list(_COLUMNS)[section]
        elif role == Qt.ItemDataRole.DisplayRole:
            return str(section + 1)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows; what it is sorted by."""
        key, patient, _ = self._rows[index.row()]
        column, summary = index.column(), self._summary(index.row())
        if role == Qt.ItemDataRole.DisplayRole:
            return (key, patient, _seen(summary), _distance(summary))[column]
        if role == Qt.ItemDataRole.UserRole:
            found, distance = (summary.n_found, summary.disagreement) if summary else (-1, -1.0)
            return (key, patient, found, distance)[column]
        if role == Qt.ItemDataRole.TextAlignmentRole and column >= _SEEN:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return summary.fault if summary and summary.fault else (key, patient, _seen(summary), "")[column]
        return None

    def _summary(self, row: int) -> CaseSummary | None:
        known = self._survey is not None and row < self._known
        return self._survey.summaries[row] if known and self._survey is not None else None


class CaseBrowser(Dock):
    """Table of the cases of a split.  A click or an arrow key opens one; a click on a heading ranks them."""

    preferred = QSize(390, 330)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown: Survey | None = None
        self._build()
        events = self.state.browsing.events
        self.follow(events.source, events.splits, events.split, events.index, events.surveyed)

    def _build(self) -> None:
        self.empty = OpenButtons(self.controller)
        self.column.addWidget(self.empty)
        self.source = text_line(self)
        self.split = QComboBox()
        self.split.setToolTip("Part of the file: training, validation or test cases")
        self.split.activated.connect(lambda _: self.controller.open_split(self.split.currentText()))
        row = QHBoxLayout()
        label = QLabel("Split")
        label.setBuddy(self.split)
        row.addWidget(label)
        row.addWidget(self.split, 1)
        self.column.addLayout(row)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self._sorted.setDynamicSortFilter(False)  # rows must not jump while the survey goes on
        self.table = QTableView()
        self.table.setModel(self._sorted)
        self.table.horizontalHeader().setSortIndicatorClearable(True)
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # LIDC's identifiers differ at the end
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setMinimumHeight(120)
        self.table.setToolTip("Click a row, or use the arrow keys, to open a case; click a heading to rank the cases")
        self.table.selectionModel().currentRowChanged.connect(self._open_row)
        self.column.addWidget(self.table, 1)
        self.previous, self.next = QPushButton("Previous"), QPushButton("Next")
        self.previous.setToolTip("The case above in the table's order")
        self.next.setToolTip("The case below in the table's order")
        self.previous.clicked.connect(lambda _: self._go(-1))
        self.next.clicked.connect(lambda _: self._go(1))
        row = QHBoxLayout()
        row.addWidget(self.previous)
        row.addWidget(self.next)
        self.column.addLayout(row)

    def refresh(self) -> None:
        """Show another split's table, what is newly known in this one, and the row of the open case."""
        browsing = self.state.browsing
        is_open = browsing.index >= 0
        self.empty.setVisible(not is_open)
        self.source.setText(Path(browsing.source).name or "Nothing is open yet.")
        self.source.setToolTip(browsing.source)
        if [self.split.itemText(at) for at in range(self.split.count())] != list(browsing.splits):
            self.split.clear()
            self.split.addItems(browsing.splits)
        self.split.setCurrentText(browsing.split)
        for widget in (self.split, self.previous, self.next):
            widget.setEnabled(is_open)
        if self.controller.survey is not self._shown:
            self._shown = self.controller.survey
            self._cases = CaseTable(self._shown)  # kept: a proxy does not own its source
            self._sorted.setSourceModel(self._cases)
            self._sorted.sort(-1)  # the file's order, until a heading is clicked
            self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            self._set_widths()
        elif self._shown is not None:
            self._cases.grow()
        if is_open:
            self._select(browsing.index)

    def _set_widths(self) -> None:
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(_CASE, QHeaderView.ResizeMode.Stretch)
        for column, width in ((_PATIENT, 116), (_SEEN, 64), (_DISTANCE, 52)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            header.resizeSection(column, width)

    def _select(self, index: int) -> None:
        shown = self._sorted.mapFromSource(self._cases.index(index, _CASE))
        if shown.row() != self.table.currentIndex().row():
            self.table.setCurrentIndex(shown)

    def _open_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            index = self._sorted.mapToSource(current).row()
            if index != self.state.browsing.index:
                self.controller.open_case(index)

    def _go(self, by: int) -> None:
        row = self.table.currentIndex().row() + by
        if 0 <= row < self._sorted.rowCount():
            self.table.setCurrentIndex(self._sorted.index(row, _CASE))


def _seen(summary: CaseSummary | None) -> str:
    if summary is None:
        return "..."
    return "unreadable" if summary.fault else f"{summary.n_found} of {summary.n_experts}"


def _distance(summary: CaseSummary | None) -> str:
    if summary is None:
        return "..."
    return "" if summary.fault else f"{summary.disagreement:.2f}"
