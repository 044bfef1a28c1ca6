"""Side by side: the bare images, no maps, the same part of the slice in each cell, and drawn once."""

import numpy as np
import pytest

from napari_ambiseg import comparing
from napari_ambiseg._compat import camera, canvas_size, grid_of
from napari_ambiseg.layers.cells import is_cell
from napari_ambiseg.layers.maps import EXPERT_VARIANCE, NO_MAP, VOTES
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, MAP, READING, SAMPLES

from .played_engine import draw


@pytest.fixture
def two_runs(controller, engine):
    """The demo's case 9 with A (6 samples) pinned and B (another seed) drawn after it."""
    controller.opener.open_demo()
    controller.opener.open_case(8)
    draw(controller, engine)
    controller.comparer.pin()
    controller.state.sampling.seed = 1
    draw(controller, engine)
    return controller.comparer


def seen(viewer):
    return [type(layer).__name__ for layer in viewer.layers if layer.visible]


BESIDE = ["Image", "Shapes", "Vectors"] * 2


# -- the bare image ----------------------------------------------------------------------------------------------------


def test_only_the_images_remain_of_the_cells_when_the_image_is_bare(controller, viewer, two_runs):
    two_runs.show_runs()
    assert seen(viewer) == BESIDE
    controller.bare.toggle()
    assert seen(viewer) == ["Image"] * 2
    controller.tick()
    assert seen(viewer) == ["Image"] * 2
    controller.bare.toggle()
    assert seen(viewer) == BESIDE
    assert all(is_cell(layer) for layer in viewer.layers if layer.visible)


