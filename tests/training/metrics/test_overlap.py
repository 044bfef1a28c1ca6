"""IoU and dice: exact toy arrays, the conventions for empty masks, and a slow reference on sets of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.errors import DataFormatError
from training.metrics import dice, iou, pairwise_dice, pairwise_distance, pairwise_iou
from training.metrics import overlap as overlap_module

EMPTY = np.zeros((2, 3), bool)
LEFT = np.array([[1, 1, 0], [0, 0, 0]], bool)
MIDDLE = np.array([[0, 1, 1], [0, 0, 1]], bool)

# Sides that fill bytes and words of the packed masks exactly, and sides that do not.
pairs_of_sets = st.tuples(
    st.integers(1, 4), st.integers(1, 4), st.sampled_from([(1, 1), (3, 5), (8, 8), (7, 19), (16, 8)])
).flatmap(
    lambda nks: st.tuples(hnp.arrays(bool, (nks[0], *nks[2])), hnp.arrays(bool, (nks[1], *nks[2]))),
)


def pixels(mask):
    return set(zip(*mask.nonzero(), strict=True))


def slow_iou(a, b):
    both, either = pixels(a) & pixels(b), pixels(a) | pixels(b)
    return len(both) / len(either) if either else 1.0


def slow_dice(a, b):
    total = len(pixels(a)) + len(pixels(b))
    return 2 * len(pixels(a) & pixels(b)) / total if total else 1.0


def test_toy_masks_have_their_exact_scores():
    assert iou(LEFT, MIDDLE) == 1 / 4
    assert dice(LEFT, MIDDLE) == 2 / 5
    assert iou(LEFT, LEFT) == dice(LEFT, LEFT) == 1


def test_two_empty_masks_agree_and_one_empty_mask_does_not():
    assert iou(EMPTY, EMPTY) == dice(EMPTY, EMPTY) == 1
    assert iou(EMPTY, LEFT) == dice(EMPTY, LEFT) == iou(LEFT, EMPTY) == dice(LEFT, EMPTY) == 0


def test_leading_axes_broadcast():
    column, row = np.stack([EMPTY, LEFT])[:, None], np.stack([EMPTY, LEFT, MIDDLE])
    np.testing.assert_array_equal(iou(column, row), [[1, 0, 0], [0, 1, 1 / 4]])
    np.testing.assert_array_equal(dice(column, row), [[1, 0, 0], [0, 1, 2 / 5]])


@settings(max_examples=60, deadline=None)
@given(pairs_of_sets)
def test_all_pairs_equal_the_slow_reference_exactly(sets):
    a, b = sets
    np.testing.assert_array_equal(pairwise_iou(a, b), [[slow_iou(x, y) for y in b] for x in a])
    np.testing.assert_array_equal(pairwise_dice(a, b), [[slow_dice(x, y) for y in b] for x in a])
    np.testing.assert_array_equal(pairwise_iou(a, b), iou(a[:, None], b[None]))
    np.testing.assert_array_equal(pairwise_dice(a, b), dice(a[:, None], b[None]))


def test_counting_in_blocks_changes_nothing(monkeypatch):
    masks = np.random.default_rng(0).random((9, 20, 20)) < 0.3
    at_once = pairwise_iou(masks, masks)
    monkeypatch.setattr(overlap_module, "_BLOCK_WORDS", 2 * 9 * 7)  # two rows of nine masks of seven words
    np.testing.assert_array_equal(pairwise_iou(masks, masks), at_once)


def test_masks_that_do_not_lie_contiguously_in_memory_are_counted_alike():
    masks = np.random.default_rng(1).random((20, 20, 6)) < 0.3
    np.testing.assert_array_equal(
        pairwise_iou(masks.transpose(2, 0, 1), masks.transpose(2, 0, 1)),
        pairwise_iou(np.ascontiguousarray(masks.transpose(2, 0, 1)), np.ascontiguousarray(masks.transpose(2, 0, 1))),
    )


def test_distances_within_a_set_are_symmetric_with_a_zero_diagonal():
    distance = pairwise_distance(np.stack([EMPTY, LEFT, MIDDLE, EMPTY]))
    np.testing.assert_array_equal(distance, [[0, 1, 1, 0], [1, 0, 3 / 4, 1], [1, 3 / 4, 0, 1], [0, 1, 1, 0]])


@pytest.mark.parametrize(
    "masks",
    [np.ones((2, 4, 4)), np.ones((2, 4, 4), np.uint8), np.ones((4, 4), bool), np.ones((0, 4, 4), bool), [[[True]]]],
    ids=["float", "uint8", "one mask", "no mask", "list"],
)
def test_anything_but_a_set_of_bool_masks_is_refused_in_one_line(masks):
    good = np.ones((2, 4, 4), bool)
    for function in (pairwise_iou, pairwise_dice):
        with pytest.raises(DataFormatError, match="bool array of shape") as caught:
            function(masks, good)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataFormatError):
        pairwise_distance(masks)


def test_masks_of_another_size_are_refused_and_never_broadcast():
    for function in (iou, dice, pairwise_iou, pairwise_dice):
        with pytest.raises(DataFormatError, match=r"\(2, 4, 4\).*\(2, 1, 4\)"):
            function(np.ones((2, 4, 4), bool), np.ones((2, 1, 4), bool))


def test_sets_of_another_number_are_no_pairs():
    with pytest.raises(DataFormatError, match=r"broadcast, got bool \(5, 4, 4\) and bool \(3, 4, 4\)"):
        iou(np.ones((5, 4, 4), bool), np.ones((3, 4, 4), bool))
