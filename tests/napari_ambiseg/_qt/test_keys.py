"""The keys, pressed in a real window: on the canvas, in the docks, and while somebody types."""

import gc

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.key_list import KeyList
from napari_ambiseg._qt.keys import KEYS, hint, keys_of
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.dock_names import CASES, POSTPROCESSING, SAMPLER, VIEWER
from napari_ambiseg.drawing import Drawing
from napari_ambiseg.layers.maps import EXPERT_VARIANCE, NO_MAP, VOTES
from napari_ambiseg.layers.roles import EXPERTS, READING
from napari_ambiseg.reader import Reader
from napari_ambiseg.state import LOADING


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch, engine):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    return make_napari_viewer(show=True)


@pytest.fixture
def docks(viewer, qtbot):
    docks = open_all_docks(viewer)
    controller_of(viewer).opener.open_demo()
    controller_of(viewer).tick()
    return docks


def press(viewer, key):
    """As when the key comes to the canvas: down and up."""
    handler = viewer.window._qt_viewer._key_map_handler if hasattr(viewer.window, "_qt_viewer") else None
    handler = handler or viewer.window._qt_window._qt_viewer._key_map_handler
    handled = handler.press_key(key)
    handler.release_key(key)
    return handled


def strike(qtbot, widget, key):
    """As when it is struck with the focus on a widget."""
    widget.activateWindow()
    widget.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is widget, timeout=2000)
    qtbot.keyClick(widget, key)


def test_no_two_keys_are_one():
    assert len({key.key for key in KEYS.values()}) == len(KEYS)


def test_a_hint_is_what_a_button_ends_with():
    assert hint("generate") == " [G]"


def test_keys_do_what_they_say(viewer, docks):
    state = controller_of(viewer).state
    press(viewer, "J")
    assert state.browsing.index == 1
    press(viewer, "K")
    assert state.browsing.index == 0
    press(viewer, "V")
    assert state.display.map == VOTES
    press(viewer, "U")
    assert state.display.map == EXPERT_VARIANCE
    press(viewer, "U")
    assert state.display.map == NO_MAP
    press(viewer, "W")
    assert state.display.window == "slice"
    press(viewer, "H")
    assert state.display.bare
    press(viewer, "H")
    assert not state.display.bare
    press(viewer, "Q")
    assert state.reading.flag
    press(viewer, "B")
    assert state.reading.blind
    press(viewer, "B")
    assert not state.reading.blind
    press(viewer, "G")
    assert state.sampling.status == LOADING


@pytest.mark.parametrize("key", ["P", "B"])
def test_on_our_own_outlines_our_keys_come_before_napari_s(viewer, docks, key, monkeypatch):
    pressed = []
    for part, name in ((Drawing, "pause"), (Reader, "toggle")):
        monkeypatch.setattr(part, name, lambda part: pressed.append(part))
    viewer.layers.selection.active = controller_of(viewer).layers.find(EXPERTS)
    press(viewer, key)
    assert len(pressed) == 1


def test_in_labels_of_the_user_s_own_napari_s_keys_stay(viewer, docks):
    labels = viewer.add_labels(np.zeros((8, 8), np.uint8))
    viewer.layers.selection.active = labels
    press(viewer, "P")
    assert labels.mode == "paint"


def test_in_a_blind_read_one_key_paints_and_another_reveals(viewer, docks):
    state = controller_of(viewer).state
    press(viewer, "B")
    layer = viewer.layers.selection.active
    assert layer is controller_of(viewer).layers.find(READING)
    layer.mode = "pan_zoom"
    press(viewer, "P")
    assert layer.mode == "paint"
    press(viewer, "B")
    assert not state.reading.blind


def test_a_blind_read_brings_what_to_do_and_the_distances_to_the_front(viewer, docks, qtbot):
    cases, focused = docks[CASES], QApplication.focusWidget()
    for _ in ("begun", "revealed"):
        docks[SAMPLER].parent().raise_()
        docks[VIEWER].parent().raise_()
        qtbot.wait(50)
        press(viewer, "B")
        qtbot.waitUntil(lambda: not cases.reading.toggle.visibleRegion().isEmpty(), timeout=2000)
        assert QApplication.focusWidget() is focused  # so that keys still go where they went


def test_a_key_works_with_the_focus_in_a_list_of_ours(viewer, docks, qtbot):
    docks[SAMPLER].parent().raise_()
    strike(qtbot, docks[SAMPLER].model, Qt.Key.Key_J)
    assert controller_of(viewer).state.browsing.index == 1


def test_a_number_being_typed_is_no_key(viewer, docks, qtbot):
    box = docks[SAMPLER].seed
    docks[SAMPLER].parent().raise_()
    box.setValue(0)
    strike(qtbot, box, Qt.Key.Key_J)
    strike(qtbot, box, Qt.Key.Key_Comma)
    assert controller_of(viewer).state.browsing.index == 0


def test_a_word_being_typed_is_no_key(viewer, docks, qtbot):
    docks[CASES].activateWindow()
    press(viewer, "/")
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None, timeout=2000)
    field = QApplication.focusWidget()
    assert docks[CASES].isAncestorOf(field)
    for key in (Qt.Key.Key_J, Qt.Key.Key_H, Qt.Key.Key_Slash):
        qtbot.keyClick(field, key)
    assert field.text() == "jh/"
    assert controller_of(viewer).state.browsing.index == 0
    assert not controller_of(viewer).state.display.bare


def test_a_key_that_another_plugin_has_stays_its_own(viewer, qtbot):
    theirs = []
    viewer.bind_key("G", lambda _: theirs.append(True))
    open_all_docks(viewer)
    press(viewer, "G")
    assert theirs == [True]


def test_the_keys_go_with_the_last_dock_and_come_back_with_the_next(viewer, docks, qtbot):
    controller = controller_of(viewer)
    others = [docks[name] for name in docks if name != POSTPROCESSING]
    for dock in others:
        dock.parent().destroyOnClose()
    del others
    assert press(viewer, "V")
    docks.pop(POSTPROCESSING).parent().destroyOnClose()
    docks.clear()
    gc.collect()
    qtbot.waitUntil(lambda: not viewer.keymap, timeout=5000)
    controller.state.display.map = NO_MAP
    viewer.layers.selection.active = controller.layers.find(EXPERTS)
    press(viewer, "U")
    assert controller.state.display.map == NO_MAP
    open_all_docks(viewer)
    press(viewer, "U")
    assert controller.state.display.map == EXPERT_VARIANCE


def test_the_list_of_keys_names_all_of_them(viewer, docks):
    listed = docks[VIEWER].show_keys()
    assert isinstance(listed, KeyList)
    texts = [label.text() for label in listed.findChildren(type(listed.layout().itemAt(0).widget()))]
    for key in KEYS.values():
        assert key.key in texts
        assert key.what in texts
    listed.close()


def test_each_viewer_has_keys_of_its_own(viewer, docks, make_napari_viewer):
    other = make_napari_viewer()
    open_all_docks(other)
    controller_of(other).opener.open_demo()
    press(other, "J")
    assert controller_of(viewer).state.browsing.index == 0
    assert controller_of(other).state.browsing.index == 1
    assert keys_of(other) is not keys_of(viewer)
