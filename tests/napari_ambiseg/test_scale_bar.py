"""The scale bar: on once, true to the spacing, and never on a lesion."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg._compat import camera, canvas_size, scale_bar
from napari_ambiseg.layers.case import image_layer
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import IMAGE

from .played_engine import draw


@pytest.fixture
def opened(controller):
    controller.opener.open_demo()
    controller.tick()
    return controller


def look_at(controller, row, column):
    """Put a point of the canvas, in shares of its height and width from the upper left, on the lesion."""
    viewer = controller.viewer
    marked = np.argwhere(controller.case.masks.any(axis=0))
    middle = np.array(controller.browser.place.world(tuple((marked.min(0) + marked.max(0)) / 2))[-2:])
    eye, canvas = camera(viewer), np.array(canvas_size(viewer))
    eye.center = (0.0, *(middle - (np.array([row, column]) - 0.5) * canvas / eye.zoom))
    controller.tick()
    return str(scale_bar(viewer).position)


def test_it_is_turned_on_with_the_first_case_and_stays_off_where_the_user_turns_it_off(controller, viewer):
    controller.tick()
    assert not scale_bar(viewer).visible
    controller.opener.open_demo()
    controller.tick()
    assert scale_bar(viewer).visible
    scale_bar(viewer).visible = False
    controller.opener.next_case()
    controller.tick()
    assert not scale_bar(viewer).visible


def test_it_goes_out_of_the_lesion_s_way(opened):
    assert look_at(opened, 0.5, 0.5) == "bottom_right"
    assert look_at(opened, 0.98, 0.97) == "top_right"
    assert look_at(opened, 0.98, 0.03) == "bottom_right"
    camera(opened.viewer).zoom *= 40  # the lesion is broader than the canvas
    assert look_at(opened, 0.98, 0.5) == "top_right"


def test_in_a_blind_read_its_corner_tells_nothing(opened):
    opened.reader.toggle()
    assert look_at(opened, 0.98, 0.97) == "bottom_right"


def units(viewer):
    return [str(unit) for unit in viewer.layers.units]


def test_layers_are_in_millimetres_where_the_spacing_is_known_else_in_pixels(opened, engine, viewer):
    draw(opened, engine)
    assert units(viewer) == ["pixel", "pixel", "millimeter", "millimeter"]
    image, case = opened.layers.find(IMAGE), replace(opened.case, spacing_mm=None)
    for one, unit in ((case, "pixel"), (opened.case, "millimeter")):
        assert opened.layers.show(image_layer(one, opened.browser.origin, Place.of(one))) is image
        assert [str(of) for of in image.units] == [unit] * 2


def test_beside_a_layer_in_pixels_no_bar_calls_millimetres_so(opened, viewer):
    own = viewer.add_points([[1.0, 1.0]])
    assert set(units(viewer)) == {"pixel"}  # None were napari's complaint
    assert not scale_bar(viewer).visible
    opened.comparer.show_experts()
    opened.opener.next_case()
    opened.tick()
    assert set(units(viewer)) == {"pixel"}
    opened.comparer.leave()
    viewer.layers.remove(own)
    assert set(units(viewer)) == {"millimeter"}
    assert scale_bar(viewer).visible
    viewer.add_points([[1.0, 1.0]], units=("mm", "mm"))
    opened.tick()
    assert set(units(viewer)) == {"millimeter"}
    assert scale_bar(viewer).visible
