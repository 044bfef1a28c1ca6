"""The dock that begins: opens the other docks in their places, opens cases, steps from case to case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QPushButton
from superqt import QElidingLabel

from napari_ambiseg._compat import main_window, unwrapped
from napari_ambiseg._qt.conversion_bar import ConversionBar
from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.drops import Drops
from napari_ambiseg._qt.open_buttons import OpenButtons
from napari_ambiseg.dock_names import CASES, DISAGREEMENT, PLUGIN, POSTPROCESSING, SAMPLER, TRAJECTORY, VIEWER
from napari_ambiseg.layers import IMAGE, KEY

# The right column from top to bottom; what stands together shares a place, one tab each, the first one in front.
_COLUMN = ((VIEWER,), (DISAGREEMENT, CASES), (SAMPLER, POSTPROCESSING))
_HEIGHTS = (110, 640, 260)
_WIDTH, _BOTTOM_HEIGHT = 400, 140
_NO_LIMIT = 2**24 - 1  # Qt's word for a widget that may be of any size


def open_all_docks(viewer: Any) -> dict[str, Dock]:
    """Open every dock that is not open yet and put all of them in their places; returns them by name."""
    viewer = unwrapped(viewer)
    pairs = {
        name: viewer.window.add_plugin_dock_widget(PLUGIN, name)
        for name in (*(name for place in _COLUMN for name in place), TRAJECTORY)
    }
    _arrange(main_window(viewer), {name: dock for name, (dock, _) in pairs.items()})
    return {name: widget for name, (_, widget) in pairs.items()}


def _arrange(window: QMainWindow, docks: dict[str, QDockWidget]) -> None:
    right, bottom = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
    fronts = []
    for first, *others in _COLUMN:
        window.addDockWidget(right, docks[first])
        fronts.append(docks[first])
        for name in others:
            window.tabifyDockWidget(docks[first], docks[name])
    window.addDockWidget(bottom, docks[TRAJECTORY])
    # Only the canvas lies above the player, so that the column keeps the window's whole height.
    window.setCorner(Qt.Corner.BottomRightCorner, right)
    window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    window.resizeDocks(fronts, list(_HEIGHTS), Qt.Orientation.Vertical)
    window.resizeDocks(fronts[:1], [_WIDTH], Qt.Orientation.Horizontal)
    window.resizeDocks([docks[TRAJECTORY]], [_BOTTOM_HEIGHT], Qt.Orientation.Vertical)
    for name, dock in docks.items():
        dock.setWindowTitle(name)  # a tab has no room for the plugin's name too
    for dock in (*fronts, docks[TRAJECTORY]):
        dock.show()
        dock.raise_()


def hide_overlays(viewer: Any) -> list[Layer]:
    """Hide everything of ours but the image; returns what was visible."""
    shown = [
        layer for layer in viewer.layers if layer.visible and layer.metadata.get(KEY, {}).get("role", IMAGE) != IMAGE
    ]
    for layer in shown:
        layer.visible = False
    return shown


def peek(viewer: Any) -> Iterator[None]:
    """The key that hides the overlays while it is held down; napari goes on after the yield at its release."""
    shown = hide_overlays(viewer)
    yield
    for layer in shown:
        layer.visible = True


class ViewerPanel(Dock):
    """Open cases, and go to the previous or the next one.  Opening this dock opens all the others."""

    preferred = QSize(390, 95)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.column.addWidget(OpenButtons(self.controller))
        self.conversion = ConversionBar(self.controller)
        self.column.addWidget(self.conversion)
        self.conversion.hide()
        self._height = self.preferred.height()  # when nothing is being converted
        self.previous, self.next = QPushButton("◀ P&revious"), QPushButton("&Next ▶")
        self.previous.setToolTip("The case before, in the file's order")
        self.next.setToolTip("The case after, in the file's order")
        self.previous.clicked.connect(lambda _: self.controller.next_case(-1))
        self.next.clicked.connect(lambda _: self.controller.next_case())
        self.where = QElidingLabel()
        self.where.setElideMode(Qt.TextElideMode.ElideMiddle)  # LIDC's identifiers are long and differ at the end
        self.where.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()
        row.addWidget(self.previous)
        row.addWidget(self.where, 1)
        row.addWidget(self.next)
        self.column.addLayout(row)
        self.peek = QPushButton("Bare image (hold, or H)")
        self.peek.setToolTip("Hides all outlines and maps while the button, or the key H, is held down")
        self.peek.pressed.connect(self._hide_overlays)
        self.peek.released.connect(self._show_overlays)
        self._hidden: list[Layer] = []
        self.viewer.bind_key("H", peek, overwrite=True)
        warning = QLabel("Research use only, not for diagnosis")
        warning.setWordWrap(True)
        warning.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()
        row.addWidget(self.peek)
        row.addWidget(warning, 1)
        self.column.addLayout(row)
        self.column.addStretch(1)
        events = self.state.browsing.events
        converting = self.state.converting.events
        self.follow(
            events.index, events.key, events.split, converting.status, converting.slices, converting.patients,
            converting.target, converting.target_exists, converting.done, converting.seconds_left, converting.unopened,
        )  # fmt: skip
        self.conversion.more.toggled.connect(lambda _: self._mark_stale())
        self.drops: Drops | None = None
        # Later: napari is still placing this dock while it is being made.
        QTimer.singleShot(0, self._open_others)

    def _open_others(self) -> None:
        if self.parent() is not None:  # else it was closed again at once
            open_all_docks(self.viewer)
            self.drops = Drops(self.controller, main_window(self.viewer), self)

    def _hide_overlays(self) -> None:
        self._hidden = hide_overlays(self.viewer)

    def _show_overlays(self) -> None:
        for layer in self._hidden:
            layer.visible = True

    def refresh(self) -> None:
        """Show which case is open, and what is being converted."""
        converting = not self.conversion.isHidden()
        self.conversion.refresh()
        if not converting:
            self._height = self.height()
        browsing, survey = self.state.browsing, self.controller.survey
        count = 0 if survey is None else len(survey)
        self.where.setText(f"{browsing.key}  ({browsing.index + 1} of {count})" if count else "no case is open")
        self.where.setToolTip(f"The open case and its place in the file: {browsing.key}")
        self.previous.setEnabled(browsing.index > 0)
        self.next.setEnabled(0 <= browsing.index < count - 1)
        self.setMinimumHeight(self._needed_height() + 4)  # known only now that the theme's fonts are set
        if converting and self.conversion.isHidden():
            QTimer.singleShot(0, self._give_room_back)  # later: the layout does not know yet that this can be lower

    def _needed_height(self) -> int:
        """Height of the column as its lines wrap now."""
        self.conversion.layout().activate()  # its labels may have got other texts just now
        wrapped = self.column.totalHeightForWidth(self.viewport().width())
        return int(max(wrapped, self.column.totalMinimumSize().height()))

    def _give_room_back(self) -> None:
        if isinstance(dock := self.parent(), QDockWidget):
            dock.setMinimumHeight(0)  # Qt raises it with the content's, and never lowers it again
            dock.setMaximumHeight(dock.height() - self.height() + self._height)
            QTimer.singleShot(0, self._lift_limit)

    def _lift_limit(self) -> None:
        if isinstance(dock := self.parent(), QDockWidget):
            dock.setMaximumHeight(_NO_LIMIT)
