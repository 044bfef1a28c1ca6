"""What is counted within the marked window alone is what counting everywhere gives."""

import numpy as np
import pytest
from skimage.measure import find_contours

from napari_ambiseg.layers.marked import marked_window, votes_of, within_marked
from napari_ambiseg.layers.outlines import outlines
from training.metrics import pixel_variance, vote_fraction

SHAPE = (23, 31)


def masks_of(seed):
    """(N, H, W) masks of scattered blobs, with some at the border, some everywhere, and some nowhere."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((int(rng.integers(1, 6)), *SHAPE), bool)
    for mask in masks:
        for _ in range(int(rng.integers(0, 4))):
            row, column = rng.integers(0, SHAPE[0]), rng.integers(0, SHAPE[1])
            mask[row : row + int(rng.integers(1, 6)), column : column + int(rng.integers(1, 6))] = True
        mask ^= mask & (rng.random(SHAPE) < 0.2)
    return masks


HARD = [np.zeros((2, *SHAPE), bool), np.ones((3, *SHAPE), bool), np.eye(*SHAPE, dtype=bool)[None]]
CASES = [*HARD, *(masks_of(seed) for seed in range(40))]


@pytest.mark.parametrize("masks", CASES)
def test_the_window_is_the_smallest_with_all_that_is_marked(masks):
    rows, columns = marked_window(masks)
    found = np.argwhere(masks.any(axis=0))
    if not len(found):
        assert (rows, columns) == (slice(0, 0), slice(0, 0))
        return
    top, left = found.min(axis=0)
    bottom, right = found.max(axis=0) + 1
    assert (rows, columns) == (slice(top, bottom), slice(left, right))


@pytest.mark.parametrize("masks", CASES)
def test_votes_share_and_variance_are_those_of_the_whole_slice(masks):
    votes = votes_of(masks)
    assert votes.dtype == np.uint8
    np.testing.assert_array_equal(votes, masks.sum(axis=0))
    for value in (vote_fraction, pixel_variance):
        np.testing.assert_array_equal(within_marked(masks, value, np.float32), value(masks))


def test_three_hundred_votes_are_not_counted_modulo_256():
    assert votes_of(np.ones((300, 2, 2), bool)).tolist() == [[300, 300], [300, 300]]


@pytest.mark.parametrize("masks", CASES)
def test_outlines_are_those_of_the_whole_slice(masks):
    for mask in masks:
        whole = [path - 1 for path in find_contours(np.pad(mask, 1).astype(np.float32), 0.5)]
        expected = sorted(whole, key=len, reverse=True)
        found = outlines(mask)
        assert len(found) == len(expected)
        for ours, its in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, its)
