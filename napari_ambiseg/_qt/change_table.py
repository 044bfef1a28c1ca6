"""Numbers of the samples as drawn and after post-processing, and the change."""

from __future__ import annotations

import math
from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.measures import SampleMeasures
from training.metrics.glossary import SCORES

_Row = tuple[str, str, Callable[[SampleMeasures], float], int]


def _score(name: str) -> _Row:
    return SCORES[name].heading, SCORES[name].about, lambda at: at.scores[name], 3


# Name, what it means, the number, decimals.  Numbers of fixed width, so that nothing jumps while a slider moves.
_ROWS: tuple[_Row, ...] = (
    _score("ged_v"),
    _score("ged_u"),
    _score("dice"),
    ("Empty samples", "How many samples have no foreground", lambda at: at.n_empty, 0),
    ("Mean area", "Of all samples, empty ones in", lambda at: float(at.areas.mean()), 1),
)


class ChangeTable(QWidget):
    """One row for each number: before, after, change."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(1)
        for column, text in enumerate(("", "as drawn", "cleaned", "change")):
            grid.addWidget(_label(text, Qt.AlignmentFlag.AlignRight), 0, column)
        self.names: list[QLabel] = []
        self.cells: list[list[QLabel]] = []
        for row, (name, meaning, _, _) in enumerate(_ROWS, start=1):
            self.names.append(text_label(meaning, name))
            self.cells.append([_label("", Qt.AlignmentFlag.AlignRight, meaning) for _ in range(3)])
            for column, label in enumerate([self.names[-1], *self.cells[-1]]):
                grid.addWidget(label, row, column)
        grid.setColumnStretch(0, 1)

    def show_numbers(self, before: SampleMeasures, after: SampleMeasures, unit: str) -> None:
        """Show the numbers of the samples as drawn and after post-processing; areas are in ``unit``."""
        self.names[-1].setText(f"{_ROWS[-1][0]} ({unit})")
        for cells, (_, _, number, decimals) in zip(self.cells, _ROWS, strict=True):
            old, new = (round(number(of), decimals) for of in (before, after))  # the change is that of what is shown
            texts = [_text(old, decimals), _text(new, decimals), _text(new - old, decimals, signed=True)]
            for label, text in zip(cells, texts, strict=True):
                label.setText(text)


def _text(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with a real minus; "–" where it is not defined, and no signed zero."""
    if math.isnan(value):
        return "–"
    value = round(value, decimals) + 0.0  # the sum makes 0 of -0
    return f"{value:{'+' if signed and value else ''}.{decimals}f}".replace("-", "−")


def _label(text: str, alignment: Qt.AlignmentFlag, tooltip: str = "") -> QLabel:
    label = QLabel(text)
    label.setAlignment(alignment | Qt.AlignmentFlag.AlignVCenter)
    label.setToolTip(tooltip)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
