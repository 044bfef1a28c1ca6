"""A part of a dock that can be folded away."""

from __future__ import annotations

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


class Fold(QCollapsible):
    """A title, and under it what a click on the title unfolds.

    Its arrow is part of the text, which has the theme's colour; superqt paints one in the colour that the program
    began with.

    Parameters
    ----------
    title : stands there always
    tooltip : what is inside
    content : folded away at first
    """

    def __init__(self, title: str, tooltip: str, content: QWidget) -> None:
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.setToolTip(tooltip)
        self.toggleButton().setToolTip(f"{tooltip}: a click folds this in or out")
        self.toggleButton().setAccessibleName(title)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(0)
        self.setDuration(0)
        self.addWidget(content)
        self.toggled.connect(self._write)
        self.collapse(animate=False)
        self._write(False)

    def _write(self, unfolded: bool) -> None:
        self.setText(f"{'▾' if unfolded else '▸'}  {self._title}")
