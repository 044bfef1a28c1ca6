"""What is dropped on the window: slices of ours are opened at once, everything else is napari's.

napari asks which plugin is to read a path that several of them take, and every folder is such a path.  While our dock
is open the answer is known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget

from napari_ambiseg.controller import Controller
from napari_ambiseg.sources import layout_if_ours


class Drops(QObject):
    """Watches what is dropped, as long as it lives.

    Parameters
    ----------
    controller : opens what is ours
    window : the main window, whose parts take drops
    parent : the dock that this goes with
    """

    def __init__(self, controller: Controller, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        for widget in window.findChildren(QWidget):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Take a drop of one path of ours; napari's Alt (choose a plugin) and Shift (stack) stay napari's."""
        if event.type() != QEvent.Type.Drop or QGuiApplication.keyboardModifiers() & _NAPARIS:
            return False
        urls = event.mimeData().urls()
        if len(urls) != 1 or not urls[0].isLocalFile():
            return False
        path = Path(urls[0].toLocalFile())
        if layout_if_ours(path) is None:
            return False
        event.acceptProposedAction()
        self._controller.opener.open_path(path)
        return True


_NAPARIS = Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier
