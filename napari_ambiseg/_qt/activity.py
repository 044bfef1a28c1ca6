"""How far a drawing is, in napari's own Activity dialog too."""

from __future__ import annotations

from weakref import ref

from napari.utils import progress
from qtpy.compat import isalive
from qtpy.QtWidgets import QDialog, QLabel, QMainWindow

from napari_ambiseg.controller import Controller
from napari_ambiseg.state import IDLE, LOADING


class Activity:
    """One progress bar while samples are drawn.

    napari lets waiting events run whenever such a bar changes, so `update` has to be the last thing that its caller
    does.

    Parameters
    ----------
    controller : whose drawing it is
    window : of its viewer; held weakly, since napari tells a closed window from one that is kept
    """

    def __init__(self, controller: Controller, window: QMainWindow) -> None:
        self._sampling, self._held = controller.state.sampling, ref(window)
        self._bar: progress | None = None
        self._dialogs: list[QDialog] = []

    def update(self) -> None:
        """Show how far it is now."""
        sampling = self._sampling
        if sampling.status in (IDLE, LOADING):  # loading has no measure
            self._close()
            return
        window = self._held()
        if window is None:
            return
        if self._bar is None:
            self._begin(window, f"ambiseg: {sampling.n_samples} samples")
        elif (done := round(100 * sampling.progress)) > self._bar.n and any(one.isVisible() for one in self._dialogs):
            self._bar.update(done - self._bar.n)

    def _begin(self, window: QMainWindow, what: str) -> None:
        """Put a bar there, and stop the picture beside the dialog's button.

        That moves 28 times a second, and each time Qt paints the whole window with its canvas: where that is done by
        the processor, it takes a third of what the sampling needs.
        """
        window.setUpdatesEnabled(False)  # or the window is painted several times over in between
        try:
            self._bar = progress(total=100, desc=what)
        finally:
            if isalive(window):  # what waited, and ran meanwhile, may have closed it
                window.setUpdatesEnabled(True)
        if not isalive(window):
            self._close()
            return
        for label in window.statusBar().findChildren(QLabel):
            if label.movie() is not None:
                label.movie().stop()
        self._dialogs = window.findChildren(QDialog, "Activity")

    def _close(self) -> None:
        bar, self._bar, self._dialogs = self._bar, None, []
        if bar is not None:
            bar.close()
