"""The table holds the numbers that the metrics give, and nothing that a spreadsheet runs."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from training.data.field import Field
from training.errors import ConfigError
from training.export import DrawnCase
from training.export.table import HEADING, write_table
from training.metrics import compare, ged_interval, iou, tally
from training.metrics.glossary import NAMES
from training.records import SampleSet


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lines(path, part):
    return {row["name"]: row for row in read(path) if row["part"] == part}


def test_scores_are_those_of_the_metrics_to_the_last_digit(tmp_path, drawn):
    write_table(tmp_path / "t.csv", drawn)
    scores = lines(tmp_path / "t.csv", "score")
    assert tuple(scores) == NAMES
    for column, masks in (("value", drawn.samples.masks), ("cleaned", drawn.cleaned)):
        expected = tally(masks, drawn.case.masks).scores()
        for name, value in zip(NAMES, expected, strict=True):
            written = scores[name][column]
            assert (written == "") if math.isnan(value) else (float(written) == value)


def test_ged_has_its_range_where_there_are_enough_masks(tmp_path, drawn):
    masks = np.concatenate([drawn.samples.masks, drawn.case.masks])
    write_table(tmp_path / "t.csv", DrawnCase(drawn.case, SampleSet(masks, 0)))
    scores = lines(tmp_path / "t.csv", "score")
    for name, estimator in (("ged_v", "V"), ("ged_u", "U")):
        expected = ged_interval(compare(masks, drawn.case.masks), estimator)
        assert (float(scores[name]["low"]), float(scores[name]["high"])) == expected
    assert scores["dice"]["low"] == scores["ged_v"]["cleaned_low"] == ""
    write_table(tmp_path / "few.csv", drawn)  # three masks are too few
    assert lines(tmp_path / "few.csv", "score")["ged_v"]["low"] == ""


def test_distances_of_experts_and_areas_of_all_masks(tmp_path, drawn):
    three = replace(drawn.case, masks=np.concatenate([drawn.case.masks, drawn.samples.masks[:1]]))
    write_table(tmp_path / "t.csv", replace(drawn, case=three))
    distances = lines(tmp_path / "t.csv", "experts")
    assert list(distances) == ["1-2", "1-3", "2-3"]
    for name, row in distances.items():
        a, b = (int(number) - 1 for number in name.split("-"))
        assert float(row["value"]) == pytest.approx(1 - float(iou(three.masks[a], three.masks[b])), abs=0)
    areas = lines(tmp_path / "t.csv", "area")
    assert areas["expert-1"]["value"] == str(int(three.masks[0].sum()))
    assert (areas["sample-2"]["value"], areas["sample-2"]["cleaned"]) == ("6", "0")


def test_within_a_field_all_numbers_are_of_the_field(tmp_path, drawn):
    field = Field(0, 0, 8, 12)
    cut = np.ascontiguousarray(drawn.samples.masks[:, :8, :12])
    write_table(tmp_path / "t.csv", DrawnCase(drawn.case, SampleSet(cut, 0), field=field))
    case = lines(tmp_path / "t.csv", "case")
    assert case["key"]["value"] == "slice 7[0:8,0:12]"
    assert Field.parse(case["field"]["value"]) == field
    expected = tally(cut, field.cut(drawn.case).masks).scores(names=["ece"])[0]
    assert float(lines(tmp_path / "t.csv", "score")["ece"]["value"]) == expected


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\tx", "'quoted", 'a "b", c\nd'])
def test_a_text_from_a_file_is_never_run_and_can_be_had_back(tmp_path, drawn, text):
    write_table(tmp_path / "t.csv", replace(drawn, case=replace(drawn.case, key=text)))
    written = lines(tmp_path / "t.csv", "case")["key"]["value"]
    assert not written.startswith(("=", "+", "-", "@", "\t"))
    assert written.removeprefix("'") == text if written != text else True
    assert {tuple(row) for row in read(tmp_path / "t.csv")} == {HEADING}


def test_a_place_that_cannot_be_written_is_told(tmp_path, drawn):
    with pytest.raises(ConfigError, match="choose another place"):
        write_table(tmp_path / "nowhere" / "t.csv", drawn)
