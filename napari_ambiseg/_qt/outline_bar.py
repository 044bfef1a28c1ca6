"""What is outlined of the experts: each one, their summary, and what at least so many of them mark."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QLabel, QPushButton, QRadioButton, QVBoxLayout, QWidget
from superqt import QLabeledSlider

from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.layers.experts import agreement_name
from napari_ambiseg.state import Display
from training.export.colours import expert_letter
from training.metrics.staple import REMEDY, StapleEstimate, is_available

_LABEL = 60  # pixels, so that what stands beside two labels begins at one place
_NAMED: tuple[tuple[str, str, Callable[[int], int]], ...] = (
    ("Union", "What any expert marks", lambda _: 1),
    ("Majority", "What more than half of the experts mark", lambda count: count // 2 + 1),
    ("Intersection", "What all experts mark", lambda count: count),
)


class OutlineBar(QWidget):
    """Sets the outlines of the state's display part.

    Parameters
    ----------
    display : that part
    """

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display, self._count = display, 0
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.own = QRadioButton("each expert")
        self.own.setToolTip("The outline of every expert whose switch is on, with its letter")
        self.summary = QRadioButton("all, half, any")
        self.summary.setToolTip(
            "In place of the experts' own outlines: what all mark (thick), what at least half mark (thin), and what "
            "anyone marks (dashed)"
        )
        choice = QButtonGroup(self)
        row = self._row(column, "Outlines", "Whose outlines lie on the image")
        for button in (self.own, self.summary):
            choice.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        self.summary.toggled.connect(self._on_summary)
        self.slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Outline of what at least so many of the experts mark; 0 is off")
        self.slider.setAccessibleName("At least so many experts agree")
        self.slider.setMinimumWidth(70)
        self.slider.valueChanged.connect(self._on_slider)
        self.says = QLabel()
        self.says.setToolTip("What the region is called that this outline encloses")
        row = self._row(column, "At least", self.slider.toolTip(), self.slider)
        row.addWidget(self.slider, 1)
        row.addWidget(self.says)
        row = QHBoxLayout()
        row.setSpacing(6)
        column.addLayout(row)
        self.named: list[QPushButton] = []
        for name, tooltip, least in _NAMED:
            button = QPushButton(name)
            button.setCheckable(True)
            button.setMinimumWidth(60)
            button.setToolTip(f"{tooltip}: its outline on or off")
            button.clicked.connect(lambda checked, least=least: self._on_named(checked, least))
            row.addWidget(button)
            self.named.append(button)

        self.staple = QCheckBox("STAPLE estimate")
        self.staple.setToolTip(
            "One mask estimated from all experts by STAPLE (SimpleITK), where its probability is at least one half. It "
            "hides that they disagree, and changes with how much background the slice shows"
            if is_available()
            else REMEDY
        )
        self.staple.setEnabled(is_available())
        self.staple.toggled.connect(self._on_staple)
        column.addWidget(self.staple)
        self.rates = text_label(
            "Each expert against the estimate: share of its inside marked, of its outside left alone"
        )
        column.addWidget(self.rates)

    def show_estimate(self, estimate: StapleEstimate | None) -> None:
        """Show whether STAPLE's outline is on, and what it says of the experts; None where it is not."""
        self.staple.blockSignals(True)
        self.staple.setChecked(self._display.staple)
        self.staple.blockSignals(False)
        self.rates.setVisible(estimate is not None)
        if estimate is not None:
            pairs = zip(estimate.sensitivity, estimate.specificity, strict=True)
            said = [f"{expert_letter(at)} {p:.2f} / {q:.3f}" for at, (p, q) in enumerate(pairs, start=1)]
            self.rates.setText("Sensitivity / specificity: " + ", ".join(said))

    def show_outlines(self, n_experts: int) -> None:
        """Show what is chosen, for a case with so many experts."""
        self._count = n_experts
        self.setEnabled(n_experts > 0)
        display = self._display
        least = min(display.agreement, n_experts)
        for widget in (self.own, self.summary, self.slider):
            widget.blockSignals(True)
        (self.summary if display.summary else self.own).setChecked(True)
        self.slider.setRange(0, max(n_experts, 1))
        self.slider.setValue(least)
        for widget in (self.own, self.summary, self.slider):
            widget.blockSignals(False)
        name = agreement_name(least, n_experts) if least else ""
        self.says.setText(f"of {n_experts}{f': {name}' if name else ''}" if least else "off")
        for button, (_, _, of) in zip(self.named, _NAMED, strict=True):
            button.setChecked(least > 0 and least == of(n_experts))

    def _on_summary(self, checked: bool) -> None:
        self._display.summary = checked

    def _on_slider(self, value: int) -> None:
        self._display.agreement = value

    def _on_staple(self, checked: bool) -> None:
        self._display.staple = checked

    def _on_named(self, checked: bool, least: Callable[[int], int]) -> None:
        self._display.agreement = least(self._count) if checked else 0

    @staticmethod
    def _row(column: QVBoxLayout, name: str, tooltip: str, buddy: QWidget | None = None) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        label = QLabel(name)
        label.setToolTip(tooltip)
        if buddy is not None:
            label.setBuddy(buddy)
        label.setMinimumWidth(_LABEL)
        row.addWidget(label)
        column.addLayout(row)
        return row
