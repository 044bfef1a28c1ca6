"""The dock that asks the model for samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QGridLayout, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSpinBox

from napari_ambiseg._qt.dock import Dock, text_line
from napari_ambiseg.state import CANCELLING, IDLE
from training.config import SamplerName
from training.errors import AmbisegError
from training.model_card import ModelCard, read_card, shipped_models

_CHOOSE = "choose a checkpoint ..."
_MODEL_TOOLTIP = "What draws the masks: a model that comes with the program, or a checkpoint of your own."
_SAMPLERS: dict[SamplerName, str] = {
    "ddim": "DDIM: deterministic steps, good with few of them",
    "ddpm": "DDPM: ancestral steps, the paper's sampler",
    "ddpm-large": "DDPM with the larger of its two step variances",
    "dpmpp2m": "DPM-Solver++(2M): deterministic, each step also looks at the one before; good with very few",
    "heun": "Heun: deterministic, two network calls a step",
}
_LONGEST = 32  # characters of a word in the provenance
_MAX_SAMPLES, _MAX_STEPS, _MAX_SEED = 256, 1000, 2**31 - 1


class SamplerPanel(Dock):
    """Model, sampler, number of samples and seed; Generate and Cancel; how far it is, and what made the result."""

    preferred = QSize(390, 270)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._cards = self._shipped()
        self._build()
        events = self.state.sampling.events
        self.follow(
            events.model, events.sampler, events.steps, events.n_samples, events.seed, events.device, events.devices,
            events.status, events.progress, events.message, events.provenance, self.state.browsing.events.index,
        )  # fmt: skip
        self.controller.ask_devices()

    def _shipped(self) -> dict[str, ModelCard]:
        try:
            return shipped_models()
        except AmbisegError as error:
            self.controller.notify(error)
            return {}

    def _build(self) -> None:
        self.model = QComboBox()
        self.model.setToolTip(_MODEL_TOOLTIP)
        self.model.activated.connect(self._choose_model)
        self.samples = _number(1, _MAX_SAMPLES, "How many masks to draw for this slice (N)")
        self.samples.valueChanged.connect(lambda value: setattr(self.state.sampling, "n_samples", value))
        self.steps = _number(1, _MAX_STEPS, "Steps of the reverse diffusion: more are slower and finer")
        self.steps.valueChanged.connect(lambda value: setattr(self.state.sampling, "steps", value))
        self.seed = _number(0, _MAX_SEED, "The same seed gives the same masks")
        self.seed.valueChanged.connect(lambda value: setattr(self.state.sampling, "seed", value))
        self.sampler = QComboBox()
        for at, name in enumerate(get_args(SamplerName)):
            self.sampler.addItem(name)
            self.sampler.setItemData(at, _SAMPLERS[name], Qt.ItemDataRole.ToolTipRole)
        self.sampler.setToolTip("The rule of a reverse step")
        self.sampler.activated.connect(lambda _: setattr(self.state.sampling, "sampler", self.sampler.currentText()))
        self.device = QComboBox()
        self.device.setToolTip("Where the model runs; auto takes a GPU if there is one")
        self.device.activated.connect(lambda _: setattr(self.state.sampling, "device", self.device.currentText()))

        self.generate = QPushButton("&Generate")
        self.generate.setToolTip("Draw this many masks for the slice that is shown")
        self.generate.setStyleSheet("font-size: 13pt; font-weight: 600;")
        self.generate.clicked.connect(lambda _: self.controller.generate())
        self.cancel = QPushButton("&Cancel")
        self.cancel.setToolTip("Stop before the next step; what came so far stays to be looked at")
        self.cancel.clicked.connect(lambda _: self.controller.cancel())
        buttons = QHBoxLayout()
        buttons.addWidget(self.generate, 3)
        buttons.addWidget(self.cancel, 1)
        self.column.addLayout(buttons)
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.bar.setStyleSheet("QProgressBar::chunk { background: #56B4E9; }")
        self.bar.setToolTip("How many of the steps are done")
        self.column.addWidget(self.bar)
        self.message = text_line(self)

        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        _put(grid, 0, 0, "&Model", self.model, span=3)
        _put(grid, 2, 0, "&Samples", self.samples)
        _put(grid, 2, 2, "S&teps", self.steps)
        _put(grid, 3, 0, "S&ampler", self.sampler)
        _put(grid, 3, 2, "S&eed", self.seed)
        _put(grid, 4, 0, "Device", self.device)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.column.addLayout(grid)
        self.provenance = text_line(self)
        self.provenance.setStyleSheet("font-size: 9pt;")
        self.column.addStretch(1)

    def refresh(self) -> None:
        """Show the wishes and how far the drawing is."""
        wish = self.state.sampling
        busy = wish.status != IDLE
        _fill(self.model, [*dict.fromkeys([*self._cards, wish.model]), _CHOOSE], wish.model, _short_name)
        card = self._cards.get(wish.model)
        about = f" {wish.model}: {card.parameters:,} parameters. {card.summary}" if card else ""
        self.model.setToolTip(_MODEL_TOOLTIP + about)
        _fill(self.device, list(wish.devices), wish.device, str)
        self.sampler.setCurrentText(wish.sampler)
        for box, value in ((self.samples, wish.n_samples), (self.steps, wish.steps), (self.seed, wish.seed)):
            if not box.hasFocus():  # somebody may be typing there
                box.setValue(value)
        self.generate.setEnabled(not busy and self.state.browsing.index >= 0)
        self.cancel.setEnabled(busy and wish.status != CANCELLING)
        self.bar.setUpdatesEnabled(False)  # or it repaints the whole window, canvas included, there and then
        self.bar.setValue(round(100 * wish.progress))
        self.bar.setUpdatesEnabled(True)
        hint = "ready" if self.state.browsing.index >= 0 else "open a case first"
        self.message.setText(wish.message or hint)
        self.provenance.setText(" ".join(_short_word(word) for word in wish.provenance.split()))
        self.provenance.setToolTip(f"What made the samples; the same values give them again: {wish.provenance}")

    def _choose_model(self) -> None:
        wish, name = self.state.sampling, self.model.currentData()
        if name == _CHOOSE:
            path, _ = QFileDialog.getOpenFileName(self, "Choose a checkpoint", "", "Checkpoints (*.safetensors)")
            name = path or wish.model
            if path:
                try:
                    self._cards[name] = read_card(Path(path).with_suffix(".json"))
                except AmbisegError as error:
                    self.controller.notify(error)
                    name = wish.model
        card = self._cards.get(name)
        if card is not None and name != wish.model:
            wish.sampler, wish.steps = card.sampler, card.steps
        wish.model = name
        self._mark_stale()  # also where nothing was chosen: the box must go back


def _number(low: int, high: int, tooltip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setToolTip(tooltip)
    box.setKeyboardTracking(False)
    return box


def _put(grid: QGridLayout, row: int, column: int, text: str, widget: Any, span: int = 1) -> None:
    """A label and its widget; the letter after &, with Alt, goes to it."""
    label = QLabel(text)
    label.setBuddy(widget)
    label.setToolTip(widget.toolTip())
    grid.addWidget(label, row, column)
    grid.addWidget(widget, row, column + 1, 1, span)


def _fill(box: QComboBox, names: list[str], current: str, shown: Any) -> None:
    """Offer these names, with the full name as data, unless they are offered already."""
    if [box.itemData(at) for at in range(box.count())] != names:
        box.clear()
        for name in names:
            box.addItem(shown(name), name)
    box.setCurrentIndex(names.index(current) if current in names else 0)


def _short_word(word: str) -> str:
    """The beginning of a hash or path, which no line of the dock could hold."""
    return word if len(word) <= _LONGEST else word[: _LONGEST // 2] + "…"


def _short_name(model: str) -> str:
    """A path's last two parts: what tells one checkpoint from another."""
    return "/".join(Path(model).parts[-2:])
