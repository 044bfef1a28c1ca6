"""The table of cases as it is seen: how its columns share the width, and that the open case stays in sight."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import QModelIndex, QSize, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_ambiseg._qt.case_table import CASE, COLUMNS, GED, NOTE, PATIENT, SEEN, TELLING, CaseTable
from napari_ambiseg.entries import Entry
from napari_ambiseg.ranking import Ranking

_CELL_MARGIN = 12  # pixels beside the text of a cell
_LEAST_CASE, _LEAST_NOTE = 80, 80  # pixels; where they are not there, Patient goes, then the table scrolls


class CaseView(QTableView):
    """Wants no more height than some rows, so that a low dock has room for what is below; a high one gives it more.

    Where the table becomes lower, as when the dock says more below it, or is shown, the current row stays in sight,
    unless the user scrolled since it became the current one.

    Parameters
    ----------
    cases : what it shows
    """

    def __init__(self, cases: CaseTable) -> None:
        super().__init__()
        self._needed = 0  # pixels of the longest identifier
        self._tells_patient = False  # which no identifier does
        self._scrolled = False  # by the user, away from the current row
        self.setModel(cases)
        header = self.horizontalHeader()
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setMinimumSectionSize(28)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # LIDC's identifiers differ at the end
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(24)
        self.setToolTip("Click a row, or use the arrow keys, to open a case; click a heading to rank the cases")
        self.setAccessibleName("Cases")
        for at, column in enumerate(COLUMNS):
            self.setColumnWidth(at, column.width)
        self.setColumnHidden(PATIENT, True)
        for bar in (self.verticalScrollBar(), self.horizontalScrollBar()):
            bar.actionTriggered.connect(self._on_scrolled)

    def fit(self, ranking: Ranking, entries: Collection[Entry], *, blind: bool) -> None:
        """Give the room of columns that are empty, or may not be told, to the identifiers, which tell cases apart.

        Parameters
        ----------
        ranking : of the listed cases
        entries : all that is kept of cases of this split
        blind : whether experts and model are hidden
        """
        hidden = dict.fromkeys(TELLING, blind) | {
            GED: blind or all(entry.ged is None for entry in entries),
            NOTE: not any(entry.note for entry in entries),
        }
        for column, is_hidden in hidden.items():
            self.setColumnHidden(column, is_hidden)
        self._tells_patient = not ranking.keys_name_patients
        modes, header = QHeaderView.ResizeMode, self.horizontalHeader()
        mode = modes.Stretch if hidden[NOTE] else modes.Interactive
        if header.sectionResizeMode(CASE) != mode:
            header.setSectionResizeMode(CASE, mode)
        longest = max(map(ranking.name, range(len(ranking.keys))), key=len, default="")
        self._needed = self.fontMetrics().horizontalAdvance(longest) + _CELL_MARGIN
        self._share()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Share the new width, and keep the current row in sight."""
        super().resizeEvent(event)
        self._share()
        self._keep_in_sight()

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Bring the current row into sight: it may have become so while the table was hidden."""
        super().showEvent(event)
        self._keep_in_sight()

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:  # noqa: N802 - Qt's name
        """Forget that the user scrolled."""
        super().currentChanged(current, previous)
        self._scrolled = False

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for four rows."""
        return QSize(300, 132)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The same."""
        return self.sizeHint()

    def _share(self) -> None:
        """Give the identifiers what they need and all else to the notes; the patient is told where there is room."""
        others = (at for at in range(SEEN, NOTE) if not self.isColumnHidden(at))
        room = self.viewport().width() - sum(map(self.columnWidth, others))
        if self.isColumnHidden(NOTE):
            has_room = room >= max(_LEAST_CASE, self._needed) + COLUMNS[PATIENT].width
            self.setColumnHidden(PATIENT, not (self._tells_patient and has_room))
            return  # the identifiers have all that is left
        has_room = room >= _LEAST_CASE + _LEAST_NOTE + COLUMNS[PATIENT].width
        self.setColumnHidden(PATIENT, not (self._tells_patient and has_room))
        room -= self.columnWidth(PATIENT)  # 0 where it is hidden
        case = max(_LEAST_CASE, min(self._needed, room - _LEAST_NOTE))
        for at, width in ((CASE, case), (NOTE, max(_LEAST_NOTE, room - case))):
            if self.columnWidth(at) != width:
                self.setColumnWidth(at, width)

    def _on_scrolled(self, _action: int) -> None:
        self._scrolled = True

    def _keep_in_sight(self) -> None:
        if not self._scrolled and self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())
