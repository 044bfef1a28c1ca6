"""What holds for every dock: tooltips, names for screen readers, the keyboard, the width, the theme."""

import pytest
from napari.settings import get_settings
from pyqtgraph import PlotWidget
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QScrollBar,
    QTableView,
    QWidget,
)

from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.fold import Fold
from napari_ambiseg._qt.keys import KEYS, hint
from napari_ambiseg._qt.pair_matrix import PairMatrix
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.dock_names import TRAJECTORY

WIDTH = 390
CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QTableView)


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch, engine):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    return make_napari_viewer(show=True)


@pytest.fixture
def docks(viewer):
    docks = open_all_docks(viewer)
    controller_of(viewer).opener.open_demo()
    controller_of(viewer).tick()
    for dock in docks.values():
        dock.refresh()
    return docks


def lineage(widget):
    """A widget and what it lies in, up to its dock: what a composite says holds for its parts."""
    while widget is not None and not isinstance(widget, Dock):
        yield widget
        widget = widget.parentWidget()


def controls(dock):
    """Whatever can be used, but for the inside of other controls and of the scroll area."""
    for widget in dock.content.findChildren(QWidget):
        if not isinstance(widget, CONTROLS) or isinstance(widget, QScrollBar):
            continue
        inside = any(
            isinstance(other, (QComboBox, QAbstractSpinBox, QLineEdit, QTableView))
            for other in list(lineage(widget))[1:]
        )
        if not inside and not widget.objectName().startswith("qt_"):
            yield widget


def told(widget):
    """Where a widget is, for the message of a test."""
    text = getattr(widget, "text", lambda: "")()
    lies = " < ".join(type(each).__name__ for each in lineage(widget))
    return f"{type(widget).__name__} {text!r} ({widget.toolTip()[:60]}) in {lies}"


def test_every_control_has_a_tooltip(docks):
    silent = [
        told(each) for dock in docks.values() for each in controls(dock) if not any(w.toolTip() for w in lineage(each))
    ]
    assert "\n".join(silent) == ""


def test_the_heading_of_a_fold_tells_itself_what_is_inside(docks):
    folds = [fold for dock in docks.values() for fold in dock.content.findChildren(Fold)]
    assert len(folds) >= 2
    for fold in folds:
        heading = fold.toggleButton()
        assert heading.toolTip().startswith(fold.toolTip())
        assert heading.accessibleName() in heading.text()


def test_plots_bars_and_the_matrix_have_a_tooltip_too(docks):
    shown = [
        each for dock in docks.values() for each in dock.content.findChildren((PlotWidget, QProgressBar, PairMatrix))
    ]
    assert len(shown) >= 6
    assert [told(each) for each in shown if not each.toolTip()] == []


def test_every_key_is_written_on_a_control_or_in_its_tooltip(docks):
    said = "\n".join(
        f"{getattr(each, 'text', str)()} {getattr(each, 'placeholderText', str)()} {each.toolTip()}"
        for dock in docks.values()
        for each in controls(dock)
    )
    assert [name for name, key in KEYS.items() if hint(name) not in said and f"Key {key.key}:" not in said] == []


def test_every_control_has_a_name_to_be_read_out(docks):
    nameless = []
    for dock in docks.values():
        buddies = {label.buddy() for label in dock.content.findChildren(QLabel)} - {None}
        for each in controls(dock):
            text = each.text() if isinstance(each, QAbstractButton) else ""
            named = any(w.accessibleName() or w in buddies for w in lineage(each))
            if not (named or any(letter.isalpha() for letter in text)):
                nameless.append(told(each))
    assert "\n".join(nameless) == ""


def test_every_control_is_reached_with_the_tab_key(docks):
    unreached = []
    for dock in docks.values():
        chain, widget = set(), dock.nextInFocusChain()
        while widget is not dock:
            chain.add(widget)
            widget = widget.nextInFocusChain()
        for each in controls(dock):
            tab = Qt.FocusPolicy.TabFocus
            if not any(
                w.focusPolicy() & tab == tab and w in chain for w in [*lineage(each), *each.findChildren(QWidget)]
            ):
                unreached.append(told(each))
    assert "\n".join(unreached) == ""


def test_nothing_is_wider_than_its_dock(docks):
    wide = {name: dock.content.minimumSizeHint().width() for name, dock in docks.items() if name != TRAJECTORY}
    assert {name: width for name, width in wide.items() if width > WIDTH} == {}


def test_no_dock_asks_for_more_than_a_small_screen_has(docks):
    assert {name: dock.minimumHeight() for name, dock in docks.items() if dock.minimumHeight() > 250} == {}


def test_a_light_theme_is_taken_up_while_the_window_is_open(viewer, docks, qtbot):
    """Text that keeps a dark theme's colour would vanish on a light ground."""
    seen = {}
    for theme in ("dark", "light"):
        viewer.theme = theme
        qtbot.wait(200)
        for name, dock in docks.items():
            dock.parent().raise_()
            dock.refresh()
            qtbot.wait(60)
            image = dock.grab().toImage().convertToFormat(dock.grab().toImage().Format.Format_Grayscale8)
            corner = image.pixelColor(2, image.height() - 3).value()
            seen[theme, name] = corner
    for name in docks:
        assert seen["dark", name] < 110, name
        assert seen["light", name] > 145, name


def test_headlines_grow_with_napari_s_type(docks, qtbot):
    appearance = get_settings().appearance
    label = next(
        each
        for dock in docks.values()
        for each in dock.content.findChildren(QLabel)
        if each.text().startswith("Seen by") and "font-size" in each.styleSheet()
    )
    label.ensurePolished()
    before = label.fontMetrics().height()
    size = appearance.font_size
    try:
        appearance.font_size = 2 * size
        qtbot.wait(100)
        assert label.fontMetrics().height() > 1.6 * before
    finally:
        appearance.font_size = size


def test_the_wheel_scrolls_and_changes_nothing_that_was_not_clicked(docks, viewer):
    before = chosen(controller_of(viewer).state)
    turned = 0
    for dock in docks.values():
        dock.parent().raise_()
        dock.show()
        QApplication.processEvents()
        for each in dock.content.findChildren(QWidget):
            if isinstance(each, (QComboBox, QAbstractSpinBox, QAbstractSlider)) and not isinstance(each, QScrollBar):
                each.clearFocus()
                turn_wheel(each)
                turned += 1
    assert turned > 15
    assert chosen(controller_of(viewer).state) == before


def test_the_wheel_works_in_a_control_that_was_clicked(docks, qtbot):
    box = docks["Sampler"].samples
    docks["Sampler"].parent().raise_()
    with qtbot.waitExposed(docks["Sampler"].window()):
        docks["Sampler"].window().activateWindow()
    box.setFocus()
    qtbot.waitUntil(box.hasFocus, timeout=3000)
    before = box.value()
    turn_wheel(box)
    assert box.value() == before - 1


def chosen(state):
    """All that a control may change."""
    sampling = state.sampling
    asked = sampling.model, sampling.wish, sampling.n_samples, sampling.seed, sampling.device
    return repr((asked, state.postprocessing, state.display, state.playback, state.comparing, state.reading))


def turn_wheel(widget):
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        widget.mapToGlobal(middle),
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
