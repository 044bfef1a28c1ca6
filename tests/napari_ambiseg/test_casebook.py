"""What is kept of cases: as it was said, through JSON and back, and no damage comes in from outside."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_ambiseg.casebook import Casebook
from napari_ambiseg.entries import ComparedWith, Entry
from napari_ambiseg.layers.roles import Origin
from training.errors import DataFormatError
from training.export.own_reading import Distance

ORIGIN = Origin("file.h5", "train", 3)
FULL = {
    "flag": "?",
    "note": "spiculated",
    "seen": "2026-01-31T12:00:00+00:00",
    "nothing": False,
    "revealed": "2026-01-31T12:01:00+00:00",
    "blind": True,
    "model_seen": "2026-01-31T12:02:00+00:00",
    "after_model": False,
    "seconds": 41.5,
    "spacing_mm": (0.5, 0.75),
    "compared": ComparedWith("demo", 16, 7, "--postprocess 0.5"),
    "distances": (Distance("A", 0.25, 0.8, 12.0), Distance("samples", 1.0, 0.0, 3.5)),
    "ged": 0.375,
    "n": 16,
    "model": "demo",
    "seed": 0,
}


def through_json(book):
    other = Casebook()
    other.from_json(json.loads(json.dumps(book.as_json())))
    return other


def test_a_case_that_nobody_said_anything_of_has_an_empty_entry():
    book = Casebook()
    assert book.of(ORIGIN, "a").flag == ""
    assert book.of(ORIGIN, "a").mask is None
    assert not book.of(ORIGIN, "a").answered
    assert len(book) == 0


def test_an_entry_belongs_to_source_split_and_key_and_not_to_the_index():
    book = Casebook()
    book.change(ORIGIN, "a", flag="!")
    assert book.of(Origin("file.h5", "train", 99), "a").flag == "!"
    for other, key in ((Origin("file.h5", "val", 3), "a"), (Origin("other.h5", "train", 3), "a"), (ORIGIN, "b")):
        assert book.of(other, key).flag == ""


def test_a_change_is_told_once_and_one_that_changes_nothing_is_not():
    book, told = Casebook(), []
    book.changed.connect(lambda: told.append(1))
    book.change(ORIGIN, "a", flag="!")
    book.change(ORIGIN, "a", flag=book.of(ORIGIN, "a").flag)
    assert len(told) == 1
    assert len(book) == 1


def test_every_field_goes_through_json_and_back():
    book = Casebook()
    book.change(ORIGIN, "a", mask=np.eye(3, dtype=bool), **FULL)
    book.change(ORIGIN, "b", note="the other one")
    entry = through_json(book).of(ORIGIN, "a")
    for name, value in FULL.items():
        assert getattr(entry, name) == value
    assert np.array_equal(entry.mask, np.eye(3, dtype=bool))
    assert through_json(book).of(ORIGIN, "b").note == "the other one"
    assert through_json(book).as_json() == book.as_json()


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_any_mask_goes_through_json_and_back(mask):
    book = Casebook()
    book.change(ORIGIN, "a", mask=mask)
    kept = through_json(book).of(ORIGIN, "a").mask
    assert kept.dtype == bool
    assert np.array_equal(kept, mask)


def test_nothing_there_is_an_answer_and_an_empty_mask_alone_is_none():
    empty = np.zeros((2, 2), bool)
    assert Entry(mask=empty, nothing=True).answered
    assert not Entry(mask=empty).answered
    assert Entry(mask=~empty).answered


def case(**changes):
    return {"source": "file.h5", "split": "train", "key": "a", **changes}


DAMAGED = [
    "text",
    {"source": "file.h5"},
    [1],
    [{"split": "train", "key": "a"}],
    [case(source=3)],
    [case(key="k" * 5000)],
    [case(colour="red")],
    [case(flag="!!")],
    [case(flag=["!"])],
    [case(note=5)],
    [case(note="n" * 2001)],
    [case(seen="yesterday")],
    [case(revealed=7)],
    [case(blind="yes")],
    [case(nothing=1)],
    [case(ged="0.3")],
    [case(ged=float("nan"))],
    [case(ged=True)],
    [case(n=-1)],
    [case(n=2.0)],
    [case(seed=-1)],
    [case(seed="7")],
    [case(model_seen="soon")],
    [case(after_model="no")],
    [case(seconds=-1)],
    [case(seconds="3")],
    [case(spacing_mm=0.5)],
    [case(spacing_mm=[0.5, 0])],
    [case(spacing_mm=[0.5, 0.5, 2.0])],
    [case(compared="demo")],
    [case(compared={"model": "demo", "n": 1, "seed": 0})],
    [case(compared={"model": "demo", "n": 1.5, "seed": 0, "cleaning": ""})],
    [case(compared={"model": 5, "n": 1, "seed": 0, "cleaning": ""})],
    [case(model=None)],
    [case(mask=[1, 2])],
    [case(mask={"shape": [2, 2], "runs": [1, 2]})],
    [case(mask={"shape": [2, 2], "runs": [-1, 5]})],
    [case(mask={"shape": [2, 2], "runs": [2.0, 2.0]})],
    [case(mask={"shape": [2, 2], "runs": [True, 3]})],
    [case(mask={"shape": [0, 2], "runs": []})],
    [case(mask={"shape": [2**20, 2**20], "runs": [2**40]})],
    [case(mask={"shape": [4], "runs": [4]})],
    [case(distances="A")],
    [case(distances=[["A", 0.1]])],
    [case(distances=[["A", 1.5, 0.1, 3.0]])],
    [case(distances=[["A", 0.5, 0.1, -3.0]])],
    [case(distances=[[1, 0.5, 0.1, 3.0]])],
]


@pytest.mark.parametrize("damaged", DAMAGED, ids=lambda value: str(value)[:60])
def test_what_is_damaged_is_refused_in_one_line_and_nothing_changes(damaged):
    book = Casebook()
    book.change(ORIGIN, "a", note="kept")
    with pytest.raises(DataFormatError) as refused:
        book.from_json([case(key="before it", flag="!"), *damaged] if isinstance(damaged, list) else damaged)
    assert "\n" not in str(refused.value)
    assert book.of(ORIGIN, "a").note == "kept"
    assert len(book) == 1


def test_a_note_that_is_too_long_is_refused():
    with pytest.raises(DataFormatError, match="2001 letters"):
        Casebook().change(ORIGIN, "a", note="n" * 2001)
