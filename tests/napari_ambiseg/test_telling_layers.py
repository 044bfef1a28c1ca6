"""In a blind read, layers of the user's own tell nothing of experts and model, and come back with the reveal."""

import numpy as np
import pytest

from napari_ambiseg.counts import COUNTS

from .own_volume import SPACED, drawn, use
from .played_engine import draw


@pytest.fixture
def experts(viewer, volume):
    """What two experts drew: one in labels, one in shapes."""
    labels = np.zeros(volume.data.shape, np.uint8)
    labels[2, 20:30, 20:30] = 1
    square = [[2, 10, 10], [2, 10, 20], [2, 20, 20], [2, 20, 10]]
    return viewer.add_labels(labels, name="A", **SPACED), viewer.add_shapes([square], name="B", **SPACED)


def on(layers):
    return [layer.visible for layer in layers]


def test_layers_that_the_experts_drew_in_are_hidden_until_the_reveal(controller, viewer, volume, experts):
    mine = viewer.add_points([[2, 5, 5]])
    use(controller, volume, *experts)
    controller.reader.toggle()
    assert on((volume, *experts, mine)) == [True, False, False, True]
    experts[0].visible = True
    controller.tick()
    assert on(experts) == [False, False]
    controller.reader.toggle()
    assert on(experts) == [True, True]
    assert experts[0].data.sum() == 100  # nothing was changed in them


def test_one_that_the_user_had_off_stays_off(controller, volume, experts):
    use(controller, volume, *experts)
    experts[1].visible = False
    controller.reader.toggle()
    controller.reader.toggle()
    assert on(experts) == [True, False]


def test_they_stay_hidden_on_the_next_slices_and_by_another_window(controller, viewer, volume, experts):
    use(controller, volume, *experts)
    controller.state.reading.keep = True
    for move in (controller.opener.next_case, lambda: controller.own.choose_window("slice")):
        move()
        controller.tick()
        assert controller.state.reading.blind
        assert on(experts) == [False, False]
    controller.reader.toggle()
    assert on(experts) == [True, True]


def test_masks_that_were_put_back_are_hidden_too(controller, engine, viewer, volume, experts):
    use(controller, volume, *experts)
    drawn(controller, engine)
    controller.put_masks_back()
    counts = viewer.layers[-1]
    assert np.any(counts.data)
    controller.reader.toggle()
    assert not counts.visible
    controller.reader.toggle()
    assert counts.visible


def test_layers_that_are_gone_or_of_other_data_are_nobodys_business(controller, viewer, volume, experts):
    use(controller, volume, *experts)
    controller.reader.toggle()
    viewer.layers.remove(experts[0])
    controller.opener.open_demo()
    controller.tick()
    assert experts[1].visible
    controller.reader.toggle()
    controller.tick()
    assert experts[1].visible  # it says nothing of the demo cases
    controller.reader.toggle()


def test_the_small_picture_of_masks_that_were_put_back_tells_nothing_in_a_blind_read(controller, engine):
    controller.opener.open_demo()
    controller.tick()
    draw(controller, engine)
    controller.put_masks_back()
    controller.tick()
    (layer,) = (layer for layer in controller.viewer.layers if COUNTS in layer.metadata)
    layer.refresh()
    before = layer.thumbnail.copy()
    assert before[..., :3].any()
    controller.reader.toggle()
    controller.tick()
    assert not layer.visible
    assert not layer.thumbnail[..., :3].any()
    controller.reader.toggle()
    controller.tick()
    np.testing.assert_array_equal(layer.thumbnail, before)
