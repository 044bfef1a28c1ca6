"""A mask is what lies inside the outline: its own pixels are the first ones outside."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes

from training.data.forms._contours import Outline, encloses_nothing, inside_image, nodule_mask

SHAPE = (24, 30)


def outline(*points, inclusion=True):
    return Outline(np.array(points, np.int32), inclusion)


def traced(region):
    """The pixels around a region that touch it, in order, by walking along its edge (Moore's neighbours)."""
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    start = tuple(np.argwhere(region)[0])  # topmost, then leftmost
    points, here, came_from = [], start, 0
    while True:
        for turn in range(8):
            step = ring[(came_from + turn) % 8]
            there = (here[0] + step[0], here[1] + step[1])
            if region[there]:
                break
        points.append(here)
        here, came_from = there, (ring.index(step) + 6) % 8
        if here == start and len(points) > 1:
            return points


def blob(seed):
    """A connected region without holes, away from the border, no pixel thinner than 3."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    region = np.zeros(SHAPE, bool)
    for _ in range(3):
        top, left = 11 + rng.integers(-4, 4), 14 + rng.integers(-6, 6)
        region |= ((row - top) / rng.integers(3, 7)) ** 2 + ((column - left) / rng.integers(3, 8)) ** 2 <= 1
    region |= (abs(row - 11) <= 4) & (abs(column - 14) <= 6)
    return binary_fill_holes(region)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_a_mask_is_the_filled_outline_without_the_outline(seed):
    """The reference draws the outline, fills its holes, and takes the outline away again."""
    points = traced(blob(seed))
    drawn = np.zeros(SHAPE, bool)
    drawn[tuple(np.transpose(points))] = True
    expected = binary_fill_holes(drawn) & ~drawn
    np.testing.assert_array_equal(nodule_mask([outline(*points)], SHAPE), expected)


def test_the_smallest_outlines_have_exact_masks():
    diamond = outline((4, 5), (5, 6), (6, 5), (5, 4))
    assert np.argwhere(nodule_mask([diamond], SHAPE)).tolist() == [[5, 5]]
    square = outline((2, 2), (2, 3), (2, 4), (3, 4), (4, 4), (4, 3), (4, 2), (3, 2))
    assert np.argwhere(nodule_mask([square], SHAPE)).tolist() == [[3, 3]]


def test_rows_come_first_and_nothing_is_mirrored():
    """An L whose long arm goes down and whose short arm goes right."""
    corners = [(2, 3), (20, 3), (20, 12), (14, 12), (14, 8), (2, 8), (2, 3)]
    points = []
    for (r0, c0), (r1, c1) in pairwise(corners):
        n = max(abs(r1 - r0), abs(c1 - c0))
        points += [(r0 + (r1 - r0) * i // n, c0 + (c1 - c0) * i // n) for i in range(n)]
    expected = np.zeros(SHAPE, bool)
    expected[3:20, 4:8] = True
    expected[15:20, 8:12] = True
    np.testing.assert_array_equal(nodule_mask([outline(*points)], SHAPE), expected)


def box(top, left, bottom, right, *, inclusion=True):
    """The outline of a rectangle, corners included."""
    points = [(top, c) for c in range(left, right)] + [(r, right) for r in range(top, bottom)]
    points += [(bottom, c) for c in range(right, left, -1)] + [(r, left) for r in range(bottom, top, -1)]
    return outline(*points, inclusion=inclusion)


def test_an_exclusion_takes_away_its_inside_and_its_edge_wherever_it_stands_in_the_list():
    whole, hole = box(2, 2, 12, 14), box(5, 6, 8, 10, inclusion=False)
    expected = np.zeros(SHAPE, bool)
    expected[3:12, 3:14] = True
    expected[5:9, 6:11] = False
    np.testing.assert_array_equal(nodule_mask([whole, hole], SHAPE), expected)
    np.testing.assert_array_equal(nodule_mask([hole, whole], SHAPE), expected)


def test_inclusions_are_joined_and_one_does_not_cut_the_other():
    expected = np.zeros(SHAPE, bool)
    expected[3:12, 3:14] = True
    expected[8:20, 10:25] = True
    np.testing.assert_array_equal(nodule_mask([box(2, 2, 12, 14), box(7, 9, 20, 25)], SHAPE), expected)


@pytest.mark.parametrize("points", [[(3, 3)], [(3, 3), (3, 4)], [(3, 3), (4, 3), (4, 4)], [(5, 2), (5, 3), (5, 4)]])
def test_an_outline_of_a_few_points_encloses_nothing(points):
    assert encloses_nothing(outline(*points))
    assert not nodule_mask([outline(*points)], SHAPE).any()
    assert not encloses_nothing(box(2, 2, 4, 4))


def test_no_outlines_are_an_empty_mask():
    assert nodule_mask([], SHAPE).shape == SHAPE
    assert not nodule_mask([], SHAPE).any()


def test_an_outline_may_touch_the_border_of_the_image():
    rows, columns = SHAPE
    whole = box(0, 0, rows - 1, columns - 1)
    assert inside_image(whole, SHAPE)
    assert nodule_mask([whole], SHAPE).sum() == (rows - 2) * (columns - 2)
    for point in [(rows, 0), (0, columns), (-1, 0), (0, -1)]:
        assert not inside_image(outline((1, 1), point), SHAPE)