def test_a_peek_at_the_images_ends_with_the_release(controller, viewer, two_runs, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("napari_ambiseg.bare.monotonic", lambda: now[0])
    two_runs.show_runs()
    controller.bare.press()
    assert seen(viewer) == ["Image"] * 2
    now[0] += 1
    controller.bare.release()
    assert seen(viewer) == BESIDE


def test_cells_that_come_while_the_image_is_bare_come_bare(controller, viewer, two_runs):
    controller.bare.toggle()
    two_runs.show_runs()
    assert seen(viewer) == ["Image"] * 2
    two_runs.show_experts()
    controller.opener.next_case()
    controller.tick()
    assert seen(viewer) == ["Image"] * 4
    controller.bare.toggle()
    assert seen(viewer) == ["Image", "Shapes"] * 4


@pytest.mark.parametrize("ends_first", ["bare", "beside"])
def test_the_outlines_are_back_when_both_have_ended(controller, viewer, two_runs, ends_first):
    controller.layers.find(EXPERTS).visible = False
    before = [layer.name for layer in viewer.layers if layer.visible]
    controller.bare.toggle()
    two_runs.show_runs()
    steps = [controller.bare.toggle, two_runs.leave]
    for step in steps if ends_first == "bare" else reversed(steps):
        step()
        if ends_first == "beside" and controller.state.display.bare:
            assert [layer.name for layer in viewer.layers if layer.visible] == [controller.layers.find(IMAGE).name]
        controller.tick()
    assert [layer.name for layer in viewer.layers if layer.visible] == before


# -- maps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hides", ["show_runs", "show_experts", "bare"])
def test_a_map_that_is_turned_off_meanwhile_leaves_nothing_behind(controller, two_runs, hides):
    controller.state.display.map = VOTES
    controller.tick()
    controller.bare.toggle() if hides == "bare" else getattr(two_runs, hides)()
    controller.state.display.map = NO_MAP
    controller.tick()
    controller.bare.toggle() if hides == "bare" else two_runs.leave()
    controller.tick()
    assert not controller.layers.is_visible(MAP)
    assert controller.layers.is_visible(SAMPLES)


def test_the_verbs_of_the_maps_say_that_there_is_no_place_for_one(controller, two_runs, told):
    controller.state.display.map = EXPERT_VARIANCE
    controller.tick()
    two_runs.show_experts()
    controller.overlays.show_variance()
    controller.overlays.toggle(VOTES)
    controller.overlays.show_pair(("A", "C"))
    assert told() == ["side by side there is no map: go back to one picture first, in Compare"] * 3
    assert controller.state.display.map == EXPERT_VARIANCE
    two_runs.leave()
    assert controller.layers.is_visible(MAP)
    controller.overlays.show_variance()
    controller.tick()
    assert not controller.layers.is_visible(MAP)


def test_a_map_that_the_case_after_does_not_have_stays_away(controller, viewer, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.overlays.show_variance()
    controller.tick()
    assert controller.layers.is_visible(MAP)
    controller.comparer.show_experts()
    controller.opener.next_case()  # without samples
    controller.tick()
    controller.comparer.leave()
    assert not controller.layers.is_visible(MAP)


def test_a_blind_read_out_of_side_by_side_gives_all_outlines_back_at_its_end(controller, two_runs):
    two_runs.show_runs()
    controller.reader.toggle()
    controller.tick()
    assert not controller.layers.is_visible(EXPERTS)
    controller.reader.toggle()
    controller.tick()
    assert controller.layers.is_visible(EXPERTS)
    assert controller.layers.is_visible(SAMPLES)


def test_a_blind_read_of_the_bare_image_gives_all_outlines_back_at_its_end(controller):
    controller.opener.open_demo()
    controller.tick()
    controller.bare.toggle()
    controller.reader.toggle()
    controller.bare.toggle()
    assert not controller.layers.is_visible(EXPERTS)
    controller.reader.toggle()
    controller.tick()
    assert controller.layers.is_visible(EXPERTS)


def test_what_was_painted_is_off_after_a_reveal_in_the_bare_image(controller):
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.layers.find(READING).data = np.ones_like(controller.layers.find(READING).data)
    controller.bare.toggle()
    controller.reader.toggle()
    controller.bare.toggle()
    controller.tick()
    assert not controller.layers.is_visible(READING)
    assert controller.layers.is_visible(EXPERTS)


# -- the camera --------------------------------------------------------------------------------------------------------


def cell(viewer):
    """Height and width of one in pixels of the screen, with four pixels between two of them."""
    return tuple(
        (side - 4 * (count - 1)) / count for side, count in zip(canvas_size(viewer), grid_of(viewer).shape, strict=True)
    )


@pytest.mark.parametrize("what", ["show_runs", "show_experts"])
def test_each_cell_shows_the_same_part_of_the_slice(controller, viewer, two_runs, what):
    eye = camera(viewer)
    controller.look_closely()
    center, field = eye.center, min(canvas_size(viewer)) / eye.zoom
    getattr(two_runs, what)()
    assert eye.center == center
    assert min(cell(viewer)) / eye.zoom == pytest.approx(field)
    assert controller.browser.framing.is_close
    controller.look_closely()
    whole = min(cell(viewer)) / eye.zoom
    shape = np.multiply(controller.case.image.shape, controller.browser.place.scale)
    assert whole == pytest.approx(max(shape) / 0.92)


def test_one_picture_shows_what_the_cells_were_moved_to(controller, viewer, two_runs):
    eye = camera(viewer)
    controller.look_closely()
    two_runs.show_runs()
    eye.center, eye.zoom = (0.0, 12.0, 34.0), 2 * eye.zoom
    field = min(cell(viewer)) / eye.zoom
    two_runs.show_experts()
    assert min(cell(viewer)) / eye.zoom == pytest.approx(field)
    two_runs.leave()
    assert eye.center == (0.0, 12.0, 34.0)
    assert min(canvas_size(viewer)) / eye.zoom == pytest.approx(field)


def test_a_slice_that_is_seen_whole_is_seen_whole_in_each_cell_and_again_afterwards(controller, viewer, two_runs):
    eye, framing = camera(viewer), controller.browser.framing
    before = eye.center, eye.zoom
    two_runs.show_experts()
    shape = np.multiply(controller.case.image.shape, controller.browser.place.scale)
    assert max(shape * eye.zoom / cell(viewer)) == pytest.approx(0.92)
    controller.opener.next_case()
    controller.tick()
    controller.opener.next_case(-1)
    two_runs.leave()
    assert (eye.center, eye.zoom) == before
    framing.show_all()
    assert (eye.center, eye.zoom) == before


# -- how often it is drawn ---------------------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch):
    """The sizes of a screen's pixel for which pictures of runs were drawn."""
    sizes, make = [], comparing.run_picture

    def run_picture(*args):
        sizes.append(args[-1])
        return make(*args)

    monkeypatch.setattr(comparing, "run_picture", run_picture)
    return sizes


@pytest.mark.parametrize("close", [False, True])
def test_two_runs_are_drawn_once_for_the_zoom_that_they_get(controller, viewer, two_runs, drawn, close):
    if close:
        controller.look_closely()
    two_runs.show_runs()
    for _ in range(3):
        controller.tick()
    assert drawn == [controller.browser.framing.rounded_screen_pixel] * 2
    two_runs.show_experts()
    two_runs.show_runs()
    controller.tick()
    assert drawn == [controller.browser.framing.rounded_screen_pixel] * 4
    camera(viewer).zoom *= 2
    controller.tick()
    assert drawn[4:] == [controller.browser.framing.rounded_screen_pixel] * 2


def test_the_outlines_below_are_not_drawn_anew_for_the_zoom_of_the_cells(controller, viewer, two_runs, monkeypatch):
    controller.tick()
    happened = []
    monkeypatch.setattr(
        "napari_ambiseg.overlays.experts_layer", lambda *args: happened.append(args)
    )  # which would fail in the layer
    two_runs.show_runs()
    controller.tick()
    two_runs.leave()
    controller.tick()
    assert happened == []
