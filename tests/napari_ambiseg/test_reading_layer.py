"""The layer that one paints in during a blind read."""

import numpy as np

from napari_ambiseg.layers.roles import READING


def test_the_layer_to_paint_in_is_ready_at_once(controller, viewer):
    controller.opener.open_demo()
    controller.reader.toggle()
    layer = controller.layers.find(READING)
    assert viewer.layers[-1] is layer
    assert viewer.layers.selection.active is layer
    assert (layer.mode, layer.selected_label, layer.brush_size) == ("paint", 1, 5)
    assert not np.any(layer.data)


def test_strokes_count_when_napari_tells_of_them_and_all_pixels_at_the_reveal(controller):
    """Every way to paint is told of; in between nothing is compared, which on a large slice would take its time."""
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.tick()
    layer, reading = controller.layers.find(READING), controller.state.reading
    areas = []
    for stroke in (
        lambda: layer.paint((40, 40), 1),
        lambda: layer.fill((0, 0), 1),
        layer.undo,
        layer.redo,
        layer.undo,
        lambda: layer.paint_polygon([[80, 80], [80, 90], [90, 90], [90, 80]], 1),
        lambda: layer.data_setitem((np.array([1, 2]), np.array([1, 2])), 1),
    ):
        stroke()
        controller.tick()
        assert reading.area == layer.data.sum()
        areas.append(reading.area)
    assert len(set(areas)) == 4
    layer.data[100:102, 100:102] = 1  # by a script, of which napari says nothing
    controller.tick()
    assert reading.area == areas[-1]
    controller.reader.toggle()
    assert reading.area == areas[-1] + 4
