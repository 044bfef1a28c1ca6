"""Two entries of one case become one, in which nothing that the user said is lost; a case is known by its pixels."""

import json

import numpy as np
import pytest

from napari_ambiseg.casebook import Casebook
from napari_ambiseg.entries import Entry, content_of, merged
from training.errors import DataFormatError
from training.records import AnnotatedSlice

EARLY, LATE, LATEST = (f"2026-01-0{day}T12:00:00+00:00" for day in (1, 2, 3))
DRAWN = np.eye(4, dtype=bool)
KEPT = {"source": "demo", "split": "x", "key": "k", "mask": {"shape": [2, 2], "runs": [0, 4]}}


def both_ways(one, other):
    return merged(one, other), merged(other, one)


def test_what_one_entry_lacks_comes_from_the_other():
    for entry in both_ways(Entry(note="here", changed=LATE), Entry(flag="!", mask=DRAWN, changed=EARLY)):
        assert (entry.note, entry.flag, entry.answered) == ("here", "!", True)


def test_what_both_say_is_what_was_said_last():
    for entry in both_ways(Entry(note="old", flag="?", changed=EARLY), Entry(note="new", flag="!", changed=LATE)):
        assert (entry.note, entry.flag, entry.changed) == ("new", "!", LATE)


def test_times_of_other_zones_and_of_none_are_compared_as_moments():
    ten_utc = Entry(note="ten", changed="2026-01-01T11:00:00+01:00")
    half_past_ten = Entry(note="half past ten", changed="2026-01-01T10:30:00")
    for entry in both_ways(ten_utc, half_past_ten):
        assert entry.note == "half past ten"


def test_a_reading_goes_with_its_own_numbers_and_is_not_undone_by_a_later_note():
    read = Entry(mask=DRAWN, seen=LATE, revealed=LATE, blind=True, changed=EARLY)
    for entry in both_ways(read, Entry(note="later", changed=LATEST)):
        assert entry.mask is DRAWN
        assert (entry.revealed, entry.blind, entry.note) == (LATE, True, "later")


@pytest.mark.parametrize(
    ("revealed", "seen_elsewhere", "blind"),
    [
        (LATE, "", True),
        (LATE, LATE, True),  # by the reveal itself
        (LATE, LATEST, True),
        (LATE, EARLY, False),
        ("", EARLY, False),  # not finished yet, and no longer blind
        ("", "", True),
    ],
)
def test_a_reading_is_blind_only_if_no_window_had_shown_the_experts_before_its_end(revealed, seen_elsewhere, blind):
    read = Entry(mask=DRAWN, seen=revealed, revealed=revealed, blind=True, changed=LATE)
    for entry in both_ways(read, Entry(seen=seen_elsewhere)):
        assert entry.blind is blind


def test_the_numbers_of_the_model_come_together_from_what_is_taken_in():
    here, other = Entry(ged=0.1, n=16, model="a"), Entry(ged=0.2, n=4, model="b")
    assert (merged(here, other).ged, merged(here, other).n, merged(here, other).model) == (0.2, 4, "b")
    assert (merged(here, Entry()).ged, merged(here, Entry()).n, merged(here, Entry()).model) == (0.1, 16, "a")


def test_merging_twice_changes_nothing_more():
    here, other = Entry(note="a", changed=EARLY), Entry(note="b", mask=DRAWN, seen=EARLY, changed=LATE)
    once = merged(here, other)
    assert vars(merged(once, other)) == vars(once)


def case(image, masks):
    return AnnotatedSlice(image, masks, "p", "k")


def test_content_tells_each_pixel_of_image_and_masks_and_nothing_else():
    image, masks = np.zeros((3, 4), np.float32), np.zeros((2, 3, 4), bool)
    same = content_of(case(image, masks))
    assert content_of(AnnotatedSlice(image.copy(order="F"), masks[:, ::1], "q", "l", (1.0, 1.0))) == same
    brighter, marked = image.copy(), masks.copy()
    brighter[2, 3], marked[1, 2, 3] = 0.5, True
    others = [(brighter, masks), (image, marked), (image, masks[:1]), (image.reshape(4, 3), masks.reshape(2, 4, 3))]
    found = {same, *(content_of(case(*one)) for one in others)}
    assert len(found) == 5


def test_content_of_a_case_that_nobody_annotated():
    image = np.zeros((3, 4), np.float32)
    assert len(content_of(case(image, np.zeros((0, 3, 4), bool)))) == 64


def test_an_area_without_end_is_refused_since_no_session_could_hold_it():
    values = [KEPT | {"revealed": "2026-01-01T00:00:00", "distances": [["A", 0.5, 0.5, json.loads("1e999")]]}]
    with pytest.raises(DataFormatError, match="distances"):
        Casebook.read(values)


@pytest.mark.parametrize("field", ["revealed", "seen", "model_seen", "changed"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_none_in_utc_is_refused_and_not_left_to_the_table(field, time):
    with pytest.raises(DataFormatError, match=field):
        Casebook.read([KEPT | {field: time}])
