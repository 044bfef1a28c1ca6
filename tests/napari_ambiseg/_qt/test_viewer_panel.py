"""The frame: every dock in its place, on small and large screens, opened one way or another."""

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QMessageBox, QTabBar

from napari_ambiseg._qt import menu
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.dock_names import EXPERTS, PLUGIN, SAMPLER, TRAJECTORY, VIEWER
from napari_ambiseg.windowing import NO_HOUNSFIELD
from training.errors import ConfigError

SMALL, LARGE = (1280, 720), (1600, 1000)


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch, engine):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    return make_napari_viewer(show=True)


def docks_of(viewer):
    return {name.partition(" (")[0]: widget for name, widget in viewer.window.dock_widgets.items() if PLUGIN in name}


def settle(qtbot):
    qtbot.wait(400)  # napari places docks late, and so do we


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_window_keeps_its_size_whichever_dock_is_in_front(viewer, qtbot, size):
    viewer.window.resize(*size)
    docks = open_all_docks(viewer)
    controller_of(viewer).opener.open_demo()
    for dock in docks.values():
        dock.parent().raise_()
        qtbot.wait(60)
        window = viewer.window._qt_window.size()
        assert (window.width(), window.height()) == size, type(dock).__name__


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_napari_s_menu_gives_the_same_heights_as_the_command(make_napari_viewer, viewer, qtbot, size):
    other = make_napari_viewer(show=True)
    for each in (viewer, other):
        each.window.resize(*size)
    by_command = open_all_docks(viewer)
    other.window.add_plugin_dock_widget(PLUGIN, VIEWER)
    qtbot.waitUntil(lambda: len(docks_of(other)) == 9, timeout=5000)

    def same():
        ours, theirs = sizes(by_command), sizes(docks_of(other))
        assert theirs == pytest.approx(ours, abs=4)

    def sizes(docks):
        placed = [docks[name].parent() for name in (VIEWER, EXPERTS, SAMPLER)]
        return [side for dock in placed for side in (dock.width(), dock.height())]

    qtbot.waitUntil(same, timeout=5000)


def test_on_a_small_screen_the_first_controls_of_every_place_can_be_seen(viewer, qtbot):
    viewer.window.resize(*SMALL)
    docks = open_all_docks(viewer)
    controller_of(viewer).opener.open_demo()
    panel = docks[VIEWER]

    def wholly_visible():
        for widget in (panel.where, panel.bare, panel.window_box, panel.help, docks[SAMPLER].generate):
            assert widget.visibleRegion().boundingRect() == widget.rect(), widget

    qtbot.waitUntil(wholly_visible, timeout=5000)
    assert panel.verticalScrollBar().maximum() == 0
    assert docks[TRAJECTORY].isVisible()


def test_no_tab_is_cut_short(viewer, qtbot):
    viewer.window.resize(*SMALL)
    open_all_docks(viewer)
    settle(qtbot)
    bars = [bar for bar in viewer.window._qt_window.findChildren(QTabBar) if bar.isVisible() and bar.count() > 1]
    names = [[bar.tabText(at) for at in range(bar.count())] for bar in bars]
    assert sorted(map(len, names)) == [3, 4]
    for bar in bars:
        widths = [bar.tabRect(at).width() for at in range(bar.count())]
        assert sum(widths) <= bar.width()
        needed = [bar.fontMetrics().horizontalAdvance(bar.tabText(at)) for at in range(bar.count())]
        assert all(width >= text for width, text in zip(widths, needed, strict=True))


def test_the_menu_entry_opens_every_dock_and_twice_does_no_harm(viewer, qtbot):
    viewer.window.add_plugin_dock_widget(PLUGIN, VIEWER)
    qtbot.waitUntil(lambda: len(docks_of(viewer)) == 9, timeout=5000)
    first = docks_of(viewer)
    viewer.window.add_plugin_dock_widget(PLUGIN, VIEWER)
    open_all_docks(viewer)
    assert docks_of(viewer) == first


def test_docks_closed_at_once_leave_nothing_behind(viewer, qtbot):
    docks = open_all_docks(viewer)
    gone = []
    for name, dock in docks.items():
        dock.destroyed.connect(lambda *_, name=name: gone.append(name))
        dock.parent().destroyOnClose()
    qtbot.waitUntil(lambda: len(gone) == 9, timeout=5000)
    assert not docks_of(viewer)
    settle(qtbot)  # the timer that shares the height finds none


