"""Numbers one under the other, of the samples as drawn and, beside them, post-processed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.number_table import Number

_WIDEST = "−0.00 to 0.00"


class ScoreTable(QWidget):
    """One line for each number; its values can be selected, and keep their place while they change.

    Parameters
    ----------
    numbers : which ones
    """

    def __init__(self, numbers: Sequence[Number]) -> None:
        super().__init__()
        self._numbers = tuple(numbers)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(0)  # the labels have room of their own on both sides
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(0, 1)
        self.heads = [QLabel("as drawn"), QLabel("cleaned")]
        self.heads[0].setToolTip("The samples as the model drew them")
        self.heads[1].setToolTip("The same samples after post-processing")
        self.names: dict[str, QLabel] = {}
        self.values: list[dict[str, QLabel]] = [{}, {}]
        for row, number in enumerate(self._numbers, start=1):
            name = text_label(number.tooltip, number.title)
            self.names[number.name] = name
            grid.addWidget(name, row, 0)
            for column, values in enumerate(self.values, start=1):
                value = QLabel()
                value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                value.setToolTip(number.tooltip)
                values[number.name] = value
                grid.addWidget(value, row, column)
                if number.head:
                    value.setStyleSheet("font-weight: 700;")
            if number.head:
                name.setStyleSheet("font-weight: 700;")
        for column, head in enumerate(self.heads, start=1):
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(head, 0, column)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Give the values the room of their widest, in the letters of the window, and all else to the names."""
        super().showEvent(event)
        ranged = any("range" in number.name for number in self._numbers)
        for head in self.heads:
            letters = head.fontMetrics()
            around = head.sizeHint().width() - letters.horizontalAdvance(head.text())  # what the theme leaves free
            head.setMinimumWidth(letters.horizontalAdvance(_WIDEST if ranged else "−0.000") + around)

    def show_numbers(self, drawn: SampleMeasures | None, cleaned: SampleMeasures | None) -> None:
        """Show the numbers before and, where there is any, after post-processing."""
        for values, measures in zip(self.values, (drawn, cleaned), strict=True):
            for number in self._numbers:
                values[number.name].setText(number.text(measures))
        self.heads[0].setVisible(cleaned is not None)
        for widget in (self.heads[1], *self.values[1].values()):
            widget.setVisible(cleaned is not None)
