"""The dock that asks the model for samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QPushButton, QSpinBox

from napari_ambiseg._qt.cleaning_line import CleaningLine
from napari_ambiseg._qt.copy_button import CopyButton
from napari_ambiseg._qt.dock import Dock, text_line
from napari_ambiseg._qt.field_bar import FieldBar
from napari_ambiseg._qt.fold import Fold
from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.model_box import ModelBox
from napari_ambiseg._qt.named_box import NamedBox
from napari_ambiseg._qt.type_size import BUTTON, SMALL, set_type
from napari_ambiseg._qt.wish_form import MAX_STEPS, NARROW, SAMPLERS, WishForm, put, show_number
from napari_ambiseg.cautions import caution
from napari_ambiseg.commands import run_command, sample_command
from napari_ambiseg.duration import duration
from napari_ambiseg.notices import BLIND, NOTHING_OPEN, REVEAL_FIRST, notifying
from napari_ambiseg.state import CANCELLING, IDLE, PAUSED, SAMPLING
from training.config import SamplerName, SamplingConfig
from training.machine import DeviceFact
from training.model_card import ModelCard

_LONGEST = 32  # characters of a word in the provenance
_MAX_SAMPLES, _MAX_SEED = 256, 2**31 - 1
_GB = 10**9
_RULE = "The rule by which a step goes from noise towards the mask"
_WHERE = "Where the model runs; auto takes a GPU if there is one"


class SamplerPanel(Dock):
    """Model, sampler, number of samples, seed and device; Generate, Pause, Step; how far it is, and what made it."""

    preferred = QSize(390, 330)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._build()
        sampling, reading = self.state.sampling.events, self.state.reading.events
        self.follow(
            sampling.model, sampling.wish, sampling.n_samples, sampling.seed, sampling.device, sampling.devices,
            sampling.status, sampling.progress, sampling.message, sampling.note, sampling.seconds, sampling.problem,
            sampling.provenance, sampling.warm, sampling.gave_up, self.state.browsing.events.index,
            self.state.browsing.events.key, self.state.placing.events, self.state.disagreement.events.raw,
            reading.blind, self.state.postprocessing.events.cleaning, self.state.disagreement.events.processed,
        )  # fmt: skip
        with notifying():
            self.controller.engine.ask_devices()

    def _build(self) -> None:
        self.generate = _button("", "Draw this many masks for the slice that is shown", self._generate_or_cancel)
        set_type(self.generate, BUTTON, bold=True)
        self.pause = _button("", "Hold the drawing at its next step, to look at it", self.controller.drawing.pause)
        self.step = _button("Step", "One step on, while it is paused", self.controller.drawing.step_once)
        row = QHBoxLayout()
        row.setSpacing(4)
        for button, share, narrow in ((self.generate, 3, 120), (self.pause, 2, 90), (self.step, 1, 40)):
            button.setMinimumWidth(narrow)  # or their longest texts would widen the dock
            row.addWidget(button, share)
        self.column.addLayout(row)
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.bar.setStyleSheet("QProgressBar::chunk { background: #56B4E9; }")
        self.bar.setToolTip("How many of the steps are done")
        self.column.addWidget(self.bar)
        self.message = text_line(self, "How far it is; before that, about how long it will take")
        self.cleaning = CleaningLine(self.controller)
        self.column.addWidget(self.cleaning)
        self.caution = text_line(self, "What to mind about these samples")
        self.caution.setStyleSheet("font-weight: 600;")
        self.on_cpu = _button(
            "Draw on the CPU", "The GPU failed; the CPU is slower and gives the same", self._draw_on_cpu
        )
        self.column.addWidget(self.on_cpu)

        self.field = FieldBar(self.controller)
        self.column.addWidget(self.field)
        self.ways = WishForm(self.state)
        self.model = ModelBox(self.controller, self)
        self.samples = _number(1, _MAX_SAMPLES, "How many masks to draw for this slice (N)")
        self.samples.valueChanged.connect(lambda value: setattr(self.state.sampling, "n_samples", value))
        self.steps = _number(0, MAX_STEPS, "Steps of the reverse diffusion: more are slower and finer")
        self.steps.valueChanged.connect(lambda value: self.ways.wish(steps=value or None))
        self.seed = _number(0, _MAX_SEED, "The same seed gives the same masks")
        self.seed.valueChanged.connect(lambda value: setattr(self.state.sampling, "seed", value))
        self.seed.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)  # the button beside it does that
        self.seed.setMinimumWidth(70)
        self.new_seed = _button("+1", "The next seed, which gives other masks", self._take_new_seed)
        self.new_seed.setAccessibleName("Next seed")
        self.sampler = NamedBox(_RULE, self._choose_sampler)
        self.sampler.setMinimumWidth(120)
        self.device = NamedBox(_WHERE, self._choose_device)
        seeds = QHBoxLayout()
        seeds.addWidget(self.seed, 1)
        seeds.addWidget(self.new_seed)
        seeds.setSpacing(2)
        grid = QGridLayout()
        grid.setHorizontalSpacing(3)
        grid.setVerticalSpacing(4)
        put(grid, 0, 0, "&Model", self.model, span=3)
        put(grid, 1, 0, "&Samples", self.samples)
        put(grid, 1, 2, "S&eed", self.seed)
        grid.addLayout(seeds, 1, 3)
        put(grid, 2, 0, "S&ampler", self.sampler)
        put(grid, 2, 2, "S&teps", self.steps)
        put(grid, 3, 0, "&Device", self.device, span=3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.column.addLayout(grid)

        more = Fold("More ways of drawing", "Times of the steps, precision, fresh noise (eta), guidance", self.ways)
        card = Fold("About the model", "What its card says: data, licence, scores", self.model.about)
        self.column.addWidget(more)
        self.column.addWidget(card)
        about = "The command line that draws the same masks, to the clipboard"
        self.copy = CopyButton("Copy command", about, self._command, self.viewer)
        self.unload = _button("Unload model", "End the sampling process, so that its memory is free", self._unload)
        row = QHBoxLayout()
        row.addWidget(self.copy)
        row.addWidget(self.unload)
        self.column.addLayout(row)
        self.provenance = text_line(self)
        set_type(self.provenance, SMALL)
        self.column.addStretch(1)

    def refresh(self) -> None:
        """Show the wishes and how far the drawing is."""
        wish = self.state.sampling
        self.model.refresh()
        self.field.refresh()
        self.cleaning.refresh()
        card = self.model.card
        self._refresh_buttons()
        self._refresh_wishes(card)
        self.bar.setUpdatesEnabled(False)  # or it repaints the whole window, canvas included, there and then
        self.bar.setValue(round(100 * wish.progress))
        self.bar.setUpdatesEnabled(True)
        self.message.setText(BLIND if self.state.reading.blind else wish.message or self._outlook())
        cautions = [line for line in (wish.note, wish.problem, self._caution(card)) if line]
        self.caution.setText("\n".join(cautions))
        self.caution.setVisible(bool(cautions))
        self.on_cpu.setVisible(wish.gave_up and wish.status == IDLE)
        self.provenance.setText(" ".join(_short_word(word) for word in wish.provenance.split()))
        self.provenance.setToolTip(f"What made the samples; the same values give them again: {wish.provenance}")

    def _refresh_buttons(self) -> None:
        wish, is_open = self.state.sampling, self.state.browsing.index >= 0
        blind = self.state.reading.blind
        if wish.status == IDLE:
            self.generate.setText("&Generate" + hint("generate"))
            self.generate.setToolTip(f"Off: {REVEAL_FIRST}" if blind else "Draw masks for the slice that is shown")
        else:
            self.generate.setText("&Cancel" + hint("generate"))
            self.generate.setToolTip("Stop before the next step is computed; what came so far stays to be looked at")
        self.generate.setEnabled(is_open and not blind if wish.status == IDLE else wish.status != CANCELLING)
        self.pause.setText(("&Resume" if wish.status == PAUSED else "&Pause") + hint("pause"))
        self.pause.setEnabled(wish.status in (SAMPLING, PAUSED))
        self.step.setEnabled(wish.status == PAUSED)
        self.copy.setEnabled(is_open and not blind)  # its field lies about the experts' marks
        self.unload.setEnabled(wish.warm and wish.status == IDLE)

    def _refresh_wishes(self, card: ModelCard | None) -> None:
        wish = self.state.sampling
        own = SamplingConfig() if card is None else card.config.sampling
        for box in (self.sampler, self.steps):
            box.setEnabled(card is not None)  # a reference draws in one go
        self.sampler.offer({name: name for name in get_args(SamplerName)}, SAMPLERS, own=own.sampler)
        self.sampler.show_name(wish.wish.sampler)
        self.sampler.setToolTip(f"{_RULE}. Now {SAMPLERS[wish.wish.sampler or own.sampler]}")
        show_number(self.steps, wish.wish.steps, own.steps)
        show_number(self.samples, wish.n_samples)
        show_number(self.seed, wish.seed)
        facts = {fact.name: fact for fact in wish.devices}
        shown = {"auto": f"auto: {_label(wish.devices[0])}" if facts else "auto"}
        shown |= {name: _label(fact) for name, fact in facts.items()}
        shown.setdefault(wish.device, wish.device)
        self.device.offer(shown, {name: _in_full(fact) for name, fact in facts.items()})
        self.device.show_name(wish.device)
        taken = facts.get(wish.device, wish.devices[0] if facts else None)
        self.device.setToolTip(f"{_WHERE}{'' if taken is None else f'. Now {_in_full(taken)}'}")
        self.ways.refresh(card)

    def _outlook(self) -> str:
        """What Generate would do."""
        wish, field = self.state.sampling, self.state.placing.field
        if self.state.browsing.index < 0 or field is None:
            return NOTHING_OPEN
        if math.isnan(wish.seconds):
            return "ready"
        return f"{wish.n_samples} samples of {field.height} x {field.width} pixels: {_estimated(wish.seconds)}"

    def _caution(self, card: ModelCard | None) -> str:
        """What to mind when this model looks at this slice."""
        field, case = self.state.placing.field, self.controller.case
        return "" if case is None or field is None else caution(card, case.key, field.shape)

    def _generate_or_cancel(self) -> None:
        self.controller.generate_or_cancel()

    def _draw_on_cpu(self) -> None:
        self.state.sampling.device = "cpu"
        self.controller.generate()

    def _take_new_seed(self) -> None:
        self.state.sampling.seed = (self.state.sampling.seed + 1) % (_MAX_SEED + 1)

    def _choose_sampler(self, name: str | None) -> None:
        self.ways.wish(sampler=name, **({} if name in (None, "ddim") else {"eta": None}))

    def _choose_device(self, name: str | None) -> None:
        self.state.sampling.device = name or "auto"

    def _unload(self) -> None:
        self.controller.drawing.unload()

    def _command(self) -> str:
        """Of the samples that are shown; before there are any, of those that Generate would draw."""
        wish, cleaning, run = self.state.sampling, self.state.postprocessing.cleaning, self.controller.results.run
        if run is not None:
            return run_command(run, self.controller.results.cleaning)
        origin, field = self.controller.browser.origin, self.state.placing.field
        assert origin is not None and field is not None  # noqa: S101, PT018 -- the button is off without a case
        return sample_command(
            origin,
            field,
            model=wish.model,
            wish=wish.wish,
            n=wish.n_samples,
            seed=wish.seed,
            device=wish.device,
            cleaning=cleaning,
        )


def _button(text: str, tooltip: str, call: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _: call())
    return button


def _number(low: int, high: int, tooltip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setMinimumWidth(NARROW)  # or the largest number that it may hold would widen the dock
    box.setToolTip(tooltip)
    box.setKeyboardTracking(False)
    return box


def _label(fact: DeviceFact) -> str:
    """The device in a few words; its whole name and memory are in the tooltip."""
    name = fact.label.replace("(R)", "").replace("(TM)", "").removesuffix(" Processor")
    return f"{name}, {fact.free_bytes / _GB:.0f} GB free"


def _in_full(fact: DeviceFact) -> str:
    return f"{fact.name}: {fact.label}, {fact.free_bytes / _GB:.0f} of {fact.total_bytes / _GB:.0f} GB free"


def _estimated(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    return f"about {duration(seconds)}"


def _short_word(word: str) -> str:
    """The beginning of a hash or path, which no line of the dock could hold."""
    return word if len(word) <= _LONGEST else word[: _LONGEST // 2] + "…"