def test_the_case_and_its_place_stand_between_the_buttons_that_leave_it(viewer, qtbot):
    panel, controller = open_all_docks(viewer)[VIEWER], controller_of(viewer)
    panel.refresh()
    assert panel.where.text() == "no case is open"
    assert not panel.next.isEnabled()
    controller.opener.open_demo()
    panel.refresh()
    assert panel.where.text() == "synthetic 01  (1 of 24)"
    assert not panel.previous.isEnabled()
    panel.next.click()
    panel.refresh()
    assert panel.where.text() == "synthetic 02  (2 of 24)"
    assert panel.previous.isEnabled()


def test_the_list_of_windows_greys_what_the_slice_has_no_units_for(viewer):
    panel, controller = open_all_docks(viewer)[VIEWER], controller_of(viewer)
    controller.opener.open_demo()
    panel.refresh()
    box, model = panel.window_box, panel.window_box.model()
    enabled = {box.itemData(at): model.item(at).isEnabled() for at in range(box.count())}
    assert not enabled["lung"]
    assert not enabled["mediastinum"]
    assert enabled["stored"]
    assert NO_HOUNSFIELD in model.item(box.findData("lung")).toolTip()
    box.setCurrentIndex(box.findData("dark"))
    box.activated.emit(box.currentIndex())
    assert controller.state.display.window == "dark"


def test_the_bare_button_shows_what_the_key_did(viewer):
    panel, controller = open_all_docks(viewer)[VIEWER], controller_of(viewer)
    controller.opener.open_demo()
    controller.bare.toggle()
    panel.refresh()
    assert panel.bare.isChecked()
    controller.bare.toggle()
    panel.refresh()
    assert not panel.bare.isChecked()


def test_the_menu_s_conversion_offers_what_is_chosen(viewer, qtbot, slices_folder, monkeypatch):
    monkeypatch.setattr(menu, "current_viewer", lambda: viewer)
    monkeypatch.setattr(menu, "choose_file", lambda _: str(slices_folder))
    menu.convert()
    assert controller_of(viewer).state.converting.source == str(slices_folder)
    assert len(docks_of(viewer)) == 9


def test_the_menu_reads_on_the_selected_layers(viewer, monkeypatch):
    monkeypatch.setattr(menu, "current_viewer", lambda: viewer)
    viewer.add_image(np.random.default_rng(0).random((40, 40)).astype(np.float32), name="mine")
    labels = viewer.add_labels(np.eye(40, dtype=np.uint8), name="one expert")
    viewer.layers.selection = {viewer.layers["mine"], labels}
    menu.use_layers()
    case = controller_of(viewer).case
    assert case.image.shape == (40, 40)
    assert case.n_experts == 1


def test_the_menu_shows_the_keys(viewer, monkeypatch):
    monkeypatch.setattr(menu, "current_viewer", lambda: viewer)
    listed = menu.show_keys()
    assert menu.show_keys() is listed  # one is enough
    assert listed in QApplication.topLevelWidgets()
    listed.close()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_lost_session_is_offered_here_and_the_row_gives_its_room_back(viewer, qtbot, monkeypatch, size):
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    viewer.window.resize(*size)
    panel, controller = open_all_docks(viewer)[VIEWER], controller_of(viewer)
    settle(qtbot)
    settle(qtbot)
    assert panel.lost.isHidden()
    before = panel.height()
    controller.state.sessions.offered = "2026-11-22 18:03: a-rather-long-name-of-a-file.hdf5, LIDC-0815-17; 7 drawings"
    qtbot.waitUntil(lambda: wholly_visible(panel.lost.restore) and wholly_visible(panel.where), timeout=5000)
    assert "7 drawings" in panel.lost.text.toolTip()
    assert panel.height() > before
    panel.lost.discard.click()
    assert controller.state.sessions.offered == ""
    qtbot.waitUntil(lambda: panel.lost.isHidden() and abs(panel.height() - before) <= 4, timeout=5000)
    window = viewer.window._qt_window.size()
    assert (window.width(), window.height()) == size


def wholly_visible(widget):
    return widget.isVisible() and widget.visibleRegion().boundingRect() == widget.rect()


def test_restore_goes_back_to_what_was_lost_and_says_what_is_wrong(viewer, qtbot, told, monkeypatch):
    panel, controller = open_all_docks(viewer)[VIEWER], controller_of(viewer)
    asked = []

    def restore():
        asked.append("restore")
        raise ConfigError("another window has restored it")

    monkeypatch.setattr(controller.autosave, "restore", restore)
    panel.lost.restore.click()
    assert asked == ["restore"]
    assert told()[-1] == "another window has restored it"
