"""One line that says which post-processing the samples are shown after, and takes it back."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.cleaning_text import cleaning_text
from napari_ambiseg.controller import Controller
from napari_ambiseg.state import IDLE
from training.postprocess import Cleaning


class CleaningLine(QWidget):
    """Shown only while the samples are not shown as they were drawn.

    Parameters
    ----------
    controller : of the viewer
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.text = text_label("Outlines, maps and numbers are of the samples after it; Post-processing sets it")
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Back to the samples as drawn")
        self.reset.clicked.connect(lambda _: self._reset())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.reset)
        self.hide()

    def refresh(self) -> None:
        """Show what is done to the samples that are shown or come next."""
        state = self._controller.state
        words = cleaning_text(self._controller.results.cleaning)
        when = "shown after" if state.sampling.status == IDLE else "as drawn; then"  # what comes is shown as it comes
        self.text.setText(f"{when} post-processing: {words}")
        self.setVisible(bool(words) and state.browsing.index >= 0 and not state.reading.blind)

    def _reset(self) -> None:
        self._controller.state.postprocessing.cleaning = Cleaning()
