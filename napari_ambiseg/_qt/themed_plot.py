"""What all plots share: napari's colours, and nothing to zoom."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from napari.utils.theme import get_theme


class ThemedPlot(pg.PlotWidget):
    """A plot in the colours of napari's theme, without menus and without zoom: it is read, not explored.

    Parameters
    ----------
    viewer : whose theme it has
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(enableMenu=False)
        self._viewer, self._theme = viewer, ""
        self.text_colour = ""
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.setAntialiasing(True)
        self.getPlotItem().setContentsMargins(0, 4, 8, 0)
        self.take_theme()

    def take_theme(self) -> None:
        """Take over the theme's colours; called at every redraw, since the user may change it."""
        if self._theme == self._viewer.theme:
            return
        self._theme = self._viewer.theme
        theme = get_theme(self._theme)
        self.text_colour = theme.text.as_hex()
        self.setBackground(theme.background.as_hex())
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(self.text_colour)
            axis.setTextPen(self.text_colour)
