"""What stands in the docks can be read: no text is cut, whatever its size, and all of it stands out from its ground."""

from contextlib import suppress

import numpy as np
import pyqtgraph as pg
import pytest
from napari.settings import get_settings
from pytestqt.exceptions import TimeoutError as QtBotTimeoutError
from qtpy.QtGui import QColor, QImage
from qtpy.QtWidgets import QAbstractButton, QCheckBox, QComboBox, QLabel, QRadioButton, QSpinBox, QWidget
from superqt import QElidingLabel

from napari_ambiseg._qt.cursor_plot import CursorPlot
from napari_ambiseg._qt.fold import Fold
from napari_ambiseg._qt.pair_matrix import FAR, NEAR, ink
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of

from ..played_engine import draw

_ARROW = 24  # pixels of a box that its arrow takes
LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3, for text of ordinary size


@pytest.fixture
def docks(make_napari_viewer, monkeypatch, engine):
    """All docks of a small window after a drawing, with every part unfolded."""
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    docks, controller = open_all_docks(viewer), controller_of(viewer)
    controller.opener.open_demo()
    controller.state.sampling.n_samples = 6
    draw(controller, engine)
    for dock in docks.values():
        for fold in dock.content.findChildren(Fold):
            fold.expand(animate=False)
    return docks


def settle(qtbot, docks):
    for dock in docks.values():
        dock.parent().raise_()
        dock.refresh()
        qtbot.wait(60)
        texts = [label for label in dock.content.findChildren(QLabel) if label.isVisible() and label.text()]
        qtbot.waitUntil(lambda texts=texts: min(label.height() for label in texts) > 5, timeout=10_000)  # new ones wait
        yield dock


def room(widget):
    """Pixels that a widget's text needs, and that it has; None where it may be longer than what is seen."""
    advance = widget.fontMetrics().horizontalAdvance
    if isinstance(widget, QElidingLabel):
        return None
    if isinstance(widget, QLabel):
        if widget.wordWrap():
            return widget.heightForWidth(widget.width()), widget.height()
        return widget.sizeHint().width(), widget.width()
    if isinstance(widget, QComboBox):
        told = widget.currentText() in widget.toolTip()
        return None if told else (advance(widget.currentText()), widget.width() - _ARROW)
    if isinstance(widget, QSpinBox):
        return advance(widget.text()), widget.lineEdit().width()
    if isinstance(widget, (QCheckBox, QRadioButton)):
        return widget.sizeHint().width(), widget.width()
    if isinstance(widget, QAbstractButton):
        return advance(widget.text().replace("&", "")), widget.width()
    return None


def cut(dock):
    found = []
    for widget in dock.content.findChildren(QWidget):
        if widget.isVisible() and (needs := room(widget)) is not None and needs[0] > needs[1]:
            text = widget.currentText() if isinstance(widget, QComboBox) else widget.text()
            found.append(f"{type(dock).__name__}: {text!r} needs {needs[0]} and has {needs[1]}")
    return found


def test_no_text_is_cut_at_napari_s_size_of_type_or_a_larger_one(docks, qtbot):
    appearance = get_settings().appearance
    size = appearance.font_size
    try:
        for more in (0, 4):
            appearance.font_size = size + more
            found = []
            for dock in settle(qtbot, docks):
                with suppress(QtBotTimeoutError):  # new texts get their room a little later
                    qtbot.waitUntil(lambda dock=dock: not cut(dock), timeout=1500)
                found += cut(dock)
                if (wide := dock.content.width()) > (has := dock.viewport().width()):
                    assert dock.horizontalScrollBar().isVisible()  # of larger type all can be scrolled to
                    if not more:
                        found.append(f"{type(dock).__name__} needs {wide} and has {has}")
            assert "\n".join(found) == "", f"{more} points larger"
    finally:
        appearance.font_size = size


def contrast(widget):
    """Of a widget's lightest and darkest pixel: its text and its ground.  A box's indicator is left out."""
    left = 26 if isinstance(widget, (QCheckBox, QRadioButton)) else 0
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    pixels = rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(-1, image.width(), 3)
    luminance = luminance_of(pixels[:, left:] / 255)
    return ratio_of(luminance.max(), luminance.min())


def test_every_text_stands_out_from_its_ground_in_both_themes(docks, qtbot):
    faint, looked_at = [], 0
    for theme in ("dark", "light"):
        docks["Sampler"].viewer.theme = theme
        qtbot.wait(200)
        for dock in settle(qtbot, docks):
            for widget in dock.content.findChildren((QLabel, QAbstractButton)):
                if not widget.isVisible() or not widget.isEnabled() or not widget.text().strip():
                    continue
                looked_at += 1
                if (ratio := contrast(widget)) < LEAST_CONTRAST:
                    faint.append(f"{theme}, {type(dock).__name__}: {widget.text()!r} {ratio:.1f}")
    assert looked_at > 200
    assert "\n".join(faint) == ""


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_curve_cursor_and_level_stand_out_from_their_ground(viewer, qapp, theme):
    """WCAG 2.2, success criterion 1.4.11, asks 3 to 1 of what is no text."""
    viewer.theme = theme
    plot = CursorPlot(viewer, "anything")
    ground = luminance_of(plot.backgroundBrush().color().getRgbF()[:3])
    pens = plot.line.opts["pen"], plot.cursor_line.pen, plot.level.pen
    for pen in pens:
        assert ratio_of(luminance_of(pg.mkPen(pen).color().getRgbF()[:3]), ground) > 3
    assert ratio_of(luminance_of(QColor(plot.level.label.color).getRgbF()[:3]), ground) > LEAST_CONTRAST


def test_a_cell_s_value_stands_out_from_any_distance_s_colour():
    for share in np.linspace(0, 1, 101):
        ground = tuple((NEAR + share * (FAR - NEAR)).round().astype(int).tolist())
        assert (
            ratio_of(luminance_of(np.array(ground) / 255), luminance_of(QColor(ink(ground)).getRgbF()[:3]))
            > LEAST_CONTRAST
        )


def luminance_of(shares):
    """Relative luminance of WCAG 2.2, of (..., 3) red, green and blue in [0, 1]."""
    shares = np.asarray(shares)
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


def ratio_of(one, other):
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
