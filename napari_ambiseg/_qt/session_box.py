"""The session in the Output dock: save, open, and take back what was lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QGroupBox, QHBoxLayout, QPushButton, QVBoxLayout

from napari_ambiseg._qt.lost_offer import LostOffer
from napari_ambiseg._qt.replacing import may_replace
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.notices import notifying
from napari_ambiseg.session_file import SUFFIX

if TYPE_CHECKING:
    from napari_ambiseg._qt.dock import Dock

_FILTER = f"Sessions (*{SUFFIX})"


class SessionBox(QGroupBox):
    """Data, case, drawings, notes and settings of this window, in one file.

    Parameters
    ----------
    dock : where it stands, and over which its dialogs open
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__("Session")
        self._dock = dock
        self.setToolTip(
            "What is open, what was drawn, flags, notes and settings; images and models stay where they are"
        )
        self.save = QPushButton("Save session ...")
        self.save.setToolTip("Write the session to a file, to go on another day")
        self.save.clicked.connect(lambda _: self._save())
        self.open = QPushButton("Open session ...")
        self.open.setToolTip("Go back to a session that was saved")
        self.open.clicked.connect(lambda _: self._open())
        self.about = text_label("A session is also kept by itself every few seconds, in case the window is lost")
        column = QVBoxLayout(self)
        row = QHBoxLayout()
        row.addWidget(self.save)
        row.addWidget(self.open)
        column.addLayout(row)
        column.addWidget(self.about)
        self.offer = LostOffer(dock.controller)
        column.addWidget(self.offer)

    def refresh(self) -> None:
        """Show where the session is kept, and what could be taken back."""
        state, has_case = self._dock.state.sessions, bool(self._dock.state.browsing.key)
        self.save.setEnabled(has_case)
        where = Path(state.path).name if state.path else "not saved to a file yet"
        kept = f"; kept at {state.saved}" if state.saved else ""
        self.about.setText(f"{where}{kept}" if has_case or state.path else "Nothing is open.")
        self.offer.refresh()

    def _save(self) -> None:
        suggested = self._dock.state.sessions.path or f"reading{SUFFIX}"
        name, _ = QFileDialog.getSaveFileName(
            self._dock, "Save session", suggested, _FILTER, options=QFileDialog.Option.DontConfirmOverwrite
        )
        if not name:
            return
        path = Path(name if name.lower().endswith(SUFFIX) else name.removesuffix(".json") + SUFFIX)
        if str(path) == self._dock.state.sessions.path or may_replace(self._dock, [path]):
            with notifying():
                self._dock.controller.session.save(path)

    def _open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self._dock, "Open session", "", _FILTER)
        if name:
            with notifying():
                self._dock.controller.session.open(Path(name))
