"""The list of keys, to be left open beside the viewer."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget

from napari_ambiseg._qt.keys import KEYS
from napari_ambiseg._qt.text_label import text_label


class KeyList(QDialog):
    """What each key does.

    Parameters
    ----------
    parent : goes with it
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(16)
        for row, key in enumerate(KEYS.values()):
            name = QLabel(key.key)
            name.setStyleSheet("font-weight: 600;")
            grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignHCenter)
            grid.addWidget(QLabel(key.what), row, 1)
        note = text_label(text="With a layer of your own selected, napari's keys for that layer come first.")
        grid.addWidget(note, len(KEYS), 0, 1, 2)


def show_keys(parent: QWidget) -> KeyList:
    """Show the list that goes with a dock, once."""
    listed = parent.findChild(KeyList) or KeyList(parent)
    listed.show()
    listed.raise_()
    return listed
