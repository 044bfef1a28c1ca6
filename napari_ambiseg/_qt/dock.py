"""What all docks share: a scrolling column that is redrawn by one timer, and only while it can be seen."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_ambiseg._compat import main_window, unwrapped, when_window_closes
from napari_ambiseg.controller import Controller, controller_of

_BEAT_MS = 50


class Pulse(QObject):
    """The one timer of a viewer: lets the controller work, then tells the docks to look.

    It lives as long as the viewer's window, whatever docks are open, so that a drawing goes on when all of them
    are closed.

    Parameters
    ----------
    controller : of this viewer
    window : the viewer's main window
    """

    beat = Signal()

    def __init__(self, controller: Controller, window: QObject) -> None:
        super().__init__(window)
        self._controller = controller
        self._timer = QTimer(self)
        self._timer.setInterval(_BEAT_MS)
        self._timer.timeout.connect(self._on_timeout)
        self._timer.start()

    def _on_timeout(self) -> None:
        self._controller.tick()
        self.beat.emit()


_PULSES: WeakKeyDictionary[Any, Pulse] = WeakKeyDictionary()


def pulse_of(viewer: Any) -> Pulse:
    """The pulse of a viewer, started on first need; with the window it stops and the sampling process ends."""
    viewer = unwrapped(viewer)
    if viewer not in _PULSES:
        controller = controller_of(viewer)
        _PULSES[viewer] = Pulse(controller, main_window(viewer))

        def end() -> None:
            _PULSES.pop(viewer, None)
            controller.close()

        when_window_closes(viewer, end)
    return _PULSES[viewer]


class Dock(QScrollArea):
    """A dock's content: one column that scrolls where the window is low.

    A subclass fills ``self.column``, says with `follow` what it shows, and shows it in `refresh`.  `refresh` runs
    at most once per beat, however often the state changed, and not at all while the dock is hidden or behind a tab.

    Parameters
    ----------
    napari_viewer : the viewer, as napari hands it to a plugin's widget
    """

    preferred = QSize(390, 300)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.controller = controller_of(self.viewer)
        self.state = self.controller.state
        self._stale, self._docked = True, False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumSize(300, 60)
        self.content = QWidget()
        self.column = QVBoxLayout(self.content)
        self.column.setContentsMargins(8, 4, 8, 4)
        self.column.setSpacing(6)
        self.setWidget(self.content)
        pulse_of(self.viewer).beat.connect(self._on_beat)

    def refresh(self) -> None:
        """Show the state as it is now."""

    def follow(self, *signals: Any) -> None:
        """Refresh soon after any of these signals."""
        for signal in signals:
            signal.connect(self._mark_stale)

    def _mark_stale(self) -> None:
        self._stale = True

    def _on_beat(self) -> None:
        if self._stale and self.isVisible() and not self.visibleRegion().isEmpty():
            self._stale = False
            self.refresh()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Width that the columns need; the height is only a wish."""
        return self.preferred

    def event(self, event: Any) -> bool:
        """Delete what napari only takes out of its dock: it would stay behind, unseen."""
        if event.type() == QEvent.Type.ParentChange:
            if self._docked and self.parent() is None:
                self.deleteLater()
            self._docked = self.parent() is not None
        return bool(super().event(event))


def headline(parent: Dock, tooltip: str) -> QLabel:
    """A label in large type for the one thing that a dock is about, added to its column."""
    label = text_line(parent, tooltip)
    label.setStyleSheet("font-size: 17pt; font-weight: 600;")
    return label


def text_line(parent: Dock, tooltip: str = "") -> QLabel:
    """A label whose text wraps and can be selected, added to a dock's column."""
    label = QLabel()
    label.setWordWrap(True)
    label.setMinimumWidth(1)  # a long path in it must not widen the dock
    label.setToolTip(tooltip)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    parent.column.addWidget(label)
    return label
