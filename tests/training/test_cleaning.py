"""All of post-processing as one record: the order, what is refused, and the words of the command line."""

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.cli import app
from training.errors import ConfigError, DataFormatError
from training.postprocess import Cleaning, fill_holes, relative_area, remove_small_objects

SAMPLE = typer.main.get_command(app).commands["sample"]
cleanings = st.builds(
    Cleaning,
    threshold=st.floats(-1, 1),
    fill_holes=st.booleans(),
    smallest_object=st.integers(0, 30),
    relative_area=st.floats(0, 1),
)
predictions = hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 8)),
                         elements=st.floats(-1, 1, width=32))  # fmt: skip


@given(predictions, cleanings)
def test_it_is_the_four_functions_one_after_the_other(x0_hat, cleaning):
    masks, before = x0_hat > 0, x0_hat.copy()
    expected = x0_hat > cleaning.threshold
    expected = fill_holes(expected) if cleaning.fill_holes else expected
    expected = remove_small_objects(expected, cleaning.smallest_object)
    expected = relative_area(expected, cleaning.relative_area)
    cleaned = cleaning.apply(masks, x0_hat)
    np.testing.assert_array_equal(cleaned, expected)
    np.testing.assert_array_equal(masks, before > 0)
    np.testing.assert_array_equal(x0_hat, before)
    assert not np.shares_memory(cleaned, masks)


def test_the_order_decides_about_a_ring():
    """16 pixels around 9: with its hole filled it is an object of 25 and larger than 20; 16 pixels alone are not."""
    ring = np.zeros((1, 9, 9), bool)
    ring[0, 2:7, 2:7] = True
    ring[0, 3:6, 3:6] = False
    assert Cleaning(fill_holes=True, smallest_object=20).apply(ring).sum() == 25
    assert Cleaning(smallest_object=20).apply(ring).sum() == 0


def test_small_objects_go_before_areas_are_compared():
    """24 pixels in crumbs of one are no lesion, and no measure for the other mask either."""
    masks = np.zeros((2, 10, 10), bool)
    masks[0, ::2, ::2] = True
    masks[1, :2, :5] = True
    assert Cleaning(smallest_object=2, relative_area=0.5).apply(masks).sum(axis=(1, 2)).tolist() == [0, 10]
    assert Cleaning(relative_area=0.5).apply(masks).sum(axis=(1, 2)).tolist() == [25, 0]


@given(cleanings, hnp.arrays(bool, (3, 5, 5)))
def test_nothing_is_what_leaves_all_masks_as_they_are(cleaning, masks):
    if cleaning.is_nothing:
        np.testing.assert_array_equal(cleaning.apply(masks), masks)
    assert cleaning.is_nothing == (cleaning.options() == ())


def test_each_wish_by_itself_is_something():
    assert Cleaning().is_nothing
    assert Cleaning(smallest_object=1).is_nothing
    for wish in (Cleaning(-0.1), Cleaning(fill_holes=True), Cleaning(smallest_object=2), Cleaning(relative_area=0.1)):
        assert not wish.is_nothing


@given(cleanings)
def test_its_words_mean_to_the_command_line_what_it_means(cleaning):
    with SAMPLE.make_context("sample", ["model", "data", "out", *cleaning.options()]) as context:
        asked = context.params
    read = Cleaning(asked["threshold"], asked["fill_holes"], asked["smallest_object"], asked["postprocess"])
    assert read == cleaning or (cleaning.smallest_object == 1 and read.smallest_object == 0)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"threshold": 1.01}, "threshold 1.01 is impossible"),
        ({"threshold": float("nan")}, "threshold nan is impossible"),
        ({"smallest_object": -1}, "smallest object of -1 pixels is impossible"),
        ({"relative_area": -0.1}, "relative area -0.1 is impossible"),
        ({"relative_area": float("inf")}, "relative area inf is impossible"),
    ],
)
def test_impossible_wishes_are_refused_when_they_are_made(wish, says):
    with pytest.raises(ConfigError, match=says):
        Cleaning(**wish)


def test_a_threshold_needs_what_it_is_a_threshold_of():
    masks = np.zeros((2, 4, 4), bool)
    with pytest.raises(ConfigError, match=r"threshold -0.2 needs the predicted clean masks.*leave the threshold at 0"):
        Cleaning(threshold=-0.2).apply(masks)
    with pytest.raises(DataFormatError, match=r"must have the shape of the masks \(2, 4, 4\), got \(1, 4, 4\)"):
        Cleaning(threshold=-0.2).apply(masks, np.zeros((1, 4, 4), np.float32))


@pytest.mark.parametrize("masks", [np.zeros((0, 4, 4), bool), np.zeros((4, 4), bool), np.zeros((1, 4, 4), np.uint8)])
def test_what_is_no_set_of_masks_is_refused_even_where_nothing_is_done(masks):
    with pytest.raises(DataFormatError, match="post-processing: masks must be"):
        Cleaning().apply(masks)
