"""A curve with a cursor that stands where the sliders are, and goes where it is clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal

from napari_ambiseg._qt.themed_plot import ThemedPlot

# Sky and orange of Okabe and Ito on a dark ground; on a light one their blue and vermilion, which stand out from it.
_ON_DARK, _ON_LIGHT = ("#56B4E9", "#E69F00"), ("#0072B2", "#D55E00")
_LEAST_HEIGHT = 1e-3  # of the scale, where all values are zero


class CursorPlot(ThemedPlot):
    """One curve, a cursor, and where it makes sense a level line.

    Parameters
    ----------
    viewer : whose theme it has
    tooltip : what it shows

    Attributes
    ----------
    picked : emitted with the x that is clicked, or dragged to
    """

    picked = Signal(float)

    def __init__(self, viewer: Any, tooltip: str) -> None:
        super().__init__(viewer)
        self._inked = ""
        self.setMinimumSize(90, 84)
        self.setToolTip(tooltip)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.getAxis("left").setWidth(44)
        self.getAxis("bottom").setStyle(hideOverlappingLabels=False)  # which hides those at both ends as well
        self.line = pg.PlotDataItem(
            symbol="o",
            symbolSize=5,
            symbolPen=None,
            connect="finite",
        )
        self.level = pg.InfiniteLine(
            angle=0,
            label="experts",
            labelOpts={"position": 0.02, "anchors": [(0.0, 1.0), (0.0, 0.0)]},
        )
        self.cursor_line = pg.InfiniteLine(angle=90)
        for item in (self.level, self.cursor_line, self.line):
            self.addItem(item)
        self._take_colours()

    def show_curve(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        at: float,
        *,
        level: float = float("nan"),
        whole: float | None = None,
    ) -> None:
        """Show a curve.

        Parameters
        ----------
        x, y : (M,); a y that is NaN is left out
        at : where the cursor stands; NaN hides it
        level : height of the level line; NaN hides it
        whole : the largest value that y can have, up to which the scale then always goes
        """
        self.take_theme()
        self._take_colours()
        known = np.isfinite(y)
        self.line.setData(x[known], y[known])
        self.cursor_line.setVisible(bool(np.isfinite(at)))
        if np.isfinite(at):
            self.cursor_line.setValue(at)
        self.level.setVisible(bool(np.isfinite(level)))
        if np.isfinite(level):
            self.level.setValue(level)
        seen = [*y[known], *([level] if np.isfinite(level) else [])]
        top = max([whole or _LEAST_HEIGHT, *seen])
        self.setYRange(min([0.0, *seen]), top, padding=0.08)

    def _take_colours(self) -> None:
        if self._inked == self.text_colour:
            return
        self._inked = self.text_colour
        dark = self.backgroundBrush().color().lightness() < 128
        curve, cursor = _ON_DARK if dark else _ON_LIGHT
        self.line.setPen(curve, width=2)
        self.line.setSymbolBrush(curve)
        self.level.setPen(cursor, style=Qt.PenStyle.DashLine)
        self.level.label.setColor(self.text_colour)
        self.cursor_line.setPen(cursor, width=2)

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Put the cursor there."""
        self._pick(event)

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Drag the cursor along."""
        self._pick(event)

    def _pick(self, event: Any) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.picked.emit(float(self.getPlotItem().vb.mapSceneToView(self.mapToScene(event.pos())).x()))
            event.accept()
