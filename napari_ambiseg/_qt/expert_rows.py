"""One line for each expert: its letter on its colour as the switch of its outline, and how large it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget

from napari_ambiseg.measures import ExpertMeasures
from training.export.colours import expert_colour, expert_letter

_NONE = "none"
_TOOLTIPS = (
    "Area of the outline",
    "Longest straight line between two points of one object of the outline",
    "Diameter of the circle of the same area",
)


class ExpertRows(QWidget):
    """A table of the experts; its switches hide and show their outlines."""

    switched = Signal(object)  # (int, ...) numbers of the experts that are off

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(4, 1)
        self._heads = [self._label(0, column + 1, text) for column, text in enumerate(_TOOLTIPS)]
        self._names = [self._label(1, 0, "Of the experts who outlined anything") for _ in range(2)]
        for name, text in zip(self._names, ("smallest", "largest"), strict=True):
            name.setText(text)
        self._switches: list[QCheckBox] = []
        self._cells: list[list[QLabel]] = []
        self._extremes: list[list[QLabel]] = []

    def show_experts(self, experts: ExpertMeasures, hidden: tuple[int, ...]) -> None:
        """Show the sizes of all experts, and which of their outlines are off."""
        if len(self._cells) != experts.n_experts:
            self._build(experts.n_experts)
        for head, (name, unit) in zip(
            self._heads,
            (("area", experts.unit), ("longest ⌀", experts.length_unit), ("⌀ of area", experts.length_unit)),
            strict=True,
        ):
            head.setText(f"{name}\n({unit})")
        columns = (experts.areas, experts.longest, experts.equivalent)
        decimals = (0 if experts.unit == "px" else 1, 1, 1)
        for row, (switch, cells) in enumerate(zip(self._switches, self._cells, strict=True)):
            empty = experts.areas[row] == 0
            for cell, values, places in zip(cells, columns, decimals, strict=True):
                cell.setText(_NONE if empty else f"{values[row]:.{places}f}")
            switch.blockSignals(True)
            switch.setChecked(row + 1 not in hidden)
            switch.blockSignals(False)
        drawn = experts.areas > 0
        for labels, extreme in zip(self._extremes, (np.min, np.max), strict=True):
            for label, values, places in zip(labels, columns, decimals, strict=True):
                label.setText(f"{extreme(values[drawn]):.{places}f}" if drawn.any() else _NONE)

    def _build(self, n_experts: int) -> None:
        for widget in (*self._switches, *(cell for cells in (*self._cells, *self._extremes) for cell in cells)):
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self._switches, self._cells = [], []
        for number in range(1, n_experts + 1):
            letter = expert_letter(number)
            switch = QCheckBox(letter)
            switch.setToolTip(f"Outline of expert {letter} on or off. The letter is a place in this case's list alone")
            switch.setAccessibleName(f"Outline of expert {letter}")
            switch.setStyleSheet(
                f"QCheckBox {{ background: {expert_colour(number)}; color: black; font-weight: 600; "
                "padding: 1px 6px; border-radius: 3px; }"
            )
            switch.toggled.connect(self._on_switch)
            self._grid.addWidget(switch, number, 0)
            self._switches.append(switch)
            self._cells.append([self._label(number, column + 1, text) for column, text in enumerate(_TOOLTIPS)])
        for name, row in zip(self._names, (n_experts + 1, n_experts + 2), strict=True):
            self._grid.addWidget(name, row, 0)
        self._extremes = [
            [
                self._label(row, column + 1, f"{text}: {which} of those who outlined anything")
                for column, text in enumerate(_TOOLTIPS)
            ]
            for row, which in ((n_experts + 1, "the smallest"), (n_experts + 2, "the largest"))
        ]

    def _on_switch(self, *_: Any) -> None:
        self.switched.emit(
            tuple(number for number, switch in enumerate(self._switches, start=1) if not switch.isChecked())
        )

    def _label(self, row: int, column: int, tooltip: str) -> QLabel:
        label = QLabel()
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setToolTip(tooltip)
        self._grid.addWidget(label, row, column)
        return label
