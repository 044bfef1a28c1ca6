"""Live plots: the areas of experts and samples, and the GED along the walk.

pyqtgraph redraws these in some 5 ms, which a timer can afford; the docks call them at most once per beat and only
while they can be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from numpy.typing import NDArray

from napari_ambiseg.layers import expert_colour

_EXPERTS_ROW, _SAMPLES_ROW = 1.0, 0.0
_SPREAD = 0.28  # of a row, over which the samples' dots are spread so that equal areas stay visible


class _ThemedPlot(pg.PlotWidget):
    """A plot in the colours of napari's theme, without menus and without zoom: it is read, not explored."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(enableMenu=False)
        self._viewer = viewer
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.setAntialiasing(True)
        self.getPlotItem().setContentsMargins(0, 4, 8, 0)
        self._take_theme()

    def _take_theme(self) -> None:
        """Take over the theme's colours; called at every redraw, since the user may change it."""
        theme = get_theme(self._viewer.theme)
        self.text_colour = theme.text.as_hex()
        self.setBackground(theme.background.as_hex())
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(self.text_colour)
            axis.setTextPen(self.text_colour)


class AreaPlot(_ThemedPlot):
    """One row of experts, numbered and in their colours, above one row of samples; area to the right."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.setFixedHeight(96)
        self.setToolTip("Area of each expert's outline and of each sample; at 0 nothing was drawn")
        self.getAxis("left").setTicks([[(_EXPERTS_ROW, "experts"), (_SAMPLES_ROW, "model")]])
        self.getAxis("left").setWidth(54)
        self.setYRange(-0.5, 1.6, padding=0)
        self._samples = pg.ScatterPlotItem(size=6, pen=None, brush="#FFFFFF99")
        self._experts = pg.ScatterPlotItem(size=13, pen=pg.mkPen("k"))
        self.addItem(self._samples)
        self.addItem(self._experts)
        self._numbers: list[pg.TextItem] = []

    def show_areas(self, experts: NDArray[np.float64], samples: NDArray[np.float64]) -> None:
        """Show areas (K,) and (N,), in one unit."""
        self._take_theme()
        for item in self._numbers:
            self.removeItem(item)
        self._numbers = []
        heights = _EXPERTS_ROW + _spread(len(experts))
        self._experts.setData(
            x=experts, y=heights, brush=[pg.mkBrush(expert_colour(number + 1)) for number in range(len(experts))]
        )
        for number, (area, height) in enumerate(zip(experts, heights, strict=True), start=1):
            item = pg.TextItem(str(number), color=self.text_colour, anchor=(-0.5, 0.5))
            item.setPos(float(area), float(height))
            self.addItem(item)
            self._numbers.append(item)
        self._samples.setBrush(self.text_colour + "99")
        self._samples.setData(x=samples, y=_SAMPLES_ROW + _spread(len(samples)))
        largest = max([1.0, *experts.tolist(), *samples.tolist()])
        self.setXRange(0, largest * 1.08, padding=0.03)


class CurvePlot(_ThemedPlot):
    """GED of the masks that each state of the walk would give, with a cursor at the state that is shown."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.setMinimumSize(160, 100)
        self.setToolTip("GED (V) if the walk ended at this state; diffusion time falls from 1 (noise) to 0 (mask)")
        self.getPlotItem().invertX(True)
        self.getAxis("left").setWidth(46)
        self.setXRange(-0.12, 1.12, padding=0)
        self._line = pg.PlotDataItem(symbol="o", symbolSize=5, pen=pg.mkPen("#56B4E9", width=2), symbolBrush="#56B4E9")
        self._cursor = pg.InfiniteLine(angle=90, pen=pg.mkPen("#E69F00", width=2))
        self.addItem(self._line)
        self.addItem(self._cursor)
        self.getAxis("left").setLabel("GED (V)", color=self.text_colour)
        self.getAxis("bottom").setTicks([[(1, "noise"), (0.5, "t = 0.5"), (0, "mask")]])

    def show_curve(self, curve: tuple[tuple[float, float], ...], frame: int) -> None:
        """Show (t, GED) of each state so far, and the cursor at ``frame``."""
        self._take_theme()
        values = np.array(curve, float).reshape(-1, 2)
        self._line.setData(values[:, 0], values[:, 1])
        self._cursor.setVisible(frame < len(values))
        if len(values):
            self.setYRange(0, max(1e-3, float(values[:, 1].max())), padding=0.08)
            self._cursor.setValue(float(values[min(frame, len(values) - 1), 0]))


def _spread(count: int) -> NDArray[np.float64]:
    """Heights around a row's middle, the same at every redraw."""
    if count < 2:
        return np.zeros(count)
    order = np.arange(count) * 5 % count if count % 5 else np.arange(count)
    return (order / (count - 1) - 0.5) * 2 * _SPREAD
