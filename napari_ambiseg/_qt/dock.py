"""What all docks share: a scrolling column that is redrawn by one timer, and only while it can be seen."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QScrollBar,
    QVBoxLayout,
    QWidget,
)

from napari_ambiseg._compat import free_in_own_window, main_window, unwrapped, when_window_closes
from napari_ambiseg._qt.activity import Activity
from napari_ambiseg._qt.keys import keys_of
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg._qt.type_size import HEADLINE, set_type
from napari_ambiseg.controller import Controller, controller_of
from napari_ambiseg.layers.roles import TRAJECTORY

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

    def __init__(self, controller: Controller, window: QMainWindow) -> None:
        super().__init__(window)
        self._controller, self._activity = controller, Activity(controller, window)
        self._docks: WeakSet[Dock] = WeakSet()
        self._timer = QTimer(self)
        self._timer.setInterval(_BEAT_MS)
        self._timer.timeout.connect(self._on_timeout)
        self._timer.start()

    def serve(self, dock: Dock) -> None:
        """Let a dock look at each beat, as long as it is there."""
        self._docks.add(dock)
        self.beat.connect(dock.look)

    def _on_timeout(self) -> None:
        self._controller.drawing.watch(self._is_watched())
        self._controller.tick()
        self.beat.emit()
        self._activity.update()

    def _is_watched(self) -> bool:
        """Whether anybody can see the states of a walk: on the canvas, or in a dock."""
        if self.parent().isMinimized():
            return False
        trajectory = self._controller.layers.find(TRAJECTORY)
        shown = trajectory is None or trajectory.visible  # a new one will be
        docks = [dock for dock in self._docks if isalive(dock)]  # somebody may still hold one that was closed
        return shown or any(dock.watches and dock.is_in_sight() for dock in docks)


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
        free_in_own_window()
    return _PULSES[viewer]


class Dock(QScrollArea):
    """A dock's content: one column that scrolls where the window is low or the type large.

    A subclass fills ``self.column``, says with `follow` what it shows, and shows it in `refresh`.  `refresh` runs
    at most once per beat, however often the state changed, and not at all while the dock is hidden or behind a tab.

    Parameters
    ----------
    napari_viewer : the viewer, as napari hands it to a plugin's widget

    Attributes
    ----------
    watches : whether it shows the states of a walk, or numbers of them, while they come
    """

    preferred = QSize(390, 300)
    watches = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.controller = controller_of(self.viewer)
        self.state = self.controller.state
        self._stale, self._docked = True, False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setMinimumSize(300, 60)
        self.content = QWidget()
        self.column = QVBoxLayout(self.content)
        self.column.setContentsMargins(8, 4, 8, 4)
        self.column.setSpacing(6)
        self.setWidget(self.content)
        pulse_of(self.viewer).serve(self)
        keys_of(self.viewer).serve(self)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Keep the wheel, which is turned to scroll, from changing what lies under the mouse."""
        super().showEvent(event)
        for kind in (QComboBox, QAbstractSpinBox, QAbstractSlider):
            for control in self.content.findChildren(kind):
                if not isinstance(control, QScrollBar):
                    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    control.removeEventFilter(self)
                    control.installEventFilter(self)

    def eventFilter(self, control: QObject, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Hand the wheel on to what scrolls, but for a control that was clicked before."""
        if event.type() == QEvent.Type.Wheel and isinstance(control, QWidget) and not control.hasFocus():
            event.ignore()
            return True
        return bool(super().eventFilter(control, event))

    def refresh(self) -> None:
        """Show the state as it is now."""

    def follow(self, *signals: Any) -> None:
        """Refresh soon after any of these signals."""
        for signal in signals:
            signal.connect(self._mark_stale)

    def _mark_stale(self) -> None:
        self._stale = True

    def is_in_sight(self) -> bool:
        """Whether any of it can be seen: it is open, and not behind a tab."""
        return bool(self.isVisible() and not self.content.visibleRegion().isEmpty())

    def look(self) -> None:
        """Refresh if something changed, and somebody can see it."""
        if self._stale and self.is_in_sight():
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
    set_type(label, HEADLINE, bold=True)
    return label


def text_line(parent: Dock, tooltip: str = "") -> QLabel:
    """A `text_label` added to a dock's column."""
    label = text_label(tooltip)
    parent.column.addWidget(label)
    return label
