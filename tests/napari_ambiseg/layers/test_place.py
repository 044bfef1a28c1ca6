"""Where the pixels of a slice lie in napari's world."""

import numpy as np
import pytest
from napari.layers import Image

from napari_ambiseg.layers.place import Place
from training.data.field import Field

TURNED = np.array([[0.8, -0.6, 5.0], [0.6, 0.8, -3.0], [0, 0, 1]])
IN_VOLUME = np.array([[1, 0, 0, 2.0], [0, 0.8, -0.6, 5.0], [0, 0.6, 0.8, -3.0], [0, 0, 0, 1]])

PLACES = {
    "plain": Place(),
    "anisotropic": Place((0.7, 1.3), (10.0, -20.0)),
    "turned": Place((0.7, 1.3), (10.0, -20.0), TURNED),
    "in a volume": Place((3.0, 0.7, 1.3), (33.0, 10.0, -20.0), axes=(1, 2)),
    "in a turned volume": Place((3.0, 0.7, 1.3), (33.0, 10.0, -20.0), IN_VOLUME, (1, 2)),
    "seen from the side": Place((3.0, 0.7, 1.3), (33.0, 10.0, -20.0), axes=(0, 1)),
    "transposed": Place((0.7, 1.3), (10.0, -20.0), axes=(1, 0)),
    "transposed in a volume": Place((3.0, 0.7, 1.3), (33.0, 10.0, -20.0), axes=(2, 0)),
}
each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@each_place
def test_napari_puts_every_pixel_of_a_lifted_layer_where_the_place_says(place):
    values = np.arange(20.0).reshape(4, 5)
    layer = Image(place.lift(values), **place.options())
    for row, column in np.ndindex(4, 5):
        point = layer.world_to_data(place.world((row, column)))
        assert layer.data[tuple(np.round(point).astype(int))] == values[row, column]
        assert place.pixel(place.world((row, column))) == pytest.approx((row, column))


@each_place
def test_a_field_lies_where_its_pixels_lie_in_the_slice(place):
    field = Field(2, 1, 2, 3)
    inner = place.within(field)
    for row, column in np.ndindex(2, 3):
        assert inner.world((row, column)) == pytest.approx(place.world((row + 2, column + 1)))


@each_place
def test_what_is_lifted_comes_back_and_shares_its_memory(place):
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    lifted = place.lift(values)
    assert lifted.ndim == 2 + place.ndim
    assert np.array_equal(place.flat(lifted), values)
    assert np.shares_memory(lifted, values)


@each_place
def test_lifted_points_lie_at_the_pixels_of_lifted_values(place):
    values = np.zeros((4, 5))
    values[3, 1] = 1
    (at,) = np.argwhere(place.lift(values))
    assert np.array_equal(place.lift_points(np.array([3.0, 1.0])), at)


@each_place
def test_axes_in_front_are_left_alone(place):
    options = place.options(leading=2)
    layer = Image(np.zeros((6, 7, *place.lift(np.zeros((4, 5))).shape)), **options)
    world = layer.data_to_world((3, 2, *place.lift_points(np.array([1.0, 2.0]))))
    assert tuple(world[:2]) == (3, 2)
    assert tuple(world[2:]) == pytest.approx(place.world((1, 2)))


def test_of_a_longer_position_the_last_coordinates_count():
    assert PLACES["anisotropic"].pixel((9, 9, 10.7, -17.4)) == pytest.approx((1, 2))


def test_a_plane_holds_half_a_voxel_to_both_sides():
    place = PLACES["in a volume"]
    assert place.holds((33.0, 0, 0))
    assert place.holds((34.4, 0, 0))
    assert not place.holds((34.6, 0, 0))
    assert not place.holds((5, 5, 31.4, 0, 0))
    assert PLACES["plain"].holds((77.0, 0, 0))


def test_units_come_with_the_axes_they_are_of():
    place = Place((3.0, 1.0, 1.0), (0.0,) * 3, axes=(1, 2), units=("mm", "mm", "mm"))
    assert place.options(leading=2)["units"] == ("pixel", "pixel", "mm", "mm", "mm")
    assert "units" not in Place().options()
