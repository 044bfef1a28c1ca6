"""The dock of numbers: what the experts say, and, after sampling, what the model adds."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from napari_ambiseg._qt.dock import Dock, headline, text_line
from napari_ambiseg._qt.plots import AreaPlot
from napari_ambiseg.layers import expert_colour
from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from napari_ambiseg.state import IDLE

_GED_ROWS = (
    ("2 × samples to experts", "Twice the mean of 1 - IoU over all pairs of a sample and an expert"),
    ("− among samples", "Mean of 1 - IoU over all pairs of samples, each with itself too"),
    ("− among experts", "Mean of 1 - IoU over all pairs of experts, each with itself too: E[d(y, y')]"),
    ("= GED (V)", "Generalised energy distance, self-pairs in: the paper's estimator. 0 is best"),
    ("   GED (U)", "The same without the samples' self-pairs, so that it does not fall with n by itself"),
)
_V_ROW = 3


class DisagreementPanel(Dock):
    """Seen by k of K, distances and areas of the experts; then GED with its terms, and the maps' switches."""

    preferred = QSize(390, 430)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._build()
        events = self.state.disagreement.events
        self.follow(
            events.experts, events.raw, events.processed, events.show_variance, events.show_votes,
            self.state.browsing.events.key, self.state.sampling.events.status, self.viewer.events.theme,
        )  # fmt: skip

    def _build(self) -> None:
        self.seen = headline(self, "How many of the experts outlined anything on this slice")
        self.spread = text_line(
            self, "Mean of 1 - IoU over all pairs of experts, each with itself too. Two empty masks agree fully (IoU 1)"
        )
        self.empty = headline(self, "How many of the model's samples are empty: the model thinks there may be nothing")
        maps = QHBoxLayout()
        self.variance = QCheckBox("Var&iance map")
        self.variance.setToolTip("Where samples differ: p (1 - p) per pixel, on a fixed scale from 0 to 0.25")
        self.variance.clicked.connect(lambda on: setattr(self.state.disagreement, "show_variance", on))
        self.votes = QCheckBox("E&xpert votes")
        self.votes.setToolTip("How many experts include each pixel")
        self.votes.clicked.connect(lambda on: setattr(self.state.disagreement, "show_votes", on))
        maps.addWidget(self.variance)
        maps.addWidget(self.votes)
        maps.addStretch(1)
        self.column.addLayout(maps)
        self.ged_head = text_line(self, "Generalised energy distance between the samples and the experts; 0 is best")
        self.ged_head.setText("<b>Model against experts</b> (GED; lower is better)")
        self.ged = _GedTable()
        self.column.addWidget(self.ged)
        self.areas_head = text_line(self, "mm² where the pixel spacing is known, else pixels")
        self.areas = AreaPlot(self.viewer)
        self.column.addWidget(self.areas)
        self.pairs_head = text_line(self, "0: the same outline; 1: no overlap at all")
        self.pairs_head.setText("<b>Distance between experts</b> (1 − IoU)")
        self.pairs = _PairTable()
        self.column.addWidget(self.pairs)
        self._of_a_case = (
            self.empty, self.variance, self.votes, self.ged_head, self.ged, self.areas_head, self.areas,
            self.pairs_head, self.pairs,
        )  # fmt: skip
        self.column.addStretch(1)

    def refresh(self) -> None:
        """Show the numbers of the open case, the experts' first."""
        numbers, sampling = self.state.disagreement, self.state.sampling
        experts, shown = numbers.experts, numbers.processed or numbers.raw
        self.variance.setChecked(numbers.show_variance)
        self.variance.setEnabled(numbers.processed is not None)
        self.votes.setChecked(numbers.show_votes)
        self.votes.setEnabled(experts is not None)
        for widget in self._of_a_case:
            widget.setVisible(experts is not None)
        if experts is None:
            self.seen.setText("No case is open")
            self.spread.setText("Open the demo cases or a file; the experts' numbers need no model.")
            return
        self.seen.setText(f"Seen by {experts.n_found} of {experts.n_experts} experts")
        self.spread.setText(f"Mean distance between experts E[d(y, y')] = {experts.disagreement:.2f}")
        if shown is None:
            self.empty.setText("Model: no samples yet" if sampling.status == IDLE else "Model: drawing ...")
        else:
            who = "Model" if sampling.status == IDLE else "So far"
            self.empty.setText(f"{who}: empty in {shown.n_empty} of {shown.n}")
        cleaned = numbers.processed if self.state.postprocessing.relative_area else None
        self.ged.show_terms(numbers.raw, cleaned, experts)
        self.areas_head.setText(f"<b>Area</b> ({experts.unit}) of each outline")
        self.areas.show_areas(experts.areas, np.empty(0) if shown is None else shown.areas)
        self.pairs.show_distances(experts)


