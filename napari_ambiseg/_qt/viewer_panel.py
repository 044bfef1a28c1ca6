"""The dock that begins: opens the other docks in their places, opens cases, steps from case to case."""

from __future__ import annotations

from typing import Any
from weakref import ref

from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QPushButton
from superqt import QElidingLabel

from napari_ambiseg._compat import main_window, unwrapped
from napari_ambiseg._qt.conversion_bar import ConversionBar
from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.drops import Drops
from napari_ambiseg._qt.key_list import KeyList, show_keys
from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.lost_offer import LostOffer
from napari_ambiseg._qt.open_buttons import OpenButtons
from napari_ambiseg._qt.window_box import WindowBox
from napari_ambiseg.dock_names import (
    CASES,
    COMPARE,
    DISAGREEMENT,
    EXPERTS,
    OUTPUT,
    PLUGIN,
    POSTPROCESSING,
    SAMPLER,
    TRAJECTORY,
    VIEWER,
)

# The right column from top to bottom; what stands together shares a place, one tab each, the first one in front.
_COLUMN = ((VIEWER,), (EXPERTS, DISAGREEMENT, CASES), (SAMPLER, POSTPROCESSING, COMPARE, OUTPUT))
_UPPER_SHARE = 0.62  # of the height that the first dock leaves to the two below it
_SETTLED_MS = (100, 500)  # until the theme's fonts are set and the window has its size, on a quick and a slow machine
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
    window.resizeDocks(fronts[:1], [_WIDTH], Qt.Orientation.Horizontal)
    window.resizeDocks([docks[TRAJECTORY]], [_BOTTOM_HEIGHT], Qt.Orientation.Vertical)
    _share_height(window, *fronts)
    held = [ref(part) for part in (window, *fronts)]  # a timer must not keep a closed window

    def share_again() -> None:
        parts = [part for each in held if (part := each()) is not None and isalive(part)]
        if len(parts) == len(held):  # else closed again at once
            _share_height(*parts)

    for late in _SETTLED_MS:
        QTimer.singleShot(late, share_again)
    for name, dock in docks.items():
        dock.setWindowTitle(name)  # a tab has no room for the plugin's name too
    for dock in (*fronts, docks[TRAJECTORY]):
        dock.show()
        dock.raise_()


def _share_height(window: QMainWindow, *fronts: QDockWidget) -> None:
    """Give the first dock of the column what it needs, and share the rest between the two below it."""
    first = fronts[0].minimumSizeHint().height()
    rest = max(sum(dock.height() for dock in fronts) - first, len(fronts))
    upper = round(_UPPER_SHARE * rest)
    window.resizeDocks(list(fronts), [first, upper, rest - upper], Qt.Orientation.Vertical)


class ViewerPanel(Dock):
    """Open cases, and go to the previous or the next one.  Opening this dock opens all the others."""

    preferred = QSize(390, 95)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.column.addWidget(OpenButtons(self.controller))
        self.lost = LostOffer(self.controller)
        self.column.addWidget(self.lost)
        self.conversion = ConversionBar(self.controller)
        self.column.addWidget(self.conversion)
        self.conversion.hide()
        self._height = self.preferred.height()  # when nothing is being converted and nothing is offered
        self.previous = QPushButton(f"◀{hint('previous')}")
        self.next = QPushButton(f"{hint('next').strip()} ▶")
        self.previous.setToolTip("Previous case, in the order of the table of cases")
        self.next.setToolTip("Next case, in the order of the table of cases")
        self.previous.setAccessibleName("Previous case")
        self.next.setAccessibleName("Next case")
        self.previous.clicked.connect(lambda _: self.controller.opener.next_case(-1))
        self.next.clicked.connect(lambda _: self.controller.opener.next_case())
        self.where = QElidingLabel()
        self.where.setElideMode(Qt.TextElideMode.ElideMiddle)  # LIDC's identifiers are long and differ at the end
        self.where.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()
        row.addWidget(self.previous)
        row.addWidget(self.where, 1)
        row.addWidget(self.next)
        self.column.addLayout(row)
        self.bare = QPushButton(f"Bare image{hint('bare')}")
        self.bare.setToolTip("Hides all outlines and maps: click, or hold to peek")
        self.bare.setCheckable(True)
        self.bare.pressed.connect(self.controller.bare.press)
        self.bare.released.connect(self.controller.bare.release)
        self.close_up = QPushButton("Close-up")
        self.close_up.setToolTip("Look closely at what the experts marked; once more, at the whole slice")
        self.close_up.clicked.connect(lambda _: self.controller.look_closely())
        self.window_box = WindowBox(self.controller)
        self.help = QPushButton("Keys")
        self.help.setToolTip("What each key does")
        self.help.clicked.connect(lambda _: self.show_keys())
        row = QHBoxLayout()
        row.addWidget(self.bare)
        row.addWidget(self.close_up)
        row.addWidget(self.window_box, 1)
        row.addWidget(self.help)
        self.column.addLayout(row)
        warning = QLabel("Research use only, not for diagnosis")
        warning.setAlignment(Qt.AlignmentFlag.AlignCenter)
        warning.setToolTip("No number here says whether there is a lesion, nor whether one is malignant")
        self.column.addWidget(warning)
        self.column.addStretch(1)
        events, display = self.state.browsing.events, self.state.display.events
        converting = self.state.converting.events
        self.follow(
            events.index, events.key, events.split, display.bare, display.window, converting.status, converting.slices,
            converting.patients, converting.target, converting.target_exists, converting.done, converting.seconds_left,
            converting.unopened, self.state.listing.events.revision, self.state.reading.events.blind,
            self.state.sessions.events.offered,
        )  # fmt: skip
        self.conversion.more.toggled.connect(lambda _: self._mark_stale())
        self.drops: Drops | None = None
        # Later: napari is still placing this dock while it is being made.
        QTimer.singleShot(0, self._open_others)

    def _open_others(self) -> None:
        if self.parent() is not None:  # else it was closed again at once
            open_all_docks(self.viewer)
            self.drops = Drops(self.controller, main_window(self.viewer), self)

    def show_keys(self) -> KeyList:
        """Tell what each key does, in a window of its own that may stay open."""
        return show_keys(self)

    def refresh(self) -> None:
        """Show which case is open, and what is being converted."""
        before = self._extra_rows()
        self.conversion.refresh()
        self.lost.refresh()
        if not before:
            self._height = self.height()
        browsing, survey = self.state.browsing, self.controller.browser.survey
        count = 0 if survey is None else len(survey)
        self.where.setText(f"{browsing.key}  ({browsing.index + 1} of {count})" if count else "no case is open")
        self.where.setToolTip(f"The open case and its place in the file: {browsing.key}")
        ranking, is_open = self.controller.browser.ranking, browsing.index >= 0
        self.previous.setEnabled(is_open and ranking.has(browsing.index, -1))
        self.next.setEnabled(is_open and ranking.has(browsing.index, 1))
        self.bare.setChecked(self.state.display.bare)
        self.close_up.setEnabled(is_open and not self.state.reading.blind)
        self.window_box.refresh()
        self.setMinimumHeight(self._needed_height() + 4)  # known only now that the theme's fonts are set
        if self._extra_rows() < before:
            QTimer.singleShot(0, self._give_room_back)  # later: the layout does not know yet that this can be lower

    def _extra_rows(self) -> int:
        """How many things are shown that are not always there."""
        return sum(not extra.isHidden() for extra in (self.conversion, self.lost))

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
