"""What a mask encloses, and that it is filled only when the user says so."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from napari_ambiseg.enclosed import Enclosed
from napari_ambiseg.layers.roles import READING
from training.metrics import iou

from .own_volume import SHAPE, use


def ring(shape, centre, outer, inner):
    rows, columns = np.indices(shape)
    radius = np.hypot(rows - centre[0], columns - centre[1])
    return (radius <= outer) & (radius > inner)


def mask_of(*rows):
    return np.array([[letter == "#" for letter in row] for row in rows])


@pytest.mark.parametrize(
    ("mask", "count"),
    [
        (mask_of(".....", ".###.", ".#.#.", ".###.", "....."), 1),
        (mask_of(".....", ".###.", ".#...", ".###.", "....."), 0),  # open
        (mask_of("..#..", ".#.#.", "..#..", ".....", "....."), 1),  # closed by corners
        (mask_of("###", "#.#", "#.#"), 0),  # open at the border of the slice
        (mask_of("###", "#.#", "###"), 1),
        (np.zeros((4, 5), bool), 0),
        (np.ones((4, 5), bool), 0),
    ],
)
def test_enclosed_is_what_has_no_way_out(mask, count):
    enclosed = Enclosed().of(mask)
    np.testing.assert_array_equal(enclosed, binary_fill_holes(mask) & ~mask)
    assert enclosed.sum() == count


def test_each_mask_is_looked_at_anew():
    enclosed, random = Enclosed(), np.random.default_rng(0)
    for _ in range(20):
        mask = random.random((30, 20)) < 0.6
        for _ in range(2):
            np.testing.assert_array_equal(enclosed.of(mask), binary_fill_holes(mask) & ~mask)


@pytest.fixture
def ringed(controller):
    """A blind read of a case, of which the user drew the edge only."""
    controller.opener.open_demo()
    controller.reader.toggle()
    layer = controller.layers.find(READING)
    layer.data_setitem(np.nonzero(ring(layer.data.shape, (64, 60), 12, 9)), 1)
    controller.tick()
    return controller


def test_a_ring_is_told_while_blind_and_after_the_reveal_and_stays_one(ringed):
    reading, drawn = ringed.state.reading, ring((128, 128), (64, 60), 12, 9)
    inside = ring((128, 128), (64, 60), 9, -1)
    assert (reading.area, reading.unfilled) == (drawn.sum(), inside.sum())
    ringed.reader.toggle()
    assert (reading.area, reading.unfilled) == (drawn.sum(), inside.sum())
    assert reading.distances[0].distance == pytest.approx(1 - iou(drawn, ringed.case.masks[0]))
    ringed.reader.fill()
    assert reading.unfilled == inside.sum()  # what is revealed is not changed
    ringed.opener.next_case()
    assert reading.unfilled == 0
    ringed.opener.next_case(-1)
    assert reading.unfilled == inside.sum()


def test_filling_is_one_stroke_that_can_be_undone(ringed):
    reading, layer = ringed.state.reading, ringed.layers.find(READING)
    disc, inside = (ring((128, 128), (64, 60), outer, -1) for outer in (12, 9))
    ringed.reader.fill()
    np.testing.assert_array_equal(layer.data == 1, disc)
    assert (reading.area, reading.unfilled) == (disc.sum(), 0)
    ringed.reader.fill()  # nothing is left to fill
    layer.undo()
    ringed.tick()
    assert (reading.area, reading.unfilled) == (disc.sum() - inside.sum(), inside.sum())
    layer.redo()
    ringed.reader.toggle()
    np.testing.assert_array_equal(ringed.casebook.of(ringed.browser.origin, ringed.browser.key).mask, disc)


def test_without_a_blind_read_there_is_nothing_to_fill(controller, told):
    controller.reader.fill()
    controller.opener.open_demo()
    controller.reader.fill()
    assert controller.layers.find(READING) is None
    assert told() == []


def test_the_inside_is_filled_on_the_slice_of_a_volume_that_is_read(controller, volume):
    use(controller, volume)
    controller.reader.toggle()
    layer, drawn = controller.layers.find(READING), ring(SHAPE[1:], (30, 20), 9, 6)
    assert layer.data.shape == (1, *SHAPE[1:])
    layer.data_setitem((np.zeros(drawn.sum(), int), *np.nonzero(drawn)), 1)
    controller.tick()
    controller.reader.fill()
    np.testing.assert_array_equal(layer.data[0] == 1, ring(SHAPE[1:], (30, 20), 9, -1))
