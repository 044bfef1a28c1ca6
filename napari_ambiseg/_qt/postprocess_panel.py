"""The dock that cleans samples and shows at once what that does to the numbers."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_ambiseg._qt.dock import Dock, headline, text_line


class PostprocessPanel(Dock):
    """The relative-area slider, and GED and empty samples before and after."""

    preferred = QSize(390, 200)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        row = QHBoxLayout()
        label = QLabel("Relative area r")
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 1)
        self.slider.setSingleStep(0.05)
        self.slider.setDecimals(2)
        self.slider.setToolTip(
            "A sample whose area is less than r times that of the largest sample becomes empty (Eq. 10); "
            "0 changes nothing"
        )
        self.slider.valueChanged.connect(self._set)
        label.setBuddy(self.slider)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Back to the samples as drawn (r = 0)")
        self.reset.clicked.connect(lambda _: self._set(0.0))
        row.addWidget(label)
        row.addWidget(self.slider, 1)
        row.addWidget(self.reset)
        self.column.addLayout(row)
        self.ged = headline(self, "GED (V) of the samples as drawn, and after post-processing; lower is better")
        self.details = text_line(self)
        self.column.addStretch(1)
        numbers = self.state.disagreement.events
        self.follow(numbers.raw, numbers.processed, self.state.postprocessing.events.relative_area)

    def refresh(self) -> None:
        """Show r, and the numbers before and after."""
        r, numbers = self.state.postprocessing.relative_area, self.state.disagreement
        with signals_blocked(self.slider):
            self.slider.setValue(r)
        self.reset.setEnabled(r > 0)
        raw, processed = numbers.raw, numbers.processed
        if raw is None or processed is None:
            self.ged.setText("GED: no samples yet")
            self.details.setText("Generate samples first; then this shows what cleaning them changes.")
            return
        change = f"{processed.ged_v - raw.ged_v:+.3f}".replace("-", "−")
        self.ged.setText(f"GED {raw.ged_v:.3f} → {processed.ged_v:.3f}")
        self.details.setText(
            f"Change {change} (estimator V, n = {raw.n}). U: {raw.ged_u:.3f} → {processed.ged_u:.3f}. "
            f"Empty samples: {raw.n_empty} → {processed.n_empty} of {raw.n}."
        )

    def _set(self, r: float) -> None:
        self.state.postprocessing.relative_area = round(float(r), 2)
