"""Post-processing in words."""

import pytest

from napari_ambiseg.cleaning_text import after_cleaning, cleaning_text
from training.postprocess import Cleaning


@pytest.mark.parametrize(
    ("cleaning", "words"),
    [
        (Cleaning(), ""),
        (Cleaning(relative_area=0.8), "relative area 0.80"),
        (Cleaning(threshold=-0.1), "threshold −0.10"),
        (Cleaning(smallest_object=1), ""),  # every object has a pixel
        (
            Cleaning(threshold=0.25, fill_holes=True, smallest_object=20, relative_area=0.5),
            "threshold 0.25, holes filled, objects from 20 px, relative area 0.50",
        ),
    ],
)
def test_what_is_done_is_said_in_its_order_and_nothing_of_nothing(cleaning, words):
    assert cleaning_text(cleaning) == words


def test_two_runs_that_are_cleaned_otherwise_are_told_apart():
    cut, r = Cleaning(threshold=0.1, relative_area=0.5), Cleaning(relative_area=0.5)
    assert after_cleaning(Cleaning(), Cleaning()) == ""
    assert after_cleaning(r, r) == "after post-processing (relative area 0.50)"
    assert after_cleaning(Cleaning(), Cleaning(threshold=0.1)) == (
        "after post-processing (A: nothing; B: threshold 0.10)"
    )
    assert after_cleaning(cut, r).endswith("(A: threshold 0.10, relative area 0.50; B: relative area 0.50)")
