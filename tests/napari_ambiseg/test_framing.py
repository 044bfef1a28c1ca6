"""The camera: the whole slice at first, then what the user looks at."""

import numpy as np
import pytest

from napari_ambiseg._compat import camera, canvas_size
from napari_ambiseg.framing import Framing
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import EXPERTS

from .played_engine import draw


@pytest.fixture
def framing(viewer):
    viewer.add_image(np.zeros((100, 50)))
    framing = Framing(LayerBook(viewer))
    framing.show(Place(), (100, 50))
    return framing


def resize(viewer, height, width):
    if hasattr(viewer, "canvas"):
        viewer.canvas.size = (height, width)
    else:
        viewer._canvas_size = (height, width)


def test_a_slice_is_shown_whole_with_a_margin(framing, viewer):
    zoom, (height, width) = camera(viewer).zoom, canvas_size(viewer)
    assert 100 * zoom < height
    assert 50 * zoom < width
    assert max(100 * zoom / height, 50 * zoom / width) > 0.85
    np.testing.assert_allclose(camera(viewer).center[-2:], (49.5, 24.5), atol=0.6)


def test_it_stays_whole_when_the_canvas_changes_until_somebody_moves_the_camera(framing, viewer):
    resize(viewer, 300, 300)
    framing.update()
    assert 100 * camera(viewer).zoom < 300
    camera(viewer).zoom = 20.0
    resize(viewer, 900, 900)
    framing.update()
    assert camera(viewer).zoom == 20.0


def test_a_lesion_that_is_looked_at_closely_fills_some_of_the_canvas(framing, viewer):
    framing.zoom_to((10, 20), (40, 30))
    assert camera(viewer).center[-2:] == (25, 25)
    assert 30 * camera(viewer).zoom == pytest.approx(0.4 * canvas_size(viewer)[0])


def test_a_lesion_of_a_pixel_is_seen_with_its_surroundings(framing, viewer):
    framing.zoom_to((10, 20), (10, 20))
    assert min(canvas_size(viewer)) / camera(viewer).zoom == pytest.approx(24)


def test_the_button_looks_at_what_the_experts_marked_and_back(controller, viewer):
    controller.opener.open_demo()
    whole = camera(viewer).zoom
    controller.look_closely()
    marked = np.argwhere(controller.case.masks.any(axis=0)) * controller.browser.place.scale
    np.testing.assert_allclose(camera(viewer).center[-2:], (marked.min(axis=0) + marked.max(axis=0)) / 2)
    assert camera(viewer).zoom > 2 * whole
    controller.look_closely()
    assert camera(viewer).zoom == whole


def test_a_blind_reading_is_not_led_to_the_lesion(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.reader.toggle()
    before = camera(viewer).zoom, tuple(camera(viewer).center)
    controller.look_closely()
    assert (camera(viewer).zoom, tuple(camera(viewer).center)) == before


def test_outlines_never_get_broader_than_some_pixels_of_the_screen(controller, viewer):
    controller.opener.open_demo()
    controller.tick()
    experts, step = controller.layers.find(EXPERTS), min(controller.browser.place.scale[-2:])
    for closer in (1, 3, 3, 3):
        camera(viewer).zoom *= closer
        controller.tick()
        assert max(experts.edge_width) * step * camera(viewer).zoom < 3 * 2**0.25 + 1e-6
        assert max(experts.edge_width) <= controller.state.display.outline_width


def test_the_slice_after_is_framed_whatever_layer_lay_beside_the_one_before(framing, viewer):
    viewer.add_image(np.zeros((400, 400)))
    framing.show(Place(scale=(0.5, 0.5)), (100, 50))
    assert camera(viewer).center[-2:] == (24.75, 12.25)
    assert 50 * camera(viewer).zoom == pytest.approx(0.92 * canvas_size(viewer)[0])


def test_a_picture_that_somebody_moved_stays_in_its_place_when_sliders_come_below_it(framing, viewer):
    eye = camera(viewer)
    resize(viewer, 500, 400)
    framing.update()
    framing.zoom_to((40, 20), (50, 30))

    def top():
        """The row of the slice at the upper edge of the canvas."""
        return eye.center[-2] - canvas_size(viewer)[0] / 2 / eye.zoom

    before, column = top(), eye.center[-1]
    trajectory = viewer.add_image(np.zeros((3, 5, 100, 50)))
    framing.zoom_to((40, 20), (50, 30))  # napari may have shown everything
    resize(viewer, 456, 400)
    framing.update()
    assert (top(), eye.center[-1]) == (pytest.approx(before), column)
    assert framing.is_close
    trajectory.data = trajectory.data[:1, :1]
    resize(viewer, 500, 400)
    framing.update()
    assert top() == pytest.approx(before)
    resize(viewer, 700, 400)  # by hand: napari's way, about the middle
    framing.update()
    assert top() < before
