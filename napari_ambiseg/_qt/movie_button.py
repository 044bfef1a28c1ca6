"""The button that saves the walk that is shown: a film, its pictures, or its numbers."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton

from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.save_dialog import Kind, ask_and_write
from napari_ambiseg.dock_names import OUTPUT
from napari_ambiseg.output import Output
from napari_ambiseg.products import MASKS, MOVIE, PRODUCTS

_KINDS = (*(Kind(MOVIE, suffix) for suffix in PRODUCTS[MOVIE].suffixes), Kind(MASKS, ".hdf5"))


class MovieButton(QPushButton):
    """Asks for a file and writes the walk to it in the background; while it writes, it cancels.

    Which samples and which part of the image the movie shows is chosen in the Output dock.

    Parameters
    ----------
    dock : where it stands, and over which its dialogs open
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__("Save ...")
        self._dock = dock
        self.clicked.connect(lambda _: self._press())

    @property
    def _output(self) -> Output:
        output: Output = self._dock.controller.output
        return output

    def refresh(self) -> None:
        """Offer what can be done now."""
        output = self._dock.state.output
        if output.writing:
            self.setText(f"Cancel ({output.progress:.0%})")
            self.setToolTip(f"Stop writing: {output.message}")
            self.setEnabled(True)
            return
        problem = self._output.problem(MOVIE)
        self.setText("Save ...")
        self.setEnabled(not problem)
        self.setToolTip(
            problem
            or f"Save the walk as a movie of {self._shown()}, or all its states as HDF5; "
            f"which samples, and which part of the image: in the dock {OUTPUT}"
        )

    def _press(self) -> None:
        if self._dock.state.output.writing:
            self._output.cancel()
        else:
            ask_and_write(self._dock, f"Save the walk of {self._shown()}", _KINDS, self._output.options())

    def _shown(self) -> str:
        """Which samples the movie shows."""
        state = self._dock.state
        return f"sample {state.playback.sample + 1}" if state.output.shown_sample else "all samples"
