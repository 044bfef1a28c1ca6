"""The field in a real window: placed by the mouse and by keys, told in the dock."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_ambiseg._compat import camera, main_window
from napari_ambiseg._qt.sampler_panel import SamplerPanel
from napari_ambiseg.controller import controller_of
from napari_ambiseg.layers.roles import FIELD
from training.data.field import Field

SHAPE = (3, 400, 300)


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch, engine):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    viewer = make_napari_viewer(show=True)
    main_window(viewer).resize(1100, 800)
    return viewer


@pytest.fixture
def panel(viewer, qtbot):
    panel = SamplerPanel(viewer)
    viewer.window.add_dock_widget(panel, area="right", name="sampler")
    return panel


@pytest.fixture
def controller(viewer, panel, qtbot):
    layer = viewer.add_image(np.random.default_rng(0).random(SHAPE), name="chest", scale=(3, 0.7, 0.7))
    controller = controller_of(viewer)
    viewer.layers.selection = {layer}
    controller.opener.use_layers()
    viewer.reset_view()
    qtbot.waitUntil(panel.field.isVisible, timeout=3000)
    return controller


def canvas(viewer):
    return main_window(viewer)._qt_viewer.canvas


def on_screen(controller, pixel):
    """Where a pixel of the slice (row, column) is seen: pixels of the canvas from its upper left."""
    lens = camera(controller.viewer)
    size = canvas(controller.viewer).native.size()
    world = np.array(controller.browser.place.world(pixel)[-2:])
    row, column = (world - np.array(lens.center[-2:])) * lens.zoom
    return QPoint(round(size.width() / 2 + column), round(size.height() / 2 + row))


def test_a_click_in_the_window_places_the_field_and_moves_nothing_else(viewer, panel, controller, qtbot):
    before = camera(viewer).center
    panel.field.place.click()
    qtbot.waitUntil(lambda: controller.state.placing.choosing)
    qtbot.mouseClick(canvas(viewer).native, Qt.MouseButton.LeftButton, pos=on_screen(controller, (250, 150)))
    qtbot.waitUntil(lambda: not controller.state.placing.choosing, timeout=3000)
    field = controller.state.placing.field
    assert field.shape == (128, 128)
    zoom = camera(viewer).zoom * 0.7  # screen pixels for one of the slice
    assert abs(field.top + 63.5 - 250) <= 1 + 1 / zoom
    assert abs(field.left + 63.5 - 150) <= 1 + 1 / zoom
    assert camera(viewer).center == before
    qtbot.waitUntil(lambda: controller.layers.find(FIELD) is not None)
    qtbot.waitUntil(lambda: not panel.field.place.isChecked(), timeout=3000)


def test_a_box_is_dragged_in_the_window(viewer, panel, controller, qtbot):
    native, before = canvas(viewer).native, camera(viewer).center
    controller.state.placing.choosing = True
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=on_screen(controller, (60, 40)))
    for pixel in ((100, 80), (180, 120), (260, 200)):
        qtbot.mouseMove(native, on_screen(controller, pixel))
        qtbot.wait(30)
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=on_screen(controller, (260, 200)))
    qtbot.waitUntil(lambda: not controller.state.placing.choosing, timeout=3000)
    field = controller.state.placing.field
    found = (field.top, field.left, field.top + field.height, field.left + field.width)
    assert np.allclose(found, (60, 40, 261, 201), atol=4)
    assert camera(viewer).center == before
    qtbot.waitUntil(lambda: "nothing is resampled" in panel.field.remarks.text())


def test_arrows_move_the_field_and_escape_gives_a_click_up(panel, controller, qtbot):
    before, place = controller.state.placing.field, panel.field.place
    qtbot.keyClick(place, Qt.Key.Key_Down)
    qtbot.keyClick(place, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert controller.state.placing.field == Field(before.top + 8, before.left + 1, 128, 128)
    place.click()
    qtbot.keyClick(place, Qt.Key.Key_Escape)
    assert not controller.state.placing.choosing


def test_the_bar_says_where_the_field_is_and_the_buttons_move_it(panel, controller, qtbot):
    bar = panel.field
    qtbot.waitUntil(lambda: bar.where.text() == "Field: 128 x 128 at 136, 86 of 400 x 300")
    bar.whole.click()
    qtbot.waitUntil(lambda: bar.where.text() == "Field: the whole slice, 400 x 300")
    bar.middle.click()
    qtbot.waitUntil(lambda: bar.where.text().startswith("Field: 128 x 128 at 136"))
    assert bar.middle.text() == "Middle of it"


def test_the_window_of_the_intensities_is_chosen_in_the_bar(panel, controller, qtbot):
    box = panel.field.window
    qtbot.waitUntil(lambda: box.isVisible() and box.count() == 2)
    box.setCurrentIndex(box.findData("slice"))
    box.activated.emit(box.currentIndex())
    assert controller.state.placing.window == "slice"
    assert controller.case.key == "chest[1]"


def test_for_small_slices_there_is_no_bar(viewer, panel, controller, qtbot):
    controller.opener.open_demo()
    qtbot.waitUntil(lambda: not panel.field.isVisible(), timeout=3000)


def test_a_blind_reader_is_told_nothing_of_a_field_about_the_experts(viewer, panel, controller, qtbot):
    labels = viewer.add_labels(np.zeros(SHAPE, int), scale=(3, 0.7, 0.7))
    labels.data[1, 10:40, 10:200] = 1
    viewer.layers.selection = {viewer.layers["chest"], labels}
    controller.opener.use_layers()
    bar = panel.field
    qtbot.waitUntil(lambda: "of expert A: 33 %" in bar.remarks.text(), timeout=3000)
    assert bar.middle.text() == "About the experts"
    controller.reader.toggle()
    qtbot.waitUntil(lambda: not bar.isVisible(), timeout=3000)
    assert not controller.layers.is_visible(FIELD)
