"""Where a state stands is said in one line that fits."""

import math

import pytest

from napari_ambiseg.walk_text import fitting, walk_parts

WHOLE = "step 7/10 · sample 3/16 · mostly noise · t 0.30, log SNR −3.3"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (len(WHOLE), WHOLE),
        (len(WHOLE) - 1, "step 7/10 · sample 3/16 · mostly noise"),
        (37, "step 7/10 · sample 3/16"),
        (22, "step 7/10"),
        (0, "step 7/10"),
    ],
)
def test_parts_are_dropped_from_the_right_until_the_line_fits(length, text):
    assert fitting(walk_parts((7, 10), (3, 16), 0.3, -3.3), length) == text


def test_a_predicted_mask_is_predicted_from_noise_and_is_none():
    parts = walk_parts((7, 10), (3, 16), 0.3, -3.3, predicted=True)
    assert parts == ("step 7/10", "sample 3/16", "from mostly noise", "t 0.30, log SNR −3.3")
    assert walk_parts((0, 4), (1, 6), 1.0, math.nan, predicted=True) == walk_parts((0, 4), (1, 6), 1.0, math.nan)


def test_an_unknown_signal_to_noise_is_not_mentioned():
    assert walk_parts((0, 4), (1, 6), 1.0, math.nan) == ("step 0/4", "sample 1/6", "t 1.00")


def test_no_walk_has_no_text():
    assert fitting((), 80) == ""