class _GedTable(QWidget):
    """The GED as the sum that it is, one term per line; a second column after post-processing."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        self._heads = [QLabel(), QLabel()]
        self._names = [QLabel(text) for text, _ in _GED_ROWS]
        self._values = [[QLabel() for _ in _GED_ROWS] for _ in self._heads]
        for column, (head, values) in enumerate(zip(self._heads, self._values, strict=True), start=1):
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(head, 0, column)
            for row, value in enumerate(values, start=1):
                value.setAlignment(Qt.AlignmentFlag.AlignRight)
                value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                grid.addWidget(value, row, column)
        for row, (name, (_, tooltip)) in enumerate(zip(self._names, _GED_ROWS, strict=True), start=1):
            name.setToolTip(tooltip)
            grid.addWidget(name, row, 0)
        for label in (self._names[_V_ROW], *(values[_V_ROW] for values in self._values)):
            label.setStyleSheet("font-size: 13pt; font-weight: 600;")

    def show_terms(self, raw: SampleMeasures | None, processed: SampleMeasures | None, experts: ExpertMeasures) -> None:
        """Show the terms before and, where there is any, after post-processing; the experts' term needs no samples."""
        self._heads[0].setText("" if raw is None else f"n = {raw.n}")
        self._heads[1].setText("" if processed is None else "cleaned")
        self._show(self._values[0], raw)
        self._show(self._values[1], processed)
        if raw is None:
            self._values[0][2].setText(f"{experts.disagreement:.3f}")
        for value in self._values[1]:
            value.setVisible(processed is not None)
        self._heads[1].setVisible(processed is not None)

    @staticmethod
    def _show(labels: list[QLabel], measures: SampleMeasures | None) -> None:
        if measures is None:
            texts = ["–"] * len(_GED_ROWS)
        else:
            terms = (
                2 * measures.cross,
                measures.within_samples,
                measures.within_experts,
                measures.ged_v,
                measures.ged_u,
            )
            texts = [f"{term:.3f}" if np.isfinite(term) else "needs n > 1" for term in terms]
        for label, text in zip(labels, texts, strict=True):
            label.setText(text)


class _PairTable(QWidget):
    """Matrix of the experts' distances, and their areas; each head is the expert's number on its colour."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._cells: list[list[QLabel]] = []
        self._areas: list[QLabel] = []
        self._unit = QLabel()

    def show_distances(self, experts: ExpertMeasures) -> None:
        """Show the (K, K) distances, with K as it is in this case."""
        if len(self._cells) != experts.n_experts:
            self._build(experts.n_experts)
        self._unit.setText(experts.unit)
        for row, (labels, area) in enumerate(zip(self._cells, self._areas, strict=True)):
            area.setText(f"{experts.areas[row]:.0f}")
            for column, label in enumerate(labels):
                distance = float(experts.distances[row, column])
                label.setText("–" if row == column else f"{distance:.2f}")
                label.setStyleSheet(f"background: rgba(230, 110, 60, {round(140 * distance)}); padding: 1px;")

    def _build(self, n_experts: int) -> None:
        for label in self.findChildren(QLabel):
            self._grid.removeWidget(label)
            label.deleteLater()
        self._unit = self._cell(0, n_experts + 1, "Area of each expert's outline")
        self._cells, self._areas = [], []
        for number in range(1, n_experts + 1):
            for place in ((0, number), (number, 0)):
                head = self._cell(*place, f"Expert {number}, in the colour of the outline")
                head.setText(str(number))
                head.setStyleSheet(f"background: {expert_colour(number)}; color: black; font-weight: 600;")
            tooltip = f"1 - IoU of expert {number} and expert {{}}; 0 where both drew nothing"
            self._cells.append([self._cell(number, other, tooltip.format(other)) for other in range(1, n_experts + 1)])
            self._areas.append(self._cell(number, n_experts + 1, f"Area of expert {number}'s outline"))

    def _cell(self, row: int, column: int, tooltip: str) -> QLabel:
        label = QLabel()
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        label.setToolTip(tooltip)
        self._grid.addWidget(label, row, column)
        return label
