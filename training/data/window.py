"""Which stored values become black and white: intensity = (value - low) / (high - low), cut to [0, 1]."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError
from training.records import FloatArray

AUTO = "auto"  # the form's own choice
SLICE = "slice"  # each slice's own smallest and largest value, as in the published LIDC pickle

AIR = -500  # an image with values below it is taken for CT in Hounsfield units: nothing else is that dark

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


@dataclass(frozen=True)
class Window:
    """A range of stored values, in Hounsfield units for CT.

    Raises
    ------
    ConfigError
        Unless low < high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.high - self.low):
            raise ConfigError(f"window {self.low:g}..{self.high:g} has no end; give two ordinary numbers")
        if not self.low < self.high:
            raise ConfigError(f"window {self.low:g}..{self.high:g} is empty; its first value must be the smaller one")

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"

    def intensity(self, values: NDArray[np.generic]) -> FloatArray:
        """Values of any shape as float32 in [0, 1]."""
        scaled = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        return np.clip(scaled, 0, 1).astype(np.float32)


#: Windows that have a name, in Hounsfield units.
LUNG = "lung"
WINDOWS = {LUNG: Window(-1000, 400), "wide": Window(-1000, 1000)}


def titled(name: str) -> str:
    """The name of a window with its values, where it stands for some: ``lung: -1000..400``."""
    return f"{name}: {WINDOWS[name]}" if name in WINDOWS else name


def slice_window(values: NDArray[np.generic]) -> Window:
    """The window from the smallest to the largest of ``values``; a constant slice becomes black."""
    low, high = float(values.min()), float(values.max())
    return Window(low, high if high > low else low + 1)


def find_window(text: str) -> Window | None:
    """The window that a user's text names, None for ``auto`` and ``slice``, which depend on the data.

    Raises
    ------
    ConfigError
        If it is no name and not of the form ``LOW..HIGH``.
    """
    if text in (AUTO, SLICE):
        return None
    if text in WINDOWS:
        return WINDOWS[text]
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"unknown window {text!r}; choose one of: {', '.join((AUTO, SLICE, *WINDOWS))}, "
            "or write its first and last value, such as -1000..400"
        )
    return Window(*map(float, match.groups()))
