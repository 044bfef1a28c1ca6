"""Numbers against the steps of a walk."""

import math

import numpy as np
import pytest

from napari_ambiseg.curves import CURVES, curve_of, ged_by_relative_area
from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from training.metrics import pairwise_dice
from training.records import AnnotatedSlice


def make_case(n_experts=4, spacing=None):
    masks = np.zeros((n_experts, 12, 12), bool)
    for number, mask in enumerate(masks):
        mask[2 : 3 + 2 * number, 2:8] = number > 0
    return AnnotatedSlice(np.zeros((12, 12), np.float32), masks, "patient", "key", spacing)


def test_each_curve_takes_its_own_number():
    case = make_case(spacing=(0.5, 2.0))
    samples = np.stack([case.masks[1], case.masks[0], case.masks[3]])
    measures = SampleMeasures.of(samples, case)
    found = {curve.name: curve.of_samples(measures, 0.25) for curve in CURVES}
    assert found == {
        "ged_v": measures.scores["ged_v"],
        "ged_u": measures.scores["ged_u"],
        "area": pytest.approx(samples.sum() / 3),  # a pixel is 1 mm²
        "empty": pytest.approx(1 / 3),
        "dice": measures.scores["dice"],
        "change": 0.25,
    }


def test_the_experts_line_is_theirs_where_it_has_a_sense():
    case = make_case()
    experts = ExpertMeasures.of(case)
    dice = pairwise_dice(case.masks, case.masks)
    found = {curve.name: curve.of_experts(experts) for curve in CURVES}
    assert found["area"] == pytest.approx(case.masks.sum() / 4)
    assert found["empty"] == pytest.approx(1 / 4)
    assert found["dice"] == pytest.approx(dice[~np.eye(4, dtype=bool)].mean())
    assert all(math.isnan(found[name]) for name in ("ged_v", "ged_u", "change"))
    assert math.isnan(curve_of("dice").of_experts(ExpertMeasures.of(make_case(1))))


def test_where_nobody_annotated_there_is_no_ged():
    curve = ged_by_relative_area(np.ones((2, 4, 4), bool), np.zeros((0, 4, 4), bool), (0.0, 0.5))
    assert np.isnan(curve).all()
    assert len(curve) == 2


def test_every_curve_is_named_once_and_says_what_it_is():
    assert len({curve.name for curve in CURVES}) == len(CURVES)
    assert all(curve.label and curve.meaning for curve in CURVES)
    assert curve_of("ged_v") is CURVES[0]
