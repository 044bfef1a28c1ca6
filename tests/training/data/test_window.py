"""Windows: which stored values become black and white."""

import numpy as np
import pytest

from training.data.window import WINDOWS, Window, find_window, slice_window
from training.errors import ConfigError


def test_a_window_maps_its_ends_to_black_and_white_and_cuts_what_lies_beyond():
    values = np.array([-2000, -1000, -300, 400, 3000], np.int16)
    np.testing.assert_array_equal(WINDOWS["lung"].intensity(values), np.float32([0, 0, 0.5, 1, 1]))


def test_the_window_of_a_slice_runs_from_its_smallest_to_its_largest_value():
    window = slice_window(np.array([[-2000, 5], [30, 7]]))
    assert (window.low, window.high) == (-2000, 30)


def test_a_constant_slice_is_black():
    values = np.full((3, 3), 7)
    assert not slice_window(values).intensity(values).any()


@pytest.mark.parametrize(
    ("text", "window"),
    [("lung", Window(-1000, 400)), ("wide", Window(-1000, 1000)), ("-160..240", Window(-160, 240)),
     ("0..0.5", Window(0, 0.5)), ("+1..2", Window(1, 2)), ("auto", None), ("slice", None)],
)  # fmt: skip
def test_a_window_is_named_or_written_as_two_values(text, window):
    assert find_window(text) == window


@pytest.mark.parametrize("text", ["bone", "", "1..1", "5..-5", "1...2", "1..2..3", "nan..1", "0..inf", "1e3..2e3"])
def test_what_is_no_window_is_refused_in_the_users_words(text):
    with pytest.raises(ConfigError, match="window"):
        find_window(text)


def test_the_text_of_a_window_names_it_again():
    assert find_window(str(Window(-1000, 400))) == Window(-1000, 400)
