"""How far any two masks of a case are from each other: experts first, then samples, painted as one widget."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QRect, Qt, Signal
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_ambiseg.layers.colours import id_colour

Pair = tuple[str, str]

_WIDEST, _HIGHEST = 56, 24  # pixels of a cell
_FOR_VALUE = 32  # width from which a cell's value fits into it
_FOR_NAME = 13  # height and width from which a name fits
_HEAD = 24
NEAR, FAR = np.array([52, 56, 66]), np.array([230, 110, 60])  # colours of the distances 0 and 1
_ARROWS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class PairMatrix(QWidget):
    """Shows distances; a click on a cell, or Enter, chooses its pair, and again lets go of it.

    The arrow keys move from cell to cell.
    """

    chosen = Signal(object)  # (str, str)
    pointed = Signal(object)  # (str, str) under the mouse or the keyboard's cursor, None where there is none

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._distances: NDArray[np.float64] = np.zeros((0, 0))
        self._image = QImage()
        self._pair: Pair | None = None
        self._cursor = (0, 1)
        self._pointed: Pair | None = None
        self._told = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Distances of all pairs of masks")
        self.setToolTip(
            "1 − IoU of each pair: 0 is the same outline, 1 no overlap at all; two empty masks are at 0. Click a cell, "
            "or move with the arrow keys and press Enter, to see on the image where the two differ; again: off"
        )

    def show_distances(self, names: tuple[str, ...], distances: NDArray[np.float64], pair: Pair | None) -> None:
        """Show (M, M) distances of masks of these names, and which pair is chosen."""
        self._pair = pair
        if names != self._names:
            self._names, self._cursor = names, (0, min(1, len(names) - 1))
            self._pointed = None
            self._fit()
        self._distances = distances
        self._image = _painted(distances)
        self.update()

    def value(self, pair: Pair) -> float | None:
        """Distance of two masks; None where one is not there."""
        if not set(pair) <= set(self._names):
            return None
        first, second = (self._names.index(name) for name in pair)
        return float(self._distances[first, second])

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """The cells of many masks are square: their height follows the dock's width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(_HEAD + self._cell(self.width())[1] * len(self._names) + 2)

    def rect_of(self, row: int, column: int) -> QRect:
        """Where a cell lies."""
        wide, high = self._cell(self.width())
        return QRect(_HEAD + column * wide, _HEAD + row * high, wide, high)

    def _cell(self, width: int) -> tuple[int, int]:
        wide = max(3, min((width - _HEAD - 2) // max(len(self._names), 1), _WIDEST))
        return wide, min(wide, _HIGHEST)

    def _at(self, point: QPoint) -> tuple[int, int] | None:
        wide, high = self._cell(self.width())
        column, row = (point.x() - _HEAD) // wide, (point.y() - _HEAD) // high
        return (row, column) if 0 <= row < len(self._names) and 0 <= column < len(self._names) else None

    def _pair_at(self, cell: tuple[int, int] | None) -> Pair | None:
        return None if cell is None or cell[0] == cell[1] else (self._names[cell[0]], self._names[cell[1]])

    def _point(self, cell: tuple[int, int] | None) -> None:
        pair = self._pair_at(cell)
        if pair != self._pointed:
            self._pointed = pair
            self.pointed.emit(pair)

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Name the pair under the mouse."""
        self._point(self._at(event.pos()))

    def leaveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """No pair is under the mouse any more."""
        self._point(None)
        super().leaveEvent(event)

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Choose a pair."""
        cell = self._at(event.pos())
        if event.button() == Qt.MouseButton.LeftButton and cell is not None:
            self._cursor = cell
            self._choose()
        self.update()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Move with the arrow keys, choose with Enter or Space."""
        if event.key() in _ARROWS and self._names:
            steps, last = _ARROWS[event.key()], len(self._names) - 1
            self._cursor = (
                min(max(self._cursor[0] + steps[0], 0), last),
                min(max(self._cursor[1] + steps[1], 0), last),
            )
            self._point(self._cursor)
            self.update()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._names:
            self._choose()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Show the cursor."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Hide the cursor."""
        super().focusOutEvent(event)
        self.update()

    def event(self, event: Any) -> bool:
        """A tooltip that names the pair under the mouse and its distance."""
        if event.type() == QEvent.Type.ToolTip and (pair := self._pair_at(self._at(event.pos()))) is not None:
            value = self.value(pair)
            QToolTip.showText(event.globalPos(), f"{described(pair)}: {value:.2f}. {self.toolTip()}", self)
            return True
        return bool(super().event(event))

    def _choose(self) -> None:
        pair = self._pair_at(self._cursor)
        if pair is not None:
            self.chosen.emit(pair)

    def paintEvent(self, _event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint all cells as one picture, then names and values where they fit."""
        if not self._names:
            return
        painter, count = QPainter(self), len(self._names)
        wide, high = self._cell(self.width())
        painter.drawImage(QRect(_HEAD, _HEAD, wide * count, high * count), self._image)
        font = QFont(self.font())
        font.setPixelSize(min(12, high - 3) if high > 8 else 6)
        painter.setFont(font)
        self._paint_heads(painter, wide, high)
        if high >= 8:
            painter.setPen(QPen(self.palette().window().color(), 1))
            for at in range(count + 1):
                painter.drawLine(_HEAD + at * wide, _HEAD, _HEAD + at * wide, _HEAD + count * high)
                painter.drawLine(_HEAD, _HEAD + at * high, _HEAD + count * wide, _HEAD + at * high)
        if wide >= _FOR_VALUE:
            for row, column in np.ndindex(count, count):
                painter.setPen(QColor(ink(self._image.pixelColor(column, row).getRgb()[:3])))
                text = "–" if row == column else f"{self._distances[row, column]:.2f}"
                painter.drawText(self.rect_of(row, column), Qt.AlignmentFlag.AlignCenter, text)
        self._paint_marks(painter)
        painter.end()

    def _paint_heads(self, painter: QPainter, wide: int, high: int) -> None:
        for at, name in enumerate(self._names):
            for box, fits in (
                (QRect(_HEAD + at * wide, 0, wide, _HEAD - 2), wide >= _FOR_NAME),
                (QRect(0, _HEAD + at * high, _HEAD - 2, high), high >= _FOR_NAME),
            ):
                painter.fillRect(
                    box.adjusted(0, 0, -1 if wide > 4 else 0, -1 if high > 4 else 0), QColor(id_colour(name))
                )
                if fits:
                    painter.setPen(QColor("black"))
                    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)

    def _paint_marks(self, painter: QPainter) -> None:
        """The border between experts and samples, the chosen pair, and the keyboard's cursor."""
        experts = sum(not name.isdecimal() for name in self._names)
        wide, high = self._cell(self.width())
        end = QPoint(_HEAD + len(self._names) * wide, _HEAD + len(self._names) * high)
        if 0 < experts < len(self._names):
            painter.setPen(QPen(self.palette().text().color(), 1))
            at = self.rect_of(experts, experts).topLeft()
            painter.drawLine(0, at.y(), end.x(), at.y())
            painter.drawLine(at.x(), 0, at.x(), end.y())
        if self._pair is not None and set(self._pair) <= set(self._names):
            first, second = (self._names.index(name) for name in self._pair)
            for pen in (QPen(QColor("black"), 4), QPen(QColor("white"), 2)):
                painter.setPen(pen)
                for row, column in ((first, second), (second, first)):
                    painter.drawRect(self.rect_of(row, column).adjusted(0, 0, -1, -1))
        if self.hasFocus():
            painter.setPen(QPen(self.palette().highlight().color(), 2, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect_of(*self._cursor))


def described(pair: Pair) -> str:
    """What a pair is called in a sentence: "expert A and sample 3"."""
    return " and ".join(f"sample {name}" if name.isdecimal() else f"expert {name}" for name in pair)


def ink(ground: tuple[int, int, int]) -> str:
    """Black or white, whichever stands out more from a ground (R, G, B) of 0 to 255: at least 4.5 to 1.

    By the relative luminance of WCAG 2.2: both stand out alike, sqrt(21) to 1, where (L + 0.05)^2 = 1.05 * 0.05.
    """
    shares = np.array(ground) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) + 0.05 > math.sqrt(1.05 * 0.05) else "white"


def _painted(distances: NDArray[np.float64]) -> QImage:
    """One pixel for each pair."""
    count = len(distances)
    share = np.clip(distances, 0, 1)[..., None]
    colours = (NEAR + share * (FAR - NEAR)).round().astype(np.uint8)
    pixels = np.concatenate([colours, np.full((count, count, 1), 255, np.uint8)], axis=-1)
    return QImage(pixels.tobytes(), count, count, 4 * count, QImage.Format.Format_RGBA8888).copy()
