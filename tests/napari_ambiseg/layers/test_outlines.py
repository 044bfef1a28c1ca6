"""Outlines between the pixels: as paths, as loose segments, and dashed."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.draw import polygon2mask

from napari_ambiseg.layers.outlines import dashed, outline_segments, outlines

DIRECTIONS = {"a row": (0, 1), "a column": (1, 0), "a diagonal": (1, 1), "the other diagonal": (1, -1)}


def ends(start, end):
    """A segment as the set of its ends, whichever way it runs."""
    return frozenset((tuple(np.round(start, 3)), tuple(np.round(end, 3))))


def of_paths(mask):
    """The segments of find_contours' paths."""
    return {ends(a, b) for path in outlines(mask) for a, b in pairwise(path)}


def of_segments(masks, number):
    segments, owners = outline_segments(masks)
    return {ends(start, start + step) for start, step in segments[owners == number]}


def test_an_outline_runs_half_way_between_the_pixels():
    mask = np.zeros((7, 9), bool)
    mask[2:5, 3:7] = True
    (path,) = outlines(mask)
    assert np.array_equal(path[0], path[-1])
    assert (path.min(axis=0), path.max(axis=0)) == (pytest.approx((1.5, 2.5)), pytest.approx((4.5, 6.5)))


def test_a_mask_at_the_border_has_a_closed_outline_too():
    (path,) = outlines(np.ones((4, 5), bool))
    assert np.array_equal(path[0], path[-1])
    assert path.max(axis=0) == pytest.approx((3.5, 4.5))


def test_an_outline_filled_again_is_the_mask():
    mask = np.random.default_rng(1).random((30, 30)) > 0.4
    filled = np.zeros_like(mask)
    for path in outlines(mask):  # a hole is a path within another: filling twice empties it
        filled ^= polygon2mask(mask.shape, path)
    assert np.array_equal(filled, mask)


def test_an_empty_mask_has_no_outline():
    assert outlines(np.zeros((5, 5), bool)) == []
    segments, owners = outline_segments(np.zeros((3, 5, 5), bool))
    assert (segments.shape, owners.shape) == ((0, 2, 2), (0,))


def test_a_single_pixel_has_four_segments_around_it():
    masks = np.zeros((1, 5, 6), bool)
    masks[0, 2, 3] = True
    top, left, right, bottom = (1.5, 3.0), (2.0, 2.5), (2.0, 3.5), (2.5, 3.0)
    assert of_segments(masks, 0) == {ends(top, left), ends(top, right), ends(left, bottom), ends(right, bottom)}


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.98])
def test_segments_are_those_of_the_paths_for_masks_of_any_density(share):
    masks = np.random.default_rng(7).random((5, 17, 23)) < share
    for number, mask in enumerate(masks):
        assert of_segments(masks, number) == of_paths(mask)


@pytest.mark.parametrize("cells", range(16))
def test_each_of_the_sixteen_neighbourhoods_is_outlined_as_the_path_is(cells):
    mask = np.array([cells >> bit & 1 for bit in range(4)], bool).reshape(1, 2, 2)
    assert of_segments(mask, 0) == of_paths(mask[0])
    inner = np.pad(mask, ((0, 0), (2, 3), (4, 1)))
    assert of_segments(inner, 0) == of_paths(inner[0])


def test_masks_at_every_border_and_masks_without_foreground_between_them():
    masks = np.zeros((6, 9, 8), bool)
    masks[0, 0], masks[2, -1], masks[3, :, 0], masks[5, :, -1] = True, True, True, True
    masks[0, -1, -1] = True
    for number, mask in enumerate(masks):
        assert of_segments(masks, number) == of_paths(mask)
    assert list(np.unique(outline_segments(masks)[1])) == [0, 2, 3, 5]


def test_owners_rise_so_that_the_first_masks_come_first():
    masks = np.random.default_rng(0).random((9, 12, 12)) < 0.4
    owners = outline_segments(masks)[1]
    assert np.all(np.diff(owners) >= 0)
    assert set(owners) == set(range(9))


def test_the_masks_given_are_left_as_they_are():
    masks = np.random.default_rng(0).random((3, 12, 12)) < 0.4
    before = masks.copy()
    masks.flags.writeable = False
    outline_segments(masks)
    assert np.array_equal(masks, before)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_half_of_a_straight_line_is_drawn_whichever_way_it_runs(name):
    places = np.outer(np.arange(64), DIRECTIONS[name]) + 200.5
    segments = np.stack([places, np.broadcast_to(DIRECTIONS[name], places.shape)], axis=1)
    drawn = dashed(segments)
    assert drawn.sum() == 32
    longest = max(len(run) for run in "".join("01"[int(on)] for on in drawn).split("0"))
    assert longest <= 4  # dashes, not a line and a gap


def test_equal_outlines_have_equal_dashes():
    masks = np.zeros((2, 20, 20), bool)
    masks[:, 4:15, 3:12] = True
    segments, owners = outline_segments(masks)
    drawn = dashed(segments)
    assert np.array_equal(drawn[owners == 0], drawn[owners == 1])
    assert 0.4 < drawn.mean() < 0.6
