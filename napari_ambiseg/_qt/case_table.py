"""The listed cases as a table model for Qt: it shows the ranking, and never sorts by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_ambiseg.entries import FLAGS, Entry
from napari_ambiseg.ranking import READ, READ_BLIND, WAITING, Ranking, progress
from napari_ambiseg.state import (
    BY_CASE,
    BY_DISTANCE,
    BY_FLAG,
    BY_GED,
    BY_NOTE,
    BY_PATIENT,
    BY_READ,
    BY_SEEN,
    FILE_ORDER,
    Listing,
)
from napari_ambiseg.survey import CaseSummary
from training.metrics.glossary import SCORES


@dataclass(frozen=True)
class Column:
    """One column: its heading, what it means, what a click on the heading ranks by, and its width in pixels."""

    name: str
    about: str
    sort: str
    width: int


COLUMNS = (
    Column("Case", "Identifier of the slice, in full in its tooltip", BY_CASE, 114),
    Column("Seen", "Seen by k of K: how many of the K experts outlined anything", BY_SEEN, 34),
    Column("Apart", f"{SCORES['ged_experts'].about} 0 is full agreement", BY_DISTANCE, 40),
    Column(
        "GED",
        "Model against experts: generalised energy distance (V) of the last samples, how many they were in the "
        "tooltip; 0 is best. Empty until samples of the case are drawn",
        BY_GED,
        40,
    ),
    Column("Flag", "! important, ? unsure", BY_FLAG, 34),
    Column(
        "Read",
        "A tick once the experts were shown, with B where you read it blind before; dots for a reading that waits",
        BY_READ,
        36,
    ),
    Column("Note", "Your note on the case", BY_NOTE, 36),
    Column("Patient", "Patient that the slice is of", BY_PATIENT, 64),
)
CASE, SEEN, DISTANCE, GED, FLAG, PROGRESS, NOTE, PATIENT = range(len(COLUMNS))
TELLING = (SEEN, DISTANCE, GED)  # what experts or model say: hidden in a blind read
_SIGNS = {WAITING: "…", READ: "✓", READ_BLIND: "✓ B", "": ""}
_HIDDEN = "·"


class CaseTable(QAbstractTableModel):
    """The rows of a ranking; a row without numbers yet shows "..." there.

    Parameters
    ----------
    ranking : which cases, and in which order
    listing : gets the order that a click on a heading asks for
    """

    def __init__(self, ranking: Ranking, listing: Listing) -> None:
        super().__init__()
        self._ranking, self._listing = ranking, listing
        self._order = ranking.order

    def take_order(self) -> bool:
        """Take over the ranking's order; whether it was another one."""
        if self._order is self._ranking.order:
            return False
        self.beginResetModel()
        self._order = self._ranking.order
        self.endResetModel()
        return True

    def renew(self) -> None:
        """Show what has become known of the cases since."""
        if len(self._order):
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._order) - 1, len(COLUMNS) - 1))

    def case_at(self, row: int) -> int:
        """Index in the split of the case in a row."""
        return int(self._order[row])

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Rank by a column, by none of them (-1) in the file's order."""
        self._listing.descending = order == Qt.SortOrder.DescendingOrder and column >= 0
        self._listing.sort = COLUMNS[column].sort if column >= 0 else FILE_ORDER

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """One row per listed case."""
        return len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """One column per number."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Names of the columns, and from 1 the numbers of the rows."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.ToolTipRole:
                return (
                    f"{COLUMNS[section].about}. Click to rank by it, again to turn it round, again for the file's order"
                )
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section].name
        elif role == Qt.ItemDataRole.DisplayRole:
            return str(section + 1)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows, and what is said of it."""
        column, case = index.column(), self.case_at(index.row())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if column in (CASE, NOTE, PATIENT) else Qt.AlignmentFlag.AlignCenter
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        ranking = self._ranking
        if case >= len(ranking.keys):  # painted before the dock has looked at what was opened just now
            return None
        summary, entry = ranking.summary(case), ranking.entry(case)
        if column in TELLING and ranking.hides(case):
            return _HIDDEN if role == Qt.ItemDataRole.DisplayRole else "Shown when you have read the case"
        if role == Qt.ItemDataRole.ToolTipRole:
            return _about(column, ranking.keys[case], ranking.patient(case), summary, entry)
        if column == CASE:
            return ranking.name(case)
        if column == PATIENT:
            return ranking.patient(case)
        shown = (_seen(summary), _distance(summary), _ged(entry), entry.flag, _SIGNS[progress(entry)], entry.note)
        return shown[column - SEEN]


def _about(column: int, key: str, patient: str, summary: CaseSummary | None, entry: Entry) -> str:
    if column == CASE:
        of = "" if patient in key else f"\npatient {patient}"
        seen = f"\nexperts first seen {entry.seen}" if entry.seen else "\nnot read yet"
        return key + of + seen + (f"\nread blind, revealed {entry.revealed}" if entry.revealed and entry.blind else "")
    if column == PATIENT:
        return patient
    if column in (SEEN, DISTANCE) and summary is not None and summary.fault:
        return summary.fault
    if column == GED and entry.ged is not None:
        return f"GED (V) {entry.ged:.4f} of {entry.n} samples by {entry.model}"
    if column == FLAG:
        return FLAGS[entry.flag]
    if column == PROGRESS:
        return progress(entry) or "not read yet"
    return entry.note if column == NOTE else ""


def _seen(summary: CaseSummary | None) -> str:
    if summary is None:
        return "..."
    if summary.fault:
        return "unreadable"
    return f"{summary.n_found}/{summary.n_experts}" if summary.n_experts else "nobody"


def _distance(summary: CaseSummary | None) -> str:
    if summary is None:
        return "..."
    return "" if summary.fault or not summary.n_experts else f"{summary.disagreement:.2f}"


def _ged(entry: Entry) -> str:
    return "" if entry.ged is None else f"{entry.ged:.2f}"
