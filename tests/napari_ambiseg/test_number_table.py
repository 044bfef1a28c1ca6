"""How numbers are written: always as wide, undefined ones with the reason, and in full in what is copied."""

import csv
import io
import re

import numpy as np
import pytest

from napari_ambiseg.curves import CURVES
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.number_table import GED, OVERLAP, as_csv
from training.metrics.glossary import SCORES
from training.records import AnnotatedSlice

NUMBERS = {number.name: number for number in (*GED, *OVERLAP)}


def measured(n, seed=0):
    masks = np.random.default_rng(seed).random((n + 4, 6, 6)) > 0.6
    return SampleMeasures.of(masks[:n], AnnotatedSlice(np.zeros((6, 6), np.float32), masks[n:], "p", "k"))


def table(text):
    return {row[0]: row[1:] for row in csv.reader(io.StringIO(text))}


def test_every_number_has_three_decimals_a_range_two_and_all_have_their_meaning():
    measures = measured(6)
    for number in NUMBERS.values():
        ends = number.text(measures).replace("−", "-").split(" to ")
        assert all(len(end.lstrip("-")) == (5 if len(ends) == 1 else 4) for end in ends)
        assert len(number.tooltip) > 30
    assert NUMBERS["ged_v"].text(measures) == f"{measures.ged_v:.3f}"


def test_the_terms_that_are_shown_add_up_to_the_ged():
    values = {name: number.of(measured(6)) for name, number in NUMBERS.items()}
    assert values["2_ged_cross"] - values["ged_samples"] - values["ged_experts"] == pytest.approx(values["ged_v"])


def test_what_is_undefined_says_why():
    one = measured(1)
    assert NUMBERS["ged_u"].text(one) == "needs n > 1"
    assert NUMBERS["ged_v_range"].text(one) == NUMBERS["ged_u_range"].text(measured(3)) == "needs n ≥ 4"
    assert NUMBERS["ged_v"].text(None) == "–"


def test_a_negative_number_has_a_true_minus_and_zero_has_none():
    """Samples that are the experts themselves: U is below 0 by far, V is 0 up to rounding."""
    masks = np.random.default_rng(1).random((4, 6, 6)) > 0.6
    same = SampleMeasures.of(masks, AnnotatedSlice(np.zeros((6, 6), np.float32), masks, "p", "k"))
    assert NUMBERS["ged_u"].text(same).startswith("−0.")
    assert NUMBERS["ged_v"].text(same) == "0.000"


def test_what_is_copied_is_a_table_in_full_precision():
    raw, cleaned = measured(6), measured(6, seed=2)
    rows = table(as_csv("case 7, left", raw, cleaned))
    assert rows["number"] == ["as drawn", "post-processed"]
    assert rows["case"] == ["case 7, left"] * 2
    assert rows["n"] == ["6", "6"]
    assert [float(value) for value in rows["ged_u"]] == [raw.ged_u, cleaned.ged_u]
    assert (float(rows["ged_v_range_low"][0]), float(rows["ged_v_range_high"][0])) == raw.ranges["V"]
    assert float(rows["hm_iou"][1]) == cleaned.hm_iou


def test_without_cleaning_one_column_is_copied_and_the_undefined_is_empty():
    rows = table(as_csv("k", measured(1), None))
    assert rows["number"] == ["as drawn"]
    assert rows["ged_u"] == rows["ged_u_range_low"] == [""]


def test_a_case_s_name_that_is_copied_is_taken_for_no_formula():
    assert table(as_csv("=1+1", measured(6), None))["case"] == ["'=1+1"]


def test_every_score_of_the_viewer_has_the_glossary_s_words_and_begins_with_a_plain_one():
    curves = {curve.name: curve.label for curve in CURVES if curve.name in SCORES}
    titles = {number.name: number.title.lstrip("=− ") for number in NUMBERS.values() if number.name in SCORES}
    assert curves.keys() == {"ged_v", "ged_u", "dice"}
    assert len(titles) == 11
    for name, title in (titles | curves).items():
        assert title.lower() == SCORES[name].heading.lower()
        assert re.match("[A-Za-z][a-z]+,? ?", title), title
        assert not title.startswith(("GED", "IoU"))
        assert SCORES[name].definition
