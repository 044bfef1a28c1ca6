"""The dock that scrubs through the reverse diffusion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
)
from superqt import QElidingLabel
from superqt.utils import signals_blocked

from napari_ambiseg._qt.cursor_plot import CursorPlot
from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.movie_button import MovieButton
from napari_ambiseg.curves import CURVES, curve_of
from napari_ambiseg.notices import BLIND, NOTHING_OPEN
from napari_ambiseg.restored import restored_note, wishes_of
from napari_ambiseg.state import IDLE, NOISY, PREDICTED, SPEEDS

_QUANTITIES = (
    (PREDICTED, "predicted mask", "what the model thinks the clean mask is at this step (x0_hat)"),
    (NOISY, "noisy state", "what the walk has at this step (x_t)"),
)
_METRIC = "Which number of the samples to draw against the steps, as if the walk ended at each of them"
_TERMS = "t is the diffusion time, from 1 (noise) to 0 (mask); log SNR the logarithm of signal to noise"


class TrajectoryPlayer(Dock):
    """Step and sample sliders, playing, and a number of the samples against the steps."""

    preferred = QSize(700, 140)
    watches = True

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._make_player()
        self._make_choices()
        self._make_curve()
        self._lay_out()
        playback, browsing = self.state.playback.events, self.state.browsing.events
        self.follow(
            playback.times, playback.n_frames, playback.n_samples, playback.frame, playback.sample, playback.quantity,
            playback.playing, playback.frames_per_second, playback.loop, playback.following, playback.metric,
            self.state.sampling.events.status, self.state.reading.events.blind, self.viewer.events.theme,
            self.state.disagreement.events.experts, self.state.disagreement.events.raw, browsing.key,
            self.state.output.events, *wishes_of(self.state),
        )  # fmt: skip

    def _make_player(self) -> None:
        player, playback = self.controller.player, self.state.playback
        self.back = QPushButton(f"◀{hint('back')}")
        self.back.setToolTip("One step back, towards the noise")
        self.back.setAccessibleName("One step back")
        self.back.clicked.connect(lambda _: player.step(-1))
        self.forward = QPushButton(f"▶{hint('forward')}")
        self.forward.setToolTip("One step on, towards the mask")
        self.forward.setAccessibleName("One step on")
        self.forward.clicked.connect(lambda _: player.step(1))
        self.play = QPushButton("Pla&y")
        self.play.setMinimumWidth(58)
        self.play.setToolTip("Play the walk from noise to mask")
        self.play.clicked.connect(lambda _: player.play())
        self.speed = QComboBox()
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} /s", speed)
        self.speed.setToolTip("Speed of playing: states per second")
        self.speed.setAccessibleName("Speed of playing")
        self.speed.activated.connect(lambda _: setattr(playback, "frames_per_second", self.speed.currentData()))
        self.loop = QCheckBox("↻")
        self.loop.setToolTip("After the last step play the first one again")
        self.loop.setAccessibleName("Play again and again")
        self.loop.clicked.connect(lambda on: setattr(playback, "loop", on))
        self.live = QCheckBox("live")
        self.live.setToolTip("Stay at the newest step while the model draws; moving a slider lets go")
        self.live.clicked.connect(lambda on: setattr(playback, "following", on))
        self.frame = QSlider(Qt.Orientation.Horizontal)
        self.frame.setToolTip("State of the reverse diffusion: noise on the left, drawn mask on the right")
        self.frame.valueChanged.connect(lambda value: setattr(playback, "frame", value))
        self.sample = QSlider(Qt.Orientation.Horizontal)
        self.sample.setToolTip("Which of the samples to look at")
        self.sample.valueChanged.connect(lambda value: setattr(playback, "sample", value))
        self.next_sample = QPushButton(f"Next{hint('sample')}")
        self.next_sample.setToolTip("Next sample; after the last one the first")
        self.next_sample.clicked.connect(lambda _: player.next_sample())

    def _make_choices(self) -> None:
        playback = self.state.playback
        self.quantity = QComboBox()
        for at, (name, text, meaning) in enumerate(_QUANTITIES):
            self.quantity.addItem(text, name)
            self.quantity.setItemData(at, meaning, Qt.ItemDataRole.ToolTipRole)
        self.quantity.setToolTip(
            "What to look at: " + "; ".join(f"{text}: {meaning}" for _, text, meaning in _QUANTITIES)
        )
        self.quantity.setAccessibleName("What to look at")
        self.quantity.activated.connect(lambda _: setattr(playback, "quantity", self.quantity.currentData()))
        self.movie = MovieButton(self)
        self.where = QElidingLabel()
        self.where.setMinimumWidth(1)  # may be cut where the dock is narrow: the tooltip has all of it

    def _make_curve(self) -> None:
        playback = self.state.playback
        self.metric = QComboBox()
        for at, curve in enumerate(CURVES):
            self.metric.addItem("", curve.name)
            self.metric.setItemData(at, curve.meaning, Qt.ItemDataRole.ToolTipRole)
        self.metric.setToolTip(_METRIC)
        self.metric.setAccessibleName("Number of the curve")
        for box in (self.metric, self.quantity):  # the dock may be narrow: the whole text is in the list
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(7)
        self.metric.activated.connect(lambda _: setattr(playback, "metric", self.metric.currentData()))
        self.curve = CursorPlot(self.viewer, "The masks' number if the walk ended at each step; a click goes there")
        self.curve.picked.connect(self._go_to)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for widget in (self.back, self.play, self.forward, self.loop):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        choices = QHBoxLayout()
        choices.addWidget(self.quantity, 1)
        choices.addWidget(self.live)
        choices.addWidget(self.movie)
        sliders = QGridLayout()
        sliders.setHorizontalSpacing(8)
        sliders.setVerticalSpacing(2)
        for at, (text, slider) in enumerate((("Step", self.frame), ("Sample", self.sample))):
            label = QLabel(text)
            label.setBuddy(slider)
            label.setToolTip(slider.toolTip())
            sliders.addWidget(label, at, 0)
            sliders.addWidget(slider, at, 1)
        sliders.addWidget(self.speed, 0, 2)
        sliders.addWidget(self.next_sample, 1, 2)
        sliders.setColumnStretch(1, 1)
        controls, plot, row = QVBoxLayout(), QVBoxLayout(), QHBoxLayout()
        controls.setSpacing(3)
        controls.addLayout(buttons)
        controls.addLayout(sliders)
        controls.addLayout(choices)
        controls.addStretch(1)
        plot.setSpacing(2)
        plot.addWidget(self.metric)
        plot.addWidget(self.curve, 1)
        row.addLayout(controls, 3)
        row.addLayout(plot, 2)
        self.column.setSpacing(2)
        self.column.addLayout(row, 1)
        self.column.addWidget(self.where)  # in the whole width, which its longest text needs

    def refresh(self) -> None:
        """Put sliders, texts and the curve's cursor where the playback is."""
        playback, drawing = self.state.playback, self.state.sampling.status != IDLE
        there = bool(playback.times) and not self.state.reading.blind
        with signals_blocked(self.frame), signals_blocked(self.sample):
            self.frame.setRange(0, max(len(playback.times) - 1, 0) if there else 0)
            self.frame.setValue(playback.frame)
            self.sample.setRange(0, max(playback.n_samples - 1, 0) if there else 0)
            self.sample.setValue(playback.sample)
        for widget in (self.frame, self.sample, self.play, self.next_sample, self.metric):
            widget.setEnabled(there)
        self.back.setEnabled(there and playback.frame > 0)
        self.forward.setEnabled(there and playback.frame + 1 < len(playback.times))
        self.play.setText("Pa&use" if playback.playing else "Pla&y")
        self.quantity.setCurrentIndex(self.quantity.findData(playback.quantity))
        self.loop.setChecked(playback.loop)
        self.live.setChecked(playback.following)
        self.live.setEnabled(drawing)
        self.speed.setCurrentIndex(self.speed.findData(playback.frames_per_second))
        self.where.setText(where := self._where())
        self.where.setToolTip(f"{where}. {_TERMS}")
        self._show_curve(there)
        self.movie.refresh()

    def _where(self) -> str:
        """What is shown, or why there is nothing."""
        playback, run = self.state.playback, self.controller.results.run
        if self.state.reading.blind:
            return BLIND
        if self.controller.case is None:
            return NOTHING_OPEN
        if playback.times:
            return self.controller.player.text() + self._what_is_missing()
        if self.state.sampling.status != IDLE:
            return "waiting for the first step ..."
        if run is None:
            return f"no samples yet: press Generate{hint('generate')} in the Sampler"
        if note := restored_note(run, self.state):
            return note
        if run.x0_hat is None:
            return "this model draws in one go: it has no steps to watch"
        return f"the steps of these samples were not kept: generate them again{hint('generate')} to watch"

    def _what_is_missing(self) -> str:
        """Which states of the walk did not come, or are not kept."""
        steps, n_steps = self.controller.player.steps, self.controller.player.n_steps
        if self.state.sampling.status != IDLE:
            return ""
        if steps[-1] < n_steps:
            return f"   (stopped at step {steps[-1]})"
        return f"   ({len(steps)} of {n_steps + 1} states kept)" if len(steps) <= n_steps else ""

    def _show_curve(self, there: bool) -> None:
        playback, experts = self.state.playback, self.state.disagreement.experts
        unit = "px" if experts is None else experts.unit
        for at, curve in enumerate(CURVES):
            self.metric.setItemText(at, curve.label.format(unit=unit))
        self.metric.setCurrentIndex(self.metric.findData(playback.metric))
        self.metric.setToolTip(f"{_METRIC}. Now {self.metric.currentText()}: {curve_of(playback.metric).meaning}")
        curve, player = curve_of(playback.metric), self.controller.player
        steps = np.array(player.steps if there else (), float)
        values = np.array(
            [curve.of_samples(*of) for of in zip(playback.measures, playback.changes, strict=True)] if there else (),
            float,
        )
        last = max(player.n_steps, 1)
        self.curve.setXRange(0, last, padding=0.08)
        ticks = {0: "noise", last: "mask"} | ({last // 2: f"step {last // 2}"} if last > 3 else {})
        self.curve.getAxis("bottom").setTicks([list(ticks.items())])
        self.curve.show_curve(
            steps,
            values,
            steps[playback.frame] if playback.frame < len(steps) else math.nan,
            level=math.nan if experts is None or not there else curve.of_experts(experts),
            whole=curve.whole,
        )

    def _go_to(self, step: float) -> None:
        """Show the frame nearest to a step."""
        if steps := self.controller.player.steps:
            nearest = int(np.abs(np.array(steps) - step).argmin())
            self.controller.player.step(nearest - self.state.playback.frame)
