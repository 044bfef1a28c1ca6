"""The part of the cases' dock that draws samples for all listed cases, and says how far that is."""

from __future__ import annotations

import math

from qtpy.QtWidgets import QHBoxLayout, QMessageBox, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_ambiseg.controller import Controller
from napari_ambiseg.duration import duration
from napari_ambiseg.notices import notifying
from napari_ambiseg.state import BY_DISTANCE, FILE_ORDER, IDLE

_LONG_S = 600  # from here on it is asked first
_MANY = 100  # or from so many cases on, where nobody knows how long one takes


class QueueBox(QWidget):
    """Ranks the cases, draws them in that order, and shows how far the drawing is.

    Parameters
    ----------
    controller : of the viewer
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller, self._state = controller, controller.state
        self.most = QPushButton("Most disagreement first")
        self.most.setToolTip(
            "Ranks the cases by the experts' mean distance to each other (E[d], column Apart), the largest first"
        )
        self.most.clicked.connect(lambda _: self._rank_by_disagreement())
        self.draw_all = QPushButton("Draw for all listed")
        self.draw_all.setToolTip(
            "Draws samples for each listed case with the sampler's settings, one after the other, in a process of its "
            "own: go on reading meanwhile. Fills the column GED; the cases then show their samples at once. Asks first "
            "where it takes long"
        )
        self.draw_all.clicked.connect(lambda _: self._draw_or_stop())
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setToolTip("How many of the cases are drawn")
        self.progress = QElidingLabel()
        self.progress.setToolTip("How far the drawing of the list is")
        row, column = QHBoxLayout(), QVBoxLayout(self)
        row.addWidget(self.most, 1)
        row.addWidget(self.draw_all, 1)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(row)
        column.addWidget(self.progress)
        column.addWidget(self.bar)

    def refresh(self) -> None:
        """Show the queue as it is now."""
        is_open, queue = self._state.browsing.index >= 0, self._state.queue
        self.most.setEnabled(is_open and not self._state.reading.hides_others)
        drawing = queue.total > 0
        self.draw_all.setText("Stop drawing" if drawing else "Draw for all listed")
        self.draw_all.setEnabled(is_open and (drawing or len(self._controller.browser.ranking.order) > 0))
        waits = drawing and self._state.sampling.status != IDLE
        self.progress.setText("waits until your samples are drawn ..." if waits else queue.message)
        self.progress.setVisible(bool(self.progress.text()))
        self.bar.setVisible(drawing)
        self.bar.setMaximum(max(queue.total, 1))
        self.bar.setValue(queue.done)

    def _rank_by_disagreement(self) -> None:
        listing = self._state.listing
        if (listing.sort, listing.descending) == (BY_DISTANCE, True):
            listing.sort = FILE_ORDER  # anew, with what was learnt meanwhile
        listing.descending = True
        listing.sort = BY_DISTANCE

    def _draw_or_stop(self) -> None:
        if self._state.queue.total:
            self._controller.backlog.cancel()
            return
        listed = self._controller.browser.ranking.order.tolist()
        if self._may_take(*self._controller.backlog.outlook(listed)):
            with notifying():
                self._controller.backlog.start(listed)

    def _may_take(self, count: int, seconds: float) -> bool:
        """Ask once where it takes long: a whole data set is one click."""
        if seconds < _LONG_S or (math.isnan(seconds) and count < _MANY):
            return True
        time = (
            "Nobody knows yet how long that takes" if math.isnan(seconds) else f"That takes about {duration(seconds)}"
        )
        text = f"Draw samples for {count} cases?\n{time}; it can be stopped at any time, and what is drawn stays."
        button = QMessageBox.StandardButton
        return bool(QMessageBox.question(self, "Draw?", text, button.Yes | button.No, button.No) == button.Yes)
