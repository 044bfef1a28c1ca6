"""A button that puts a text on the clipboard, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QPushButton

from napari_ambiseg.notices import notifying

_TOLD_MS = 1500


class CopyButton(QPushButton):
    """Copies what it is given, reads "Copied" for a moment, and tells it in napari's status bar.

    Parameters
    ----------
    text : what stands on it
    tooltip : what is copied
    give : makes the text; "" copies nothing, and an error of ours is told
    viewer : whose status bar tells it; None for none
    """

    def __init__(self, text: str, tooltip: str, give: Callable[[], str], viewer: Any = None) -> None:
        super().__init__(text)
        self.setToolTip(tooltip)
        self._text, self._give, self._viewer = text, give, viewer
        self._back = QTimer(self)
        self._back.setSingleShot(True)
        self._back.setInterval(_TOLD_MS)
        self._back.timeout.connect(self._show_text)
        self.clicked.connect(self._copy)

    def _show_text(self) -> None:
        self.setText(self._text)

    def _copy(self, _: bool = False) -> None:
        with notifying():
            if not (copied := self._give()):
                return
            QApplication.clipboard().setText(copied)
            self.setMinimumWidth(self.width())  # the shorter word must not move its neighbours
            self.setText("Copied")
            self._back.start()
            if self._viewer is not None:
                lines = copied.count("\n") + (not copied.endswith("\n"))
                self._viewer.status = f"Copied to the clipboard: {lines} line{'s' if lines > 1 else ''}"
