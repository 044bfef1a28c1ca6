"""Which values of the image are black and which are white: presets for the eye alone.

The model always sees the image as it is stored.  Where Hounsfield units are known the layer shows those under a preset
in Hounsfield units, so that the value under the mouse is one; else such presets cannot be had, and say why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.browser import Browser
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.roles import IMAGE
from napari_ambiseg.settings import STORED
from napari_ambiseg.state import ViewerState
from training.records import AnnotatedSlice

SLICE = "slice"
NO_HOUNSFIELD = "the Hounsfield units of this slice are not known"


@dataclass(frozen=True)
class Preset:
    """One way to look at the image.

    Parameters
    ----------
    title : what a list shows
    level, width : of the window in Hounsfield units; None for a preset of the stored intensities
    low, high : the range of the stored intensities, of [0, 1]
    """

    title: str
    level: float | None = None
    width: float = 0.0
    low: float = 0.0
    high: float = 1.0

    @property
    def needs_hounsfield(self) -> bool:
        """Whether the preset means anything without Hounsfield units."""
        return self.level is not None


#: By name, in the order in which a key goes through them.
PRESETS = {
    STORED: Preset("as stored"),
    "lung": Preset("lung: −600, 1500 wide", -600, 1500),
    "mediastinum": Preset("mediastinum: 40, 400 wide", 40, 400),
    "wide": Preset("wide: −500, 2000 wide", -500, 2000),
    SLICE: Preset("this slice's own range"),
    "dark": Preset("dark half", high=0.5),
    "bright": Preset("bright half", low=0.5),
}


def missing(name: str, case: AnnotatedSlice | None) -> str:
    """Why a preset cannot be had for a case; "" where it can."""
    if PRESETS[name].needs_hounsfield and (case is None or case.hounsfield is None):
        return NO_HOUNSFIELD if case is not None else "no case is open"
    return ""


class Windowing:
    """Shows the image as the preset of the state's display part says; only our own image layer is touched.

    A range that the user drags by hand in napari's layer controls stays until another preset is chosen.

    Parameters
    ----------
    state : names the preset
    layers : whose image is meant
    browser : has the case
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser) -> None:
        self._display, self._layers, self._browser = state.display, layers, browser
        self._applied = STORED  # whose range the layer has, or the user's changed from there
        state.display.events.window.connect(lambda _: self.redraw())

    def cycle(self, by: int = 1) -> None:
        """Go to the next preset that can be had for this case."""
        possible = [name for name in PRESETS if not missing(name, self._browser.case)]
        at = possible.index(self._wanted())
        self._display.window = possible[(at + by) % len(possible)]

    def redraw(self) -> None:
        """Show the case's image under the preset: it is another case, or another preset."""
        case, layer = self._browser.case, self._layers.find(IMAGE)
        if case is None or layer is None:
            return
        name = self._wanted()
        data, limits, possible = _shown(name, case)
        with self._layers.by_us():
            if layer.data is not data:
                layer.data = self._browser.place.lift(data)
            if name != self._applied or name == SLICE:
                layer.contrast_limits_range = possible
                layer.contrast_limits = limits
        self._applied = name

    def _wanted(self) -> str:
        """The preset, or the stored intensities where this case has no Hounsfield units for it."""
        name = self._display.window
        return STORED if missing(name, self._browser.case) else name


def _shown(name: str, case: AnnotatedSlice) -> tuple[NDArray[Any], tuple[float, float], tuple[float, float]]:
    """Values, what is black and white of them, and the range that a slider over them needs."""
    preset = PRESETS[name]
    if preset.level is not None and case.hounsfield is not None:
        units = case.hounsfield
        low, high = preset.level - preset.width / 2, preset.level + preset.width / 2
        return units, (low, high), (min(low, float(units.min())), max(high, float(units.max())))
    if name == SLICE:
        low, high = (float(value) for value in np.percentile(case.image, (1, 99)))
        return case.image, (low, high if high > low else low + 1e-3), (0.0, 1.0)
    return case.image, (preset.low, preset.high), (0.0, 1.0)
