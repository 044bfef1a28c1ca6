"""Post-processing: Eqs. 9-10 to the letter at their edges, and the rest against scikit-image and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import measure

from training.errors import ConfigError, DataFormatError
from training.postprocess import fill_holes, relative_area, remove_small_objects, survivors, threshold

stacks = hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)))


def with_areas(*areas, side=10):
    """One mask per area, its first so many pixels set."""
    masks = np.zeros((len(areas), side * side), bool)
    for mask, area in zip(masks, areas, strict=True):
        mask[:area] = True
    return masks.reshape(-1, side, side)


def areas(masks):
    return masks.sum(axis=(1, 2)).tolist()


def test_a_mask_of_exactly_the_relative_area_survives_and_one_pixel_less_does_not():
    assert areas(relative_area(with_areas(40, 20, 19, 0), 0.5)) == [40, 20, 0, 0]


@pytest.mark.parametrize(("r", "largest", "area"), [(0.07, 100, 7), (0.1, 30, 3), (0.29, 100, 29), (0.55, 20, 11)])
def test_the_edge_is_exact_where_the_floating_point_product_is_not(r, largest, area):
    assert areas(relative_area(with_areas(largest, area, area - 1), r)) == [largest, area, 0]


def test_surviving_masks_keep_their_pixels_and_the_input_stays_as_it_is():
    masks = with_areas(40, 30, 10)
    before = masks.copy()
    kept = relative_area(masks, 0.5)
    np.testing.assert_array_equal(kept, [masks[0], masks[1], np.zeros((10, 10), bool)])
    np.testing.assert_array_equal(masks, before)


def test_r_of_zero_changes_nothing_and_r_of_one_keeps_the_largest_only():
    masks = with_areas(12, 1, 0, 12, 11)
    np.testing.assert_array_equal(relative_area(masks, 0), masks)
    assert areas(relative_area(masks, 1)) == [12, 0, 0, 12, 0]


def test_a_set_of_empty_masks_stays_empty():
    assert not relative_area(np.zeros((3, 4, 4), bool), 0.5).any()


@settings(max_examples=60, deadline=None)
@given(stacks, st.floats(0, 1))
def test_relative_area_keeps_the_largest_mask_and_doing_it_twice_changes_nothing(masks, r):
    kept = relative_area(masks, r)
    assert max(areas(kept)) == max(areas(masks))
    np.testing.assert_array_equal(relative_area(kept, r), kept)


@pytest.mark.parametrize("r", [-0.1, 1.1, float("nan")])
def test_an_impossible_relative_area_is_named(r):
    with pytest.raises(ConfigError, match=str(r)):
        relative_area(with_areas(1), r)


@settings(max_examples=60, deadline=None)
@given(stacks, st.floats(0, 1))
def test_survivors_are_the_masks_that_relative_area_leaves_as_they_are(masks, r):
    kept = survivors(masks.sum(axis=(1, 2)), r)
    np.testing.assert_array_equal(masks & kept[:, None, None], relative_area(masks, r))


def test_survivors_of_exact_areas():
    assert survivors(np.array([40, 20, 19, 0]), 0.5).tolist() == [True, True, False, False]
    assert survivors(np.array([0, 0]), 0.5).tolist() == [False, False]  # empty before and after
    assert survivors(np.array([7, 100, 0]), 0).tolist() == [True, True, True]


@pytest.mark.parametrize(
    "areas", [np.array([]), np.array([1.0]), np.array([[1]]), np.array([-1, 2]), [1, 2], np.array([True])]
)
def test_survivors_refuse_what_is_no_set_of_areas(areas):
    with pytest.raises(DataFormatError, match="whole numbers of pixels"):
        survivors(areas, 0.5)
    with pytest.raises(ConfigError, match="nan"):
        survivors(np.array([1]), float("nan"))


def test_threshold_is_strict():
    x0_hat = np.float32([[[-1, -0.5, 0, 0.5, 1]]])
    np.testing.assert_array_equal(threshold(x0_hat), [[[False, False, False, True, True]]])
    np.testing.assert_array_equal(threshold(x0_hat, -0.5), [[[False, False, True, True, True]]])
    with pytest.raises(ConfigError, match="2"):
        threshold(x0_hat, 2)


@settings(max_examples=60, deadline=None)
@given(stacks, st.integers(0, 8))
def test_small_objects_go_as_in_a_slow_reference_mask_by_mask(masks, min_pixels):
    expected = np.zeros_like(masks)
    for mask, out in zip(masks, expected, strict=True):
        for region in measure.regionprops(measure.label(mask, connectivity=2)):
            if region.num_pixels >= min_pixels:
                out[tuple(region.coords.T)] = True
    np.testing.assert_array_equal(remove_small_objects(masks, min_pixels), expected)


def test_an_object_does_not_reach_into_the_next_mask():
    masks = np.ones((3, 1, 2), bool)
    assert not remove_small_objects(masks, 3).any()
    assert remove_small_objects(masks, 2).all()


def test_a_negative_object_size_is_named():
    with pytest.raises(ConfigError, match="-1"):
        remove_small_objects(with_areas(1), -1)


@settings(max_examples=60, deadline=None)
@given(stacks)
def test_holes_fill_as_scipy_fills_them_mask_by_mask(masks):
    np.testing.assert_array_equal(fill_holes(masks), [ndimage.binary_fill_holes(mask) for mask in masks])


def test_a_ring_closed_by_corners_holds_its_hole_and_a_bay_at_the_border_is_none():
    diamond = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    bay = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], bool)
    filled = fill_holes(np.stack([diamond, bay]))
    assert filled[0, 1, 1]
    np.testing.assert_array_equal(filled[1], bay)


@pytest.mark.parametrize(
    "function",
    [lambda m: relative_area(m, 0.5), lambda m: remove_small_objects(m, 3), fill_holes],
    ids=["relative_area", "remove_small_objects", "fill_holes"],
)
def test_anything_but_a_set_of_bool_masks_is_refused(function):
    for masks in (np.ones((2, 4, 4)), np.ones((4, 4), bool), np.ones((0, 4, 4), bool)):
        with pytest.raises(DataFormatError, match="bool array of shape"):
            function(masks)
