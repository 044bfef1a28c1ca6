"""The dock that scrubs through the reverse diffusion."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
)
from superqt.utils import signals_blocked

from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.plots import CurvePlot
from napari_ambiseg.state import IDLE, NOISY, PREDICTED

_QUANTITIES = (
    (PREDICTED, "predicted mask", "what the model thinks the clean mask is at this step (x0_hat)"),
    (NOISY, "noisy state", "what the walk has at this step (x_t)"),
)


class TrajectoryPlayer(Dock):
    """Play, step and sample sliders, and how the GED falls along the walk."""

    preferred = QSize(700, 130)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._build()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.state.playback.advance)
        playback = self.state.playback.events
        self.follow(
            playback.times, playback.n_samples, playback.frame, playback.sample, playback.quantity, playback.playing,
            playback.frames_per_second, playback.following, self.state.sampling.events.status,
            self.state.disagreement.events.curve, self.viewer.events.theme,
        )  # fmt: skip

    def _build(self) -> None:
        playback = self.state.playback
        self.play = QPushButton("Pla&y")
        self.play.setMinimumWidth(80)
        self.play.setToolTip("Play the walk from noise to mask, again and again")
        self.play.clicked.connect(lambda _: setattr(playback, "playing", not playback.playing))
        self.frame = QSlider(Qt.Orientation.Horizontal)
        self.frame.setToolTip("State of the reverse diffusion: noise on the left, drawn mask on the right")
        self.frame.valueChanged.connect(lambda value: setattr(playback, "frame", value))
        self.sample = QSlider(Qt.Orientation.Horizontal)
        self.sample.setToolTip("Which of the samples to look at")
        self.sample.valueChanged.connect(lambda value: setattr(playback, "sample", value))
        self.where = QLabel()
        self.where.setMinimumWidth(1)  # may be cut where the dock is narrow: the canvas has the same text
        self.where.setToolTip("t is the diffusion time: 1 is pure noise, 0 is the mask")
        self.quantity = QComboBox()
        for at, (name, text, meaning) in enumerate(_QUANTITIES):
            self.quantity.addItem(text, name)
            self.quantity.setItemData(at, meaning, Qt.ItemDataRole.ToolTipRole)
        self.quantity.setToolTip(
            "What to look at: " + "; ".join(f"{text}: {meaning}" for _, text, meaning in _QUANTITIES)
        )
        self.quantity.activated.connect(lambda _: setattr(playback, "quantity", self.quantity.currentData()))
        self.live = QCheckBox("follow live")
        self.live.setToolTip("Stay at the newest step while the model draws; moving a slider lets go")
        self.live.clicked.connect(lambda on: setattr(playback, "following", on))
        self.speed = QDoubleSpinBox()
        self.speed.setRange(0.5, 30)
        self.speed.setDecimals(1)
        self.speed.setSuffix(" /s")
        self.speed.setMinimumWidth(110)
        self.speed.setToolTip("Speed of playing: states per second")
        self.speed.valueChanged.connect(lambda value: setattr(playback, "frames_per_second", value))

        top = QHBoxLayout()
        for widget in (self.play, self.speed, self.live):
            top.addWidget(widget)
        top.addStretch(1)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        for at, (text, widget) in enumerate((("Step", self.frame), ("Sample", self.sample), ("Show", self.quantity))):
            label = QLabel(text)
            label.setBuddy(widget)
            grid.addWidget(label, at, 0)
            grid.addWidget(widget, at, 1)
        grid.setColumnStretch(1, 1)
        controls = QVBoxLayout()
        controls.setSpacing(4)
        controls.addLayout(top)
        controls.addLayout(grid)
        controls.addWidget(self.where)
        controls.addStretch(1)
        row = QHBoxLayout()
        row.addLayout(controls, 3)
        self.curve = CurvePlot(self.viewer)
        row.addWidget(self.curve, 2)
        self.column.addLayout(row)

    def refresh(self) -> None:
        """Put sliders, texts and the curve's cursor where the playback is."""
        playback, drawing = self.state.playback, self.state.sampling.status != IDLE
        there = bool(playback.times)
        with signals_blocked(self.frame), signals_blocked(self.sample):
            self.frame.setRange(0, max(len(playback.times) - 1, 0))
            self.frame.setValue(playback.frame)
            self.sample.setRange(0, max(playback.n_samples - 1, 0))
            self.sample.setValue(playback.sample)
        for widget in (self.frame, self.sample, self.play):
            widget.setEnabled(there)
        self.play.setText("Pa&use" if playback.playing else "Pla&y")
        self.quantity.setCurrentIndex(self.quantity.findData(playback.quantity))
        self.live.setChecked(playback.following)
        self.live.setEnabled(drawing)
        with signals_blocked(self.speed):
            self.speed.setValue(playback.frames_per_second)
        self.where.setText(self.controller.frame_text() or "no samples yet: press Generate in the Sampler")
        self.curve.show_curve(self.state.disagreement.curve, playback.frame)
        self._run_timer(playback.playing and there)

    def _run_timer(self, on: bool) -> None:
        interval = round(1000 / self.state.playback.frames_per_second)
        if on and (not self._timer.isActive() or self._timer.interval() != interval):
            self._timer.start(interval)
        elif not on:
            self._timer.stop()
