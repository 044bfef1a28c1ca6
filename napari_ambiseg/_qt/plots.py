"""The live plot of the sizes of experts' and samples' masks.

pyqtgraph redraws it in some 5 ms, which a timer can afford; the docks call it at most once per beat and only
while it can be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from napari_ambiseg._qt.themed_plot import ThemedPlot
from training.export.colours import expert_colour, expert_letter

_EXPERTS_ROW, _SAMPLES_ROW = 1.0, 0.0
_SPREAD = 0.28  # of a row, over which the samples' dots are spread so that equal areas stay visible


class SpreadPlot(ThemedPlot):
    """One row of experts, lettered and in their colours, above one row of samples; size to the right."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.setFixedHeight(92)
        self.setAccessibleName("Spread of sizes, experts above, samples below")
        self.setToolTip("Size of each expert's outline and of each sample; at 0 nothing was drawn")
        self.getAxis("left").setTicks([[(_EXPERTS_ROW, "experts"), (_SAMPLES_ROW, "samples")]])
        self.getAxis("left").setWidth(60)
        self.setYRange(-0.5, 1.6, padding=0)
        self._samples = pg.ScatterPlotItem(size=6, pen=None, symbol="d")
        self._experts = pg.ScatterPlotItem(size=13, pen=pg.mkPen("k"))
        self.addItem(self._samples)
        self.addItem(self._experts)
        self._letters: list[pg.TextItem] = []

    def show_spread(self, experts: NDArray[np.float64], samples: NDArray[np.float64]) -> None:
        """Show sizes (K,) and (N,), in one unit."""
        self.take_theme()
        for item in self._letters:
            self.removeItem(item)
        self._letters = []
        heights = _EXPERTS_ROW + _spread(len(experts))
        self._experts.setData(
            x=experts, y=heights, brush=[pg.mkBrush(expert_colour(number + 1)) for number in range(len(experts))]
        )
        for number, (size, height) in enumerate(zip(experts, heights, strict=True), start=1):
            item = pg.TextItem(expert_letter(number), color=self.text_colour, anchor=(-0.5, 0.5))
            item.setPos(float(size), float(height))
            self.addItem(item)
            self._letters.append(item)
        self._samples.setBrush(self.text_colour + "99")
        self._samples.setData(x=samples, y=_SAMPLES_ROW + _spread(len(samples)))
        largest = max([1.0, *experts.tolist(), *samples.tolist()])
        self.setXRange(0, largest * 1.08, padding=0.03)


def _spread(count: int) -> NDArray[np.float64]:
    """Heights around a row's middle, the same at every redraw."""
    if count < 2:
        return np.zeros(count)
    order = np.arange(count) * 5 % count if count % 5 else np.arange(count)
    return (order / (count - 1) - 0.5) * 2 * _SPREAD
