"""The dock that puts two runs side by side, or the experts, and the runs' numbers beside each other."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_ambiseg._qt.dock import Dock, text_line
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.comparison_table import Row
from napari_ambiseg.notices import BLIND
from napari_ambiseg.state import EXPERTS_BESIDE, RUNS_BESIDE

_FIRST = "The run that the other one is compared with"
_SECOND = "The other run: by default the newest one, of any model, sampler or seed of the same case"
_HEADS = ("", "A", "B", "B − A")


class ComparePanel(Dock):
    """Pin a run as A, draw or choose B, and see both."""

    preferred = QSize(390, 330)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._build()
        comparing = self.state.comparing.events
        self.follow(
            comparing.runs, comparing.first, comparing.second, comparing.shown, comparing.revision,
            self.state.browsing.events.key, self.state.reading.events.blind, self.state.disagreement.events.raw,
        )  # fmt: skip

    def _build(self) -> None:
        comparer = self.controller.comparer
        self.hint = text_line(self, "What to do next")
        self.first = self._chooser("A", _FIRST, comparer.choose_first)
        self.second = self._chooser(
            "B",
            _SECOND,
            comparer.choose_second,
        )
        self.pin = QPushButton("Pin what is shown as A")
        self.pin.setToolTip("Keeps the samples that are shown as A; what you draw next of this case becomes B")
        self.pin.clicked.connect(lambda _: comparer.pin())
        self.again = QPushButton("Draw B with another seed")
        self.again.setToolTip("Pins what is shown as A if nothing is pinned, and draws with the next seed")
        self.again.clicked.connect(lambda _: self._draw_another_seed())
        self._row(self.pin, self.again)
        self.runs = QPushButton("A and B side by side")
        self.runs.setToolTip("Two pictures with one camera, each with image, experts and the samples of one run")
        self.runs.clicked.connect(lambda on: comparer.show_runs() if on else comparer.leave())
        self.experts = QPushButton("Experts side by side")
        self.experts.setToolTip("One picture for each expert, with that expert's outline alone; one camera for all")
        self.experts.clicked.connect(lambda on: comparer.show_experts() if on else comparer.leave())
        for button in (self.runs, self.experts):
            button.setCheckable(True)
        self._row(self.runs, self.experts)
        self.after = text_line(self, "A and B are cleaned before they are shown and measured; Post-processing sets it")
        self.numbers = _Numbers()
        self.column.addWidget(self.numbers)
        self.advice = text_line(self, "What keeps the two from being compared fairly")
        self.column.addStretch(1)

    def _chooser(self, letter: str, tooltip: str, choose: Any) -> QComboBox:
        box = QComboBox()
        box.setToolTip(tooltip)
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.activated.connect(lambda _: choose(box.currentData()))
        label = QLabel(letter)
        label.setToolTip(tooltip)
        label.setBuddy(box)
        label.setStyleSheet("font-weight: 600;")
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(box, 1)
        self.column.addLayout(row)
        return box

    def _row(self, *buttons: QPushButton) -> None:
        row = QHBoxLayout()
        for button in buttons:
            row.addWidget(button, 1)
        self.column.addLayout(row)

    def refresh(self) -> None:
        """Show what there is to compare, and the numbers."""
        comparing, blind = self.state.comparing, self.state.reading.blind
        is_open, shown = self.state.browsing.index >= 0, self.controller.results.run is not None
        _fill(self.first, comparing.runs, comparing.first, "none is pinned", _FIRST)
        _fill(self.second, comparing.runs, comparing.second, "none yet", _SECOND)
        both = comparing.first >= 0 and comparing.second >= 0
        self.first.setEnabled(not blind and bool(comparing.runs))
        self.second.setEnabled(not blind and len(comparing.runs) > 1)
        self.pin.setEnabled(shown and not blind)
        self.again.setEnabled(shown and not blind)
        self.runs.setEnabled(both and not blind)
        self.experts.setEnabled(is_open and not blind and self.state.disagreement.experts is not None)
        self.runs.setChecked(comparing.shown == RUNS_BESIDE)
        self.experts.setChecked(comparing.shown == EXPERTS_BESIDE)
        self.hint.setText(self._hint(is_open, both, blind))
        self.hint.setVisible(bool(self.hint.text()))
        rows = () if blind else self.controller.comparer.rows()
        self.numbers.setVisible(any(row.first is not None or row.second is not None for row in rows))
        self.numbers.show_rows(rows)
        self.after.setText(self.controller.comparer.cleaning)
        self.after.setVisible(bool(self.after.text()) and not self.numbers.isHidden())
        self.advice.setText(self._advice() if both and not blind else "")
        self.advice.setVisible(bool(self.advice.text()))

    def _hint(self, is_open: bool, both: bool, blind: bool) -> str:
        if blind:
            return BLIND
        if not is_open:
            return "No case is open"
        if both:
            return ""
        if not self.state.comparing.runs:
            return "Draw samples of this case, then pin them as A."
        if self.state.comparing.first < 0:
            return "Pin what is shown as A, then draw the same case another way: that becomes B."
        return "Now draw this case another way (model, steps, seed): that becomes B."

    def _advice(self) -> str:
        first, second = self.controller.comparer.first, self.controller.comparer.second
        if first is None or second is None:
            return ""
        if first.field != second.field:
            return "A and B look at different parts of the slice: their numbers are about different pixels."
        if first.n != second.n:
            return f"A has {first.n} samples, B {second.n}: GED (V) falls with n by itself; draw equally many."
        return ""

    def _draw_another_seed(self) -> None:
        comparer, sampling = self.controller.comparer, self.state.sampling
        if comparer.first is None:
            comparer.pin()
        used = [run.seed for run in comparer.runs]
        sampling.seed = max([sampling.seed, *used]) + 1
        self.controller.generate()


class _Numbers(QWidget):
    """The table: one line per number, with A, B and their difference."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)
        for column, text in enumerate(_HEADS):
            self._label(0, column, text, "Difference of the two" if column == 3 else f"Run {text}").setStyleSheet(
                "font-weight: 600;"
            )
        self.names: dict[str, QLabel] = {}
        self.values: dict[str, tuple[QLabel, QLabel, QLabel]] = {}

    def show_rows(self, rows: tuple[Row, ...]) -> None:
        """Show these numbers; their names and order are the same each time, only a unit may be another."""
        for at, row in enumerate(rows, start=1):
            if row.name not in self.values:
                self.names[row.name] = self._label(at, 0, row.name, row.about)
                first, second, change = (self._label(at, column, "", row.about) for column in (1, 2, 3))
                self.values[row.name] = (first, second, change)
            first, second, change = self.values[row.name]
            self.names[row.name].setText(f"{row.name} ({row.unit})" if row.unit else row.name)
            one, other = (None if value is None else round(value, row.decimals) for value in (row.first, row.second))
            difference = None if one is None or other is None else other - one  # of what is shown
            first.setText(_number(one, row.decimals))
            second.setText(_number(other, row.decimals))
            change.setText(_number(difference, row.decimals, signed=True))

    def _label(self, row: int, column: int, text: str, tooltip: str) -> QLabel:
        label = QLabel(text) if column else text_label(tooltip, text)  # a long name goes on in a second line
        label.setToolTip(tooltip)
        if column:
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            label.setMinimumWidth(58)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._grid.addWidget(label, row, column)
        return label


def _number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    if math.isnan(value):
        return "undefined"
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "").replace("+", "")  # no signed zero


def _fill(box: QComboBox, runs: tuple[str, ...], chosen: int, nothing: str, about: str) -> None:
    """Offer the runs by number; a first line stands for none while none is chosen."""
    lines = [(nothing, -1)] if chosen < 0 else []
    lines += [(run, at) for at, run in enumerate(runs)]
    if [(box.itemText(at), box.itemData(at)) for at in range(box.count())] != lines:
        box.clear()
        for text, at in lines:
            box.addItem(text, at)
            box.setItemData(box.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
    at = next(at for at, (_, data) in enumerate(lines) if data == chosen)
    box.setCurrentIndex(at)
    box.setToolTip(f"{about}. Now {lines[at][0]}")  # which may be longer than the box
