"""The dock that cleans samples and shows at once what that does to the numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QToolButton
from superqt import QLabeledDoubleSlider, QLabeledSlider
from superqt.utils import signals_blocked

from napari_ambiseg._qt.change_table import ChangeTable
from napari_ambiseg._qt.cursor_plot import CursorPlot
from napari_ambiseg._qt.dock import Dock, headline, text_line
from napari_ambiseg.curves import RELATIVE_AREAS
from napari_ambiseg.notices import BLIND, notifying
from napari_ambiseg.restored import restored_note, wishes_of
from napari_ambiseg.state import IDLE
from training.metrics.glossary import SCORES
from training.postprocess import Cleaning

_LATER = "When there are samples, this shows what cleaning them changes."
_LARGEST_OBJECT = 300  # pixels, of the slider


class PostprocessPanel(Dock):
    """What is done to the samples, and GED and other numbers before and after."""

    preferred = QSize(390, 260)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._soon = QTimer(self)  # once the mouse has been heard: what it passed over on its way is not drawn
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._show_now)
        self.ged = headline(self, f"As drawn → post-processed; lower is better. {SCORES['ged_v'].about}")
        self._make_sliders()
        self._make_switches()
        self.note = text_line(self)
        self.curve = CursorPlot(
            self.viewer, "Distance, GED (V), against the relative area r, all else as it is set; a click sets r"
        )
        self.curve.setFixedHeight(110)
        self.curve.getAxis("left").setWidth(58)
        self.curve.getAxis("left").setLabel("distance")
        self.curve.setXRange(0, 1, padding=0.06)
        self.curve.getAxis("bottom").setTicks([[(0, "0"), (0.5, "relative area 0.5"), (1, "1")]])
        self.curve.picked.connect(lambda r: self._wish(relative_area=round(min(max(r, 0.0), 1.0), 2)))
        self.column.addWidget(self.curve)
        self.numbers = ChangeTable()
        self.column.addWidget(self.numbers)
        self.column.addStretch(1)
        numbers, wishes = self.state.disagreement.events, self.state.postprocessing.events
        self.follow(
            numbers.raw, numbers.processed, numbers.experts, wishes.cleaning, wishes.show_before,
            self.state.reading.events.blind, self.state.sampling.events.status, self.viewer.events.theme,
            *wishes_of(self.state),
        )  # fmt: skip

    def _make_sliders(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(-1, 1)
        self.relative_area = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.relative_area.setRange(0, 1)
        for slider in (self.threshold, self.relative_area):
            slider.setSingleStep(0.05)
            slider.setDecimals(2)
        self.smallest_object = QLabeledSlider(Qt.Orientation.Horizontal)
        self.smallest_object.setRange(0, _LARGEST_OBJECT)
        self.relative_area.setToolTip(
            "r: a sample whose area is less than r times that of the largest sample becomes empty (Eq. 10); "
            "0 changes nothing"
        )
        self.smallest_object.setToolTip(
            "Connected objects of fewer pixels are removed from each sample; 0 keeps everything"
        )
        self.resets: dict[str, QToolButton] = {}
        for row, (name, text, slider) in enumerate(
            (
                ("threshold", "Threshold", self.threshold),
                ("relative_area", "Relative area", self.relative_area),
                ("smallest_object", "Smallest object", self.smallest_object),
            )
        ):
            label = QLabel(text)
            label.setBuddy(slider)
            reset = QToolButton()
            reset.setText("↺")
            reset.setToolTip(f"{text}: back to where it changes nothing")
            reset.setAccessibleName(f"Reset {text.lower()}")
            reset.clicked.connect(lambda _, name=name: self._wish(**{name: getattr(Cleaning(), name)}))
            self.resets[name] = reset
            for column, widget in enumerate((label, slider, reset)):
                grid.addWidget(widget, row, column)
        grid.setColumnStretch(1, 1)
        self.column.addLayout(grid)
        self.threshold.valueChanged.connect(lambda value: self._wish(threshold=round(float(value), 2)))
        self.relative_area.valueChanged.connect(lambda value: self._wish(relative_area=round(float(value), 2)))
        self.smallest_object.valueChanged.connect(lambda value: self._wish(smallest_object=int(value)))

    def _make_switches(self) -> None:
        wishes = self.state.postprocessing
        self.fill_holes = QCheckBox("Fill holes")
        self.fill_holes.setToolTip("Background that a sample encloses becomes part of it, before objects are measured")
        self.fill_holes.clicked.connect(lambda on: self._wish(fill_holes=bool(on)))
        self.show_before = QCheckBox("Dashed: as drawn")
        self.show_before.setToolTip("Dashed outlines of the samples as they were drawn, where cleaning changes them")
        self.show_before.clicked.connect(lambda on: self._show_before(bool(on)))
        self.reset_all = QPushButton("Reset all")
        self.reset_all.setToolTip("Back to the samples as drawn")
        self.reset_all.clicked.connect(lambda _: self._set(Cleaning()))
        row = QHBoxLayout()
        for widget in (self.fill_holes, self.show_before):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.reset_all)
        self.column.addLayout(row)
        self.show_before.setChecked(wishes.show_before)

    def refresh(self) -> None:
        """Show what is wished, the numbers before and after, and the curve."""
        self._show_numbers()
        curve = self.controller.results.ged_by_relative_area()
        if not self.curve.isHidden() and curve is not None:
            self.curve.show_curve(np.array(RELATIVE_AREAS), curve, self.state.postprocessing.cleaning.relative_area)

    def _show_numbers(self) -> None:
        cleaning, numbers = self.state.postprocessing.cleaning, self.state.disagreement
        self._show_wishes(cleaning)
        results, blind = self.controller.results, self.state.reading.blind
        raw, processed = numbers.raw, numbers.processed
        there = raw is not None and processed is not None and results.run is not None and not blind
        for widget in (self.curve, self.numbers):
            widget.setVisible(there)
        drawing = self.state.sampling.status != IDLE
        if not there or raw is None or processed is None:
            self.ged.setText(BLIND if blind else "Drawing ..." if drawing else "No samples yet")
            self.note.setText("" if blind else _LATER if drawing else f"Generate samples first. {_LATER}")
            return
        before, after = raw.scores["ged_v"], processed.scores["ged_v"]
        known = not math.isnan(before)
        self.ged.setText(f"Distance {before:.3f} → {after:.3f}" if known else "Nobody annotated this slice")
        self.note.setText(self._note(cleaning))
        self.numbers.show_numbers(raw, processed, "px" if numbers.experts is None else numbers.experts.unit)

    def _show_wishes(self, cleaning: Cleaning) -> None:
        sliders: tuple[tuple[str, Any], ...] = (
            ("threshold", self.threshold),
            ("relative_area", self.relative_area),
            ("smallest_object", self.smallest_object),
        )
        for name, slider in sliders:
            value = getattr(cleaning, name)
            with signals_blocked(slider):
                slider.setValue(value)
            self.resets[name].setEnabled(value != getattr(Cleaning(), name))
        self.fill_holes.setChecked(cleaning.fill_holes)
        self.show_before.setChecked(self.state.postprocessing.show_before)
        self.reset_all.setEnabled(not cleaning.is_nothing)
        reason = self._why_no_threshold()
        self.threshold.setEnabled(not reason)
        self.threshold.setToolTip(
            reason
            or "Foreground is where the clean mask that the model predicted last, from -1 to 1, is above this; "
            "0 are the samples as drawn"
        )

    def _why_no_threshold(self) -> str:
        """Why the samples that are shown cannot be cut at another threshold; "" where they can."""
        results = self.controller.results
        if results.run is None or results.takes_threshold:
            return ""
        if note := restored_note(results.run, self.state):
            return note
        return "these samples came as finished masks, without the predicted clean masks that another threshold needs"

    def _note(self, cleaning: Cleaning) -> str:
        """What the user should know of the cleaning as it is set."""
        notes = []
        if reason := self._why_no_threshold():
            notes.append(f"{'The threshold is not applied:' if cleaning.threshold else 'No threshold:'} {reason}.")
        run = self.controller.results.run
        if cleaning.smallest_object > 1 and run is not None and run.case.spacing_mm is not None:
            row, column = run.case.spacing_mm
            area = cleaning.smallest_object * row * column
            notes.append(f"Smallest object: {cleaning.smallest_object} px are {area:.1f} mm².")
        return " ".join(notes)

    def _wish(self, **changes: Any) -> None:
        self._set(replace(self.state.postprocessing.cleaning, **changes))

    def _set(self, cleaning: Cleaning) -> None:
        self.state.postprocessing.cleaning = cleaning
        self._soon.start()

    def _show_before(self, on: bool) -> None:
        self.state.postprocessing.show_before = on
        self._soon.start()

    def _show_now(self) -> None:
        """Do not wait for the next beat: the slider is being moved.  The curve may wait."""
        with notifying():
            self.controller.results.update()
        self.controller.overlays.update()
        self._show_numbers()
