"""The bare image: hiding all outlines and maps, and bringing back what was on."""

import numpy as np
import pytest

from napari_ambiseg import bare
from napari_ambiseg.layers.maps import VOTES
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, MAP


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(bare, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def shown(controller, viewer):
    """A case with outlines, a map, and a layer of the user's own."""
    controller.opener.open_demo()
    controller.state.display.map = VOTES
    viewer.add_image(np.zeros((4, 4)), name="mine")
    controller.tick()
    return lambda: {layer.name for layer in viewer.layers if layer.visible}


def test_a_tap_hides_everything_of_ours_but_the_image_until_the_next_tap(controller, shown, clock):
    before = shown()
    for hidden in (True, False):
        controller.bare.press()
        clock[0] += 0.1
        controller.bare.release()
        assert controller.state.display.bare is hidden
        assert shown() == ({"image", "mine"} if hidden else before)


def test_holding_ends_with_the_release(controller, shown, clock):
    before = shown()
    controller.bare.press()
    assert shown() == {"image", "mine"}
    clock[0] += 1
    controller.bare.release()
    assert shown() == before


def test_what_was_off_stays_off(controller, shown):
    controller.layers.find(EXPERTS).visible = False
    controller.bare.toggle()
    controller.bare.toggle()
    assert not controller.layers.find(EXPERTS).visible
    assert controller.layers.find(MAP).visible


def test_layers_that_come_while_it_is_bare_wait_too(controller, viewer, shown):
    controller.bare.toggle()
    viewer.layers.remove(controller.layers.find(EXPERTS))
    controller.opener.next_case()
    controller.tick()
    assert shown() == {"image", "mine"}
    controller.bare.toggle()
    assert controller.layers.find(EXPERTS).visible
    assert controller.layers.find(IMAGE).visible


def test_a_layer_deleted_meanwhile_is_no_trouble(controller, viewer, shown):
    controller.bare.toggle()
    viewer.layers.remove(controller.layers.find(MAP))
    controller.bare.toggle()
    assert controller.layers.find(EXPERTS).visible
