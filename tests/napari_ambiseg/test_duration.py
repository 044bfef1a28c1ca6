"""Times as people say them."""

import pytest

from napari_ambiseg.duration import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"), (0.4, "1 s"), (12.3, "12 s"), (61, "61 s"), (99.4, "99 s"), (99.6, "2 min"), (300, "5 min"),
        (3569, "59 min"), (3600, "1 h 0 min"), (4830, "1 h 20 min"),
    ],
)  # fmt: skip
def test_a_time_is_told_as_exactly_as_people_care(seconds, words):
    assert duration(seconds) == words
