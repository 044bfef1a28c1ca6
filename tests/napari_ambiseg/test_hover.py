"""What is said of the pixel under the mouse: exact counts, at the right place, beside napari's own status."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.hover import Hover
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.place import Place
from napari_ambiseg.results import Samples
from napari_ambiseg.state import ViewerState
from training.records import AnnotatedSlice

from .played_engine import STEPS, draw


def case(masks):
    return AnnotatedSlice(np.zeros(masks.shape[1:], np.float32), masks, "patient", "key")


@pytest.fixture
def masks():
    """Four experts on 6 x 8 pixels: at (2, 3) A and C; at (5, 7) all of them."""
    masks = np.zeros((4, 6, 8), bool)
    masks[[0, 2], 2, 3] = True
    masks[:, 5, 7] = True
    return masks


@pytest.fixture
def hover(viewer, masks):
    viewer.add_image(np.zeros((6, 8)))
    state = ViewerState()
    browser, results = SimpleNamespace(case=case(masks), place=Place()), SimpleNamespace(samples=None)
    return Hover(state, LayerBook(viewer), browser, results)


def at(hover, *position):
    """Move the mouse there, and let the timer tick."""
    viewer = hover._layers.viewer
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, SimpleNamespace(position=position))
    hover.update()
    return hover._state.disagreement.hover


def test_the_experts_who_mark_the_pixel_are_counted_and_named(hover):
    assert at(hover, 2, 3) == "2 of 4 experts (A, C)"
    assert at(hover, 5, 7) == "4 of 4 experts (A, B, C, D)"
    assert at(hover, 0, 0) == "0 of 4 experts"


@pytest.mark.parametrize(
    ("position", "inside"),
    [((1.51, 2.51), True), ((2.49, 3.49), True), ((1.49, 3), False), ((2, 3.51), False)],
)
def test_a_pixel_reaches_half_way_to_its_neighbours(hover, position, inside):
    assert at(hover, *position) == ("2 of 4 experts (A, C)" if inside else "0 of 4 experts")


@pytest.mark.parametrize("position", [(-0.51, 0), (0, -0.51), (5.51, 0), (0, 7.51), (1e6, 3)])
def test_beyond_the_slice_nothing_is_said(hover, position):
    assert at(hover, *position) == ""


def test_the_samples_come_first_and_are_looked_up_where_their_field_lies(hover, masks):
    drawn = np.zeros((16, 3, 3), bool)
    drawn[:9, 1, 1] = True
    hover._results.samples = Samples(drawn, case(masks[:, 1:4, 2:5]), Place(translate=(1.0, 2.0)), {})
    assert at(hover, 2, 3) == "9 of 16 samples, 2 of 4 experts (A, C)"
    assert at(hover, 5, 7) == "4 of 4 experts (A, B, C, D)"  # the model never saw this one


def test_anisotropic_and_rotated_slices_are_looked_up_in_the_world(hover):
    turned = np.array([[0.0, -1.0, 10.0], [1.0, 0.0, 20.0], [0.0, 0.0, 1.0]])
    hover._browser.place = Place(scale=(2.0, 0.5), translate=(1.0, -3.0), affine=turned)
    position = turned @ [1 + 2.0 * 2, -3 + 0.5 * 3, 1]
    assert at(hover, *position[:2]) == "2 of 4 experts (A, C)"


def test_leading_axes_of_a_volume_or_a_trajectory_are_left_out(hover):
    hover._layers.viewer.add_image(np.zeros((3, 5, 6, 8)))
    assert at(hover, 1, 4, 2, 3) == "2 of 4 experts (A, C)"


def test_a_slice_of_a_volume_is_told_of_at_its_own_depth_alone(hover):
    """Rows along the second axis, columns along the first, 4 mm deep along the last, at depth 2."""
    viewer = hover._layers.viewer
    viewer.add_image(np.zeros((8, 6, 5)), scale=(0.5, 2.0, 4.0))
    hover._browser.place = Place(scale=(0.5, 2.0, 4.0), translate=(0.0, 0.0, 8.0), axes=(1, 0))
    viewer.dims.order = (2, 0, 1)
    assert at(hover, 3 * 0.5, 2 * 2.0, 2 * 4.0) == "2 of 4 experts (A, C)"
    assert at(hover, 3 * 0.5, 2 * 2.0, 3 * 4.0) == ""
    viewer.dims.order = (0, 1, 2)
    assert at(hover, 3 * 0.5, 2 * 2.0, 2 * 4.0) == ""


def test_nothing_is_said_of_a_slice_seen_from_the_side_or_in_3d(hover):
    viewer = hover._layers.viewer
    viewer.add_image(np.zeros((5, 6, 8)))
    viewer.dims.order = (1, 0, 2)
    assert at(hover, 2, 2, 3) == ""
    viewer.dims.order = (0, 1, 2)
    assert at(hover, 2, 2, 3) != ""
    viewer.dims.ndisplay = 3
    assert at(hover, 2, 2, 3) == ""


def test_a_blind_read_tells_nothing(hover):
    assert at(hover, 2, 3)
    hover._state.reading.blind = True
    hover.update()
    assert hover._state.disagreement.hover == ""
    assert "experts" not in str(hover._layers.viewer.status)


def test_a_long_list_of_letters_is_cut_short(hover):
    hover._browser.case = case(np.ones((30, 6, 8), bool))
    assert at(hover, 2, 3) == "30 of 30 experts (A, B, C, D, E, F, G, H, ...)"


def test_a_slice_that_nobody_annotated_tells_of_the_samples_alone(hover, masks):
    hover._browser.case = SimpleNamespace(masks=masks[:0])
    hover._results.samples = Samples(masks, hover._browser.case, Place(), {})
    assert at(hover, 2, 3) == "2 of 4 samples"


def test_the_text_stands_behind_napari_s_own_status_and_leaves_with_the_mouse(hover):
    viewer = hover._layers.viewer
    viewer.status = "Ready"
    at(hover, 2, 3)
    assert viewer.status == "Ready   2 of 4 experts (A, C)"
    viewer.status = {"layer_base": "image", "coordinates": " [2 3]: 0"}
    assert viewer.status == {"layer_base": "image", "coordinates": " [2 3]: 0   2 of 4 experts (A, C)"}
    at(hover, 5, 7)
    assert viewer.status["coordinates"] == " [2 3]: 0   4 of 4 experts (A, B, C, D)"
    viewer.mouse_over_canvas = True
    viewer.mouse_over_canvas = False
    hover.update()
    assert viewer.status == {"layer_base": "image", "coordinates": " [2 3]: 0"}
    assert hover._state.disagreement.hover == ""


def test_a_closed_hover_follows_no_mouse(hover):
    viewer = hover._layers.viewer
    hover.close()
    assert not viewer.mouse_move_callbacks
    viewer.status = "mine"
    assert viewer.status == "mine"


def test_a_closed_controller_follows_no_mouse(controller):
    assert controller.viewer.mouse_move_callbacks
    controller.close()
    assert not controller.viewer.mouse_move_callbacks


def test_the_controller_looks_at_the_newest_samples(controller, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    for _ in range(STEPS + 3):
        controller.tick()
    for callback in controller.viewer.mouse_move_callbacks:
        callback(
            controller.viewer, SimpleNamespace(position=(0, 0, *np.multiply((11, 11), controller.case.spacing_mm)))
        )
    controller.tick()
    n_samples = int(engine.masks()[:, 11, 11].sum())
    assert controller.state.disagreement.hover.startswith(f"{n_samples} of 6 samples, ")


def test_a_viewer_that_is_gone_takes_its_hover_with_it():
    viewer = ViewerModel()
    parts = SimpleNamespace(case=None, place=Place()), SimpleNamespace(samples=None)
    hover = weakref.ref(Hover(ViewerState(), LayerBook(viewer), *parts))
    assert hover() is not None  # the viewer's callbacks keep it
    del viewer
    gc.collect()
    assert hover() is None
