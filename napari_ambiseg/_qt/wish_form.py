"""The rarer wishes of how to draw.  What is left to the model is shown as its own value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QSpinBox, QWidget

from napari_ambiseg._qt.named_box import NamedBox
from napari_ambiseg.known_models import takes_guidance
from napari_ambiseg.state import ViewerState
from training.config import GridName, PrecisionName, SamplingConfig
from training.model_card import ModelCard
from training.sampling_wish import SamplingWish

MAX_STEPS = 1000
NARROW = 70  # pixels that a number needs at least
SAMPLERS: dict[str, str] = {
    "ddim": "DDIM: deterministic steps, good with few of them",
    "ddpm": "DDPM: ancestral steps, the paper's sampler",
    "ddpm-large": "DDPM with the larger of its two step variances",
    "dpmpp2m": "DPM-Solver++(2M): deterministic, each step also looks at the one before; good with very few",
    "heun": "Heun: deterministic, the model is asked twice a step",
}
_GRIDS: dict[str, str] = {
    "trailing": "Equal steps of time that begin at pure noise",
    "uniform": "Equal steps of time",
    "log-snr": "Equal steps of the logarithm of the signal-to-noise ratio",
}
_PRECISIONS: dict[str, str] = {
    "auto": "bf16 on a GPU that has it, fp32 elsewhere",
    "fp32": "32 bits: slower, the reference",
    "bf16": "16 bits for the network: faster, a few pixels at the outlines may differ",
}


class WishForm(QWidget):
    """Grid of times, fresh noise, guidance, precision; and the way back to the model's own.

    Parameters
    ----------
    state : its sampling part has the wishes
    """

    def __init__(self, state: ViewerState) -> None:
        super().__init__()
        self._sampling = state.sampling
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.grid = NamedBox(
            "How the times of the steps are spread from noise to mask (grid)", lambda name: self.wish(grid=name)
        )
        self.eta = _number(0, 1, 0.1, lambda value: self.wish(eta=value))
        self.guidance = _number(0, 20, 0.5, lambda value: self.wish(guidance=value))
        self.precision = NamedBox("Bits of the network's numbers", lambda name: self.wish(precision=name))
        self.reset = QPushButton("Leave all to the model")
        self.reset.setToolTip("Back to auto: sampler, steps, and what is here")
        self.reset.clicked.connect(lambda _: setattr(self._sampling, "wish", SamplingWish()))
        put(grid, 0, 0, "Step times", self.grid, span=3)
        put(grid, 1, 0, "Precision", self.precision, span=3)
        put(grid, 2, 0, "Fresh noise", self.eta)
        put(grid, 2, 2, "Guidance", self.guidance)
        grid.addWidget(self.reset, 3, 0, 1, 4)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

    def refresh(self, card: ModelCard | None) -> None:
        """Show the wishes beside what the model itself would do; a reference has no card and takes none of them."""
        wish = self._sampling.wish
        own = SamplingConfig() if card is None else card.config.sampling
        self.setEnabled(card is not None)
        self.grid.offer({name: name for name in get_args(GridName)}, _GRIDS, own=own.grid)
        self.grid.show_name(wish.grid)
        self.precision.offer({name: name for name in get_args(PrecisionName)}, _PRECISIONS)
        self.precision.show_name(wish.precision)
        is_ddim = (wish.sampler or own.sampler) == "ddim"
        why = "" if is_ddim else "; only the sampler ddim has it"
        own_eta = own.eta if wish.sampler in (None, own.sampler) else 0.0
        _show(
            self.eta,
            wish.eta,
            own_eta,
            is_ddim,
            f"Share of fresh noise in each step (eta): 0 is deterministic and 1 is ddpm{why}",
        )
        guided = card is not None and takes_guidance(card.config)
        why = "" if guided else "; this model was not trained without images, so it has none"
        text = f"How strongly the image pulls: 1 is no guidance, 0 ignores the image{why}"
        _show(self.guidance, wish.guidance, own.guidance, guided, text)
        self.reset.setEnabled(wish != SamplingWish())

    def wish(self, **changes: Any) -> None:
        """Wish for something else; None leaves it to the model."""
        self._sampling.wish = replace(self._sampling.wish, **changes)


def put(grid: QGridLayout, row: int, column: int, text: str, widget: QWidget, span: int = 1) -> None:
    """A label and its widget; the letter after &, with Alt, goes to it."""
    label = QLabel(text)
    label.setBuddy(widget)
    label.setToolTip(widget.toolTip())
    widget.setAccessibleName(text.replace("&", ""))
    grid.addWidget(label, row, column)
    grid.addWidget(widget, row, column + 1, 1, span)


def show_number(box: QSpinBox | QDoubleSpinBox, value: float | None, own: float | None = None) -> None:
    """Show a wish, or what the model itself would take where it is left to it; not where somebody may be typing."""
    if own is not None:
        box.setSpecialValueText(f"auto {own:g}")
    if not box.hasFocus():
        box.blockSignals(True)  # what the state says is no wish of the user's
        box.setValue(box.minimum() if value is None else value)
        box.blockSignals(False)


def _number(low: float, high: float, step: float, take: Callable[[float | None], None]) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low - step, high)  # the lowest one means that it is left to the model
    box.setSingleStep(step)
    box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)  # no room: the arrow keys and the wheel do that
    box.setMinimumWidth(NARROW)
    box.setKeyboardTracking(False)
    box.valueChanged.connect(lambda value: take(None if value < low else round(value, 2)))
    return box


def _show(box: QDoubleSpinBox, value: float | None, own: float, possible: bool, text: str) -> None:
    show_number(box, value, own)
    box.setEnabled(possible)
    box.setToolTip(f"{text}. The lowest setting leaves it to the model.")
