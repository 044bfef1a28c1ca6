"""What an earlier window did and nobody saved: offered to be taken back."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QMessageBox, QPushButton, QWidget
from superqt import QElidingLabel

from napari_ambiseg.controller import Controller
from napari_ambiseg.notices import notifying


class LostOffer(QWidget):
    """One row, shown only while there is something to take back.

    Parameters
    ----------
    controller : whose session it is
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.text = QElidingLabel()
        self.text.setElideMode(Qt.TextElideMode.ElideRight)  # the time stands first; the tooltip has all of it
        self.restore = QPushButton("Restore")
        self.restore.setToolTip("Go back to what an earlier window did and nobody saved; what is open makes way")
        self.restore.clicked.connect(lambda _: self._restore())
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Throw away what an earlier window did and nobody saved; asks once")
        self.discard.clicked.connect(lambda _: self._discard())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.restore)
        row.addWidget(self.discard)
        self.hide()

    def refresh(self) -> None:
        """Show what is offered, if anything."""
        offered = self._controller.state.sessions.offered
        self.text.setText(f"Not saved: {offered}")
        self.text.setToolTip(f"An earlier window did this, and nobody saved it: {offered}")
        self.setVisible(bool(offered))

    def _discard(self) -> None:
        """Ask once: nothing brings it back."""
        button, offered = QMessageBox.StandardButton, self._controller.state.sessions.offered
        text = f"An earlier window did this, and nobody saved it:\n{offered}\n\nThrow it away for good?"
        if QMessageBox.question(self, "Discard?", text, button.Yes | button.No, button.No) == button.Yes:
            self._controller.autosave.discard()

    def _restore(self) -> None:
        with notifying():
            self._controller.autosave.restore()
