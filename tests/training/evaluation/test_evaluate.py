"""Evaluation with segmenters whose scores are known beforehand."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import numpy as np
import pytest

from training.errors import ConfigError, DataFormatError
from training.evaluation import Scores, bootstrap_mean, case_seed, evaluate, evaluate_cases, summarize
from training.metrics import generalized_energy_distance, hungarian_iou
from training.postprocess import relative_area
from training.records import AnnotatedSlice, SampleSet
from training.segmenters.experts import AlwaysEmpty, ExpertsOracle

SIDE = 12


def disc(radius):
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return rows**2 + columns**2 < radius**2


def case(key, radii, patient="p"):
    return AnnotatedSlice(np.zeros((SIDE, SIDE), np.float32), np.stack([disc(r) for r in radii]), patient, key)


CASES = [
    case("a", [0, 2, 3, 4], "p"),
    case("b", [0, 0, 0, 5], "p"),
    case("c", [2, 2, 2, 2], "q"),
    case("d", [1, 4], "r"),
]


class Noise:
    """Draws discs of random size; sample i depends on (seed, i) alone, and every call is written down."""

    name = "noise"

    def __init__(self):
        self.calls = []

    def given(self, case):
        return self

    def draw(self, image, n, seed):
        self.calls.append((n, seed))
        radii = [np.random.default_rng([seed, i]).integers(0, 6) for i in range(n)]
        return SampleSet(np.stack([disc(r) for r in radii]), seed)


class Fixed:
    """Draws the same masks for every image."""

    name = "fixed"

    def __init__(self, masks):
        self.masks = masks

    def given(self, case):
        return self

    def draw(self, image, n, seed):
        return SampleSet(self.masks[:n], seed)


def test_each_case_is_drawn_once_and_scored_on_its_first_n_samples():
    noise = Noise()
    rows = evaluate(noise, CASES, n=(6, 3), postprocess=None).rows
    assert [n for n, _ in noise.calls] == [6] * len(CASES)
    for row, annotated in zip(rows, CASES, strict=True):
        assert list(row.raw) == [3, 6]
        for n, scores in row.raw.items():
            alone = Noise().draw(annotated.image, n, row.seed).masks
            assert scores.ged_v == pytest.approx(generalized_energy_distance(alone, annotated.masks))
            assert scores.ged_u == pytest.approx(generalized_energy_distance(alone, annotated.masks, "U"))
            assert scores.hm_iou == pytest.approx(hungarian_iou(alone, annotated.masks))
            assert scores.empty_model == np.mean([not mask.any() for mask in alone])


def test_post_processing_sees_the_first_n_samples_and_never_the_experts():
    masks = np.stack([disc(1), disc(2), disc(3), disc(6)])  # areas 1, 9, 25 and far more
    annotated = case("a", [1, 6])
    row = evaluate(Fixed(masks), [annotated], n=(2, 3, 4), postprocess=0.5).rows[0]
    for n, scores in row.postprocessed.items():
        kept = relative_area(masks[:n], 0.5)
        assert scores.ged_v == pytest.approx(generalized_energy_distance(kept, annotated.masks))
    assert [row.postprocessed[n].empty_model for n in (2, 3, 4)] == [1 / 2, 2 / 3, 3 / 4]
    assert {scores.empty_experts for scores in row.postprocessed.values()} == {0}
    assert [row.raw[n].empty_model for n in (2, 3, 4)] == [0, 0, 0]


def test_drawing_each_expert_once_is_perfect():
    annotated = CASES[0]
    scores = evaluate(Fixed(annotated.masks), [annotated], n=[4], postprocess=None).rows[0].raw[4]
    assert scores.ged_v == pytest.approx(0, abs=1e-12)
    assert scores.hm_iou == pytest.approx(1)
    assert scores.d_max == 1
    assert scores.diversity_model == scores.diversity_experts
    assert scores.empty_model == scores.empty_experts == 1 / 4


def test_predicting_nothing_scores_the_experts_share_of_empty_masks():
    for row, annotated in zip(evaluate(AlwaysEmpty(), CASES).rows, CASES, strict=True):
        scores, empty = row.raw[16], 1 - annotated.n_found / annotated.n_experts
        assert scores.dice == scores.iou == scores.d_max == scores.empty_experts == empty
        assert scores.diversity_model == 0
        assert scores.empty_model == 1
        within_experts = (annotated.n_experts - 1) / annotated.n_experts * scores.diversity_experts
        assert scores.ged_v == pytest.approx(2 * (1 - empty) - within_experts)


def test_the_experts_oracle_scores_the_experts_distance_over_n_and_nothing_without_bias():
    annotated = [case(str(i), [0, 2, 3, 4], str(i)) for i in range(300)]
    scores = evaluate(ExpertsOracle(), annotated, n=(4, 16), postprocess=None).summary()["scores"]
    with_self_pairs = 3 / 4 * scores["4"]["raw"]["diversity_experts"]["mean"]
    for n in (4, 16):
        v, u = scores[str(n)]["raw"]["ged_v"], scores[str(n)]["raw"]["ged_u"]
        # Three times the 95 % half-width is nearly six standard errors.
        assert v["mean"] == pytest.approx(with_self_pairs / n, abs=1.5 * (v["high"] - v["low"]))
        assert u["mean"] == pytest.approx(0, abs=1.5 * (u["high"] - u["low"]))
        assert v["high"] - v["low"] < with_self_pairs / n


def test_a_case_has_its_own_seed_which_stays_the_same_in_any_company():
    assert case_seed(0, "a") == 8281872861307171038
    seeds = {case_seed(seed, key) for seed in (0, 1, 10) for key in ("a", "b", "0:a")}
    assert len(seeds) == 9
    assert all(0 <= seed < 2**63 for seed in seeds)
    together, alone = evaluate(Noise(), CASES, seed=5).rows[2], evaluate(Noise(), CASES[2:3], seed=5).rows[0]
    assert together == alone
    assert together.seed == case_seed(5, "c")


def test_rows_come_one_at_a_time():
    seen = []

    def cases():
        for annotated in CASES:
            seen.append(annotated.key)
            yield annotated

    rows = evaluate_cases(Noise(), cases(), n=[2])
    assert seen == []
    assert next(rows).key == "a"
    assert seen == ["a"]


def test_a_single_sample_has_no_unbiased_ged_and_that_is_counted():
    evaluation = evaluate(Noise(), CASES, n=[1])
    assert all(math.isnan(row.raw[1].ged_u) and not math.isnan(row.raw[1].ged_v) for row in evaluation.rows)
    means = evaluation.summary()["scores"]["1"]["raw"]
    assert means["ged_u"] == {"mean": None, "low": None, "high": None, "undefined": 4}
    assert means["diversity_model"]["undefined"] == 4
    assert means["ged_v"]["undefined"] == 0


def test_a_summary_says_what_was_scored_and_json_can_hold_it():
    evaluation = evaluate(Noise(), CASES, n=(2, 4), seed=3)
    summary = evaluation.summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    heading = {key: summary[key] for key in ("segmenter", "seed", "postprocess", "cases", "patients", "experts")}
    assert heading == {
        "segmenter": "noise",
        "seed": 3,
        "postprocess": 0.5,
        "cases": 4,
        "patients": 3,
        "experts": [2, 4],
    }
    assert list(summary["scores"]) == ["2", "4"]
    for by_treatment in summary["scores"].values():
        assert list(by_treatment) == ["raw", "postprocessed"]
        for means in by_treatment.values():
            assert list(means) == [field.name for field in fields(Scores)]


def test_a_summary_averages_cases_and_resamples_patients():
    rows = evaluate(Noise(), CASES, n=[4]).rows
    interval = bootstrap_mean([row.postprocessed[4].dice for row in rows], ["p", "p", "q", "r"], seed=0)
    assert summarize(rows)["scores"]["4"]["postprocessed"]["dice"] == interval.as_json()


def test_without_post_processing_only_raw_scores_are_given():
    assert list(evaluate(Noise(), CASES, n=[2], postprocess=None).summary()["scores"]["2"]) == ["raw"]


@pytest.mark.parametrize("n", [(), (0, 4), (-1,)])
def test_impossible_numbers_of_samples_are_refused_before_any_drawing(n):
    noise = Noise()
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate_cases(noise, CASES, n=n)
    assert noise.calls == []


def test_an_impossible_post_processing_is_refused_before_any_drawing():
    with pytest.raises(ConfigError, match=r"1\.5"):
        evaluate_cases(Noise(), CASES, postprocess=1.5)


def test_masks_that_do_not_fit_the_case_are_an_error_that_names_it():
    with pytest.raises(DataFormatError, match=r"case 'a': .*\(4, 3, 3\) and bool \(4, 12, 12\)"):
        evaluate(Fixed(np.ones((4, 3, 3), bool)), CASES, n=[4])


def test_no_case_at_all_is_an_error():
    with pytest.raises(DataFormatError, match="no case to score"):
        evaluate(Noise(), []).summary()
