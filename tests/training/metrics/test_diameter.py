"""Diameters: closed forms on rectangles and discs, and a slow reference over all points of the outline."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from training.errors import DataFormatError
from training.metrics.diameter import equivalent_diameters, largest_diameters

masks_of_all_kinds = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(lambda side: hnp.arrays(bool, (1, *side)))


def rectangle(height, width, shape=(12, 12)):
    mask = np.zeros((1, *shape), bool)
    mask[0, 2 : 2 + height, 3 : 3 + width] = True
    return mask


def slow_largest(mask, spacing):
    """All pairs of points half-way to a neighbour, object by object."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    longest = 0.0
    for number in range(1, count + 1):
        points = [
            ((row + up) * spacing[0], (column + left) * spacing[1])
            for row, column in zip(*np.nonzero(labels == number), strict=True)
            for up, left in ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5))
        ]
        longest = max(longest, *(np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in combinations(points, 2)))
    return longest


@given(masks=masks_of_all_kinds, spacing=st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)))
@settings(deadline=None)
def test_the_largest_diameter_is_that_of_all_pairs_of_points(masks, spacing):
    assert largest_diameters(masks, spacing)[0] == pytest.approx(slow_largest(masks[0], spacing))


def test_a_single_pixel_is_one_pixel_across_and_nothing_is_nothing():
    assert largest_diameters(rectangle(1, 1)) == pytest.approx([1])
    assert largest_diameters(rectangle(0, 0)).tolist() == [0]
    assert equivalent_diameters(rectangle(0, 0)).tolist() == [0]


def test_a_line_is_as_long_as_its_pixels_along_each_axis_of_its_own_spacing():
    """A row of five pixels of 0.8 mm, and a column of five of 0.5 mm."""
    assert largest_diameters(rectangle(1, 5), (0.5, 0.8)) == pytest.approx([4.0])
    assert largest_diameters(rectangle(5, 1), (0.5, 0.8)) == pytest.approx([2.5])


def test_of_two_objects_the_longer_one_counts_and_not_the_way_between_them():
    mask = rectangle(1, 3)
    mask[0, 11, 0:2] = True
    assert largest_diameters(mask) == pytest.approx([3])


def test_pixels_that_touch_by_a_corner_are_one_object():
    mask = np.eye(4, dtype=bool)[None]
    assert largest_diameters(mask) == pytest.approx([np.hypot(3, 4)])  # from an upper edge to a right one, say


def test_a_disc_has_nearly_one_diameter_by_either_measure():
    rows, columns = np.indices((101, 101))
    disc = ((rows - 50) ** 2 + (columns - 50) ** 2 <= 40**2)[None]
    assert largest_diameters(disc, (0.5, 0.5)) == pytest.approx([40], rel=0.02)
    assert equivalent_diameters(disc, (0.5, 0.5)) == pytest.approx([40], rel=0.02)


def test_the_equivalent_diameter_is_that_of_a_circle_of_the_same_area():
    assert equivalent_diameters(rectangle(2, 3), (0.5, 2.0)) == pytest.approx([2 * np.sqrt(6 / np.pi)])


@pytest.mark.parametrize("measure", [largest_diameters, equivalent_diameters])
def test_anything_but_masks_is_refused(measure):
    with pytest.raises(DataFormatError, match="masks to measure"):
        measure(np.zeros((4, 4), bool))
