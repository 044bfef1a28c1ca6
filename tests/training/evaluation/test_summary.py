"""The summary: means, floor, slices by how many experts marked them, and reliability, on toys with known answers."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest

from training.data.phantom import phantom_case
from training.errors import DataFormatError
from training.evaluation.cases import HUMAN_PLAN, CaseScores, Plan, score_experts
from training.evaluation.statistics import bootstrap_mean
from training.evaluation.summary import BY_FOUND, Summary
from training.metrics.calibration import expected_calibration_error
from training.metrics.glossary import NAMES
from training.metrics.tally import tally
from training.records import AnnotatedSlice

PLAN = Plan(samples=(2, 4), postprocess=(0.5,), seed=0)
K = 4


def scored(index, samples, annotations, patient="p", plan=PLAN):
    """A case as an evaluation has it, with the masks' own scores; nothing is ever post-processed away here."""
    counts = tally(samples, annotations)
    return CaseScores(
        index=index,
        key=f"case {index}",
        patient=patient,
        n_experts=len(annotations),
        n_found=int(annotations.any(axis=(1, 2)).sum()),
        seed=index,
        scores=np.stack([counts.scores(variant.n) for variant in plan.variants]),
        votes=tuple(counts.votes(variant.n) for variant in plan.variants),
    )


def random_cases(n, k=K, plan=PLAN, side=6):
    rng = np.random.default_rng(n)

    def masks(count):
        return (rng.random((count, side, side)) < 0.4) & (rng.random(count) < 0.7)[:, None, None]

    return [(masks(max(plan.samples)), masks(k)) for _ in range(n)]


def summary_of(cases, plan=PLAN, k=K):
    summary = Summary(plan, [case.patient for case in cases], k)
    for case in cases:
        summary.add(case)
    return summary.as_json()


def human_cases(k):
    """Nine cases of the reference that draws nothing."""
    indexed = [
        (i, AnnotatedSlice(np.zeros((6, 6), np.float32), annotations, f"patient {i % 4}", f"case {i}"))
        for i, (_, annotations) in enumerate(random_cases(9, k=k))
    ]
    return score_experts(indexed).cases


@pytest.fixture(scope="module")
def masks():
    return random_cases(40)


@pytest.fixture(scope="module")
def cases(masks):
    return [scored(i, *both, patient=f"patient {i % 7}") for i, both in enumerate(masks)]


@pytest.fixture(scope="module")
def summary(cases):
    return summary_of(cases)


def test_every_score_of_every_variant_is_that_of_the_slow_reference(cases, summary):
    patients = [case.patient for case in cases]
    for v, variant in enumerate(PLAN.variants):
        for s, name in enumerate(NAMES):
            found = summary["scores"][str(variant.n)][PLAN.key(variant)][name]
            slow = bootstrap_mean([case.scores[v, s] for case in cases], patients, seed=0).as_json()
            assert found["undefined"] == slow["undefined"]
            assert [found[what] for what in ("mean", "low", "high")] == pytest.approx(
                [slow[what] for what in ("mean", "low", "high")], rel=1e-12, abs=1e-12
            )


def test_keys_stand_in_the_documented_order(summary):
    assert list(summary) == [
        "cases", "patients", "experts", "scores", "floor", "over_floor", "by_found", "reliability",
    ]  # fmt: skip
    assert (summary["cases"], summary["patients"], summary["experts"]) == (40, 7, [4])
    assert list(summary["scores"]) == ["2", "4"]
    assert list(summary["scores"]["4"]) == ["raw", "postprocessed"]
    assert tuple(summary["scores"]["4"]["raw"]) == NAMES
    assert list(summary["by_found"]) == ["0", "1", "2", "3", "4"]


def test_several_rs_are_told_apart():
    plan = Plan(samples=(2,), postprocess=(0.25, 0.5), seed=0)
    one = summary_of([scored(0, *both, plan=plan) for both in random_cases(1, plan=plan)], plan)
    assert list(one["scores"]["2"]) == ["raw", "postprocessed 0.25", "postprocessed 0.5"]
    assert list(one["reliability"]["2"]) == list(one["scores"]["2"])


def test_json_has_no_nan_and_an_undefined_mean_has_its_count():
    plan = Plan(samples=(1, 2), postprocess=(), seed=0)
    one_expert = [scored(i, *both, plan=plan) for i, both in enumerate(random_cases(3, k=1, plan=plan))]
    summary = summary_of(one_expert, plan, 1)
    json.dumps(summary, allow_nan=False)
    nothing = {"mean": None, "low": None, "high": None, "undefined": 3}
    assert summary["scores"]["1"]["raw"]["ged_u"] == nothing
    assert summary["scores"]["1"]["raw"]["diversity_model"] == nothing
    assert summary["scores"]["2"]["raw"]["diversity_experts"] == nothing
    assert summary["floor"] == {"1": {"ged_v": None, "ged_u": None}, "2": {"ged_v": None, "ged_u": None}}
    assert summary["over_floor"]["2"]["raw"]["ged_v"] == nothing
    assert summary["by_found"]["1"]["scores"]["1"]["raw"]["ged_u"] is None
    one_patient = summary["scores"]["2"]["raw"]["dice"]
    assert one_patient["mean"] is not None
    assert one_patient["low"] is None


def test_the_floor_is_the_experts_disagreement_over_k_and_over_n(cases, summary):
    diversity = np.mean([case.scores[0, NAMES.index("diversity_experts")] for case in cases])
    for n in PLAN.samples:
        assert summary["floor"][str(n)] == pytest.approx(
            {"ged_v": diversity / K + diversity / n, "ged_u": diversity / K}
        )
        for variant in ("raw", "postprocessed"):
            for name in ("ged_v", "ged_u"):
                over = summary["over_floor"][str(n)][variant][name]
                ged = summary["scores"][str(n)][variant][name]["mean"]
                assert over["mean"] == pytest.approx(ged - summary["floor"][str(n)][name])
                assert over["low"] < over["mean"] < over["high"]


def test_the_true_distribution_scores_the_floor_and_no_interval_is_needed_to_see_it():
    """Experts and samples from one coin that says lesion or none: E[GED] is the floor, by both estimators."""
    rng, plan = np.random.default_rng(3), Plan(samples=(4,), postprocess=(), seed=0)
    lesion = np.ones((1, 2, 2), bool)

    def toss(count):
        return lesion & (rng.random(count) < 0.6)[:, None, None]

    summary = summary_of([scored(i, toss(4), toss(4), f"patient {i}", plan) for i in range(1500)], plan)
    d = 2 * 0.6 * 0.4
    assert summary["floor"]["4"]["ged_v"] == pytest.approx(d / 4 + d / 4, rel=0.03)
    for name in ("ged_v", "ged_u"):
        over = summary["over_floor"]["4"]["raw"][name]
        assert over["low"] < 0 < over["high"]
        assert over["high"] - over["low"] < 0.06


def test_of_slices_that_somebody_marked_the_true_distribution_scores_less_than_the_floor_yet_above_0():
    """Panels in which nobody sees anything are not in the data: who sees is not independent (ADR 010)."""
    rows = []
    for index in range(150):
        case = phantom_case(index, 7, 64)
        rows.append(tally(case.draw_experts(16, 1), case.slice.masks).scores(16))
    ged, diversity = (np.array(rows)[:, NAMES.index(name)] for name in ("ged_u", "diversity_experts"))
    for gap in (diversity / K - ged, ged):
        assert gap.mean() > 4 * gap.std() / np.sqrt(len(gap))


def test_slices_are_averaged_by_how_many_experts_marked_them(cases, summary):
    for k in range(K + 1):
        of_k = [case for case in cases if case.n_found == k]
        found = summary["by_found"][str(k)]
        assert found["cases"] == len(of_k)
        for v, variant in enumerate(PLAN.variants):
            means = found["scores"][str(variant.n)][PLAN.key(variant)]
            assert tuple(means) == BY_FOUND
            for name in BY_FOUND:
                values = [case.scores[v, NAMES.index(name)] for case in of_k]
                assert means[name] == (pytest.approx(np.mean(values)) if values else None)
    assert sum(found["cases"] for found in summary["by_found"].values()) == len(cases)


def test_no_slice_of_a_kind_has_no_mean():
    summary = summary_of([scored(0, np.ones((4, 2, 2), bool), np.ones((4, 2, 2), bool))])
    assert summary["by_found"]["3"]["cases"] == 0
    assert set(summary["by_found"]["3"]["scores"]["4"]["raw"].values()) == {None}
    assert summary["by_found"]["4"]["scores"]["4"]["raw"]["dice"] == 1


def test_reliability_counts_pixels_by_masks_and_experts(masks, summary):
    pixels = np.zeros((5, K + 1), int)
    for samples, experts in masks:
        for row in range(samples.shape[1]):
            for column in range(samples.shape[2]):
                pixels[samples[:, row, column].sum(), experts[:, row, column].sum()] += 1
    assert summary["reliability"]["4"]["raw"]["pixels"] == pixels.tolist()
    assert [row["cases"] for row in summary["reliability"]["2"]["raw"]["presence"]] == [
        sum(samples[:2].any(axis=(1, 2)).sum() == i for samples, _ in masks) for i in range(3)
    ]


def test_pooled_calibration_is_that_of_one_image_made_of_all(masks, summary):
    samples, annotations = (np.concatenate(both, axis=2) for both in zip(*masks, strict=True))
    for n in PLAN.samples:
        found = summary["reliability"][str(n)]["raw"]
        assert found["ece"] == pytest.approx(expected_calibration_error(samples[:n], annotations))
        assert found["ece_union"] == pytest.approx(expected_calibration_error(samples[:n], annotations, "union"))


def test_pooled_calibration_of_sixteen_masks_has_ten_bins():
    plan = Plan(samples=(16,), postprocess=(), seed=0)
    masks = random_cases(5, plan=plan)
    samples, annotations = (np.concatenate(both, axis=2) for both in zip(*masks, strict=True))
    summary = summary_of([scored(i, *both, plan=plan) for i, both in enumerate(masks)], plan)
    assert summary["reliability"]["16"]["raw"]["ece"] == pytest.approx(expected_calibration_error(samples, annotations))


def test_presence_says_how_many_experts_see_a_lesion_where_so_many_masks_have_one():
    plan, lesion, none = Plan(samples=(2,), postprocess=(), seed=0), np.ones((2, 2), bool), np.zeros((2, 2), bool)
    both, one, nobody = [lesion, lesion], [lesion, none], [none, none]
    toys = [(both, both), (both, one), (one, both), (nobody, nobody), (nobody, one), (nobody, nobody)]
    summary = summary_of([scored(i, np.stack(s), np.stack(y), plan=plan) for i, (s, y) in enumerate(toys)], plan, 2)
    found = summary["reliability"]["2"]["raw"]
    assert found["presence"] == [
        {"cases": 3, "experts": pytest.approx(1 / 6)},
        {"cases": 1, "experts": 1},
        {"cases": 2, "experts": 3 / 4},
    ]
    # 4 pixels each: off by 0 - 1/2, 1/2 - 1 and 1 - 3/2 of 1, in units of masks.
    assert found["pixels"] == [[8, 4, 0], [0, 0, 4], [0, 4, 4]]
    assert found["ece"] == pytest.approx((12 * 1 / 6 + 4 * 1 / 2 + 8 * 1 / 4) / 24)
    assert found["ece_union"] == pytest.approx((4 * 1 / 2 + 4 * 1 / 2 + 8 * 1 / 4) / 16)


def test_nothing_marked_by_anybody_is_no_error_of_calibration():
    empty = np.zeros((4, 3, 3), bool)
    found = summary_of([scored(0, empty, empty)])["reliability"]["4"]["raw"]
    assert (found["ece"], found["ece_union"]) == (0, 0)
    assert found["presence"][0] == {"cases": 1, "experts": 0}
    assert found["presence"][1] == {"cases": 0, "experts": None}


@pytest.mark.parametrize("k", [4, 3])
def test_experts_beside_each_other_are_exactly_at_their_floor_and_draw_nothing(k):
    """One expert and K - 1 others: 2 D - D (K - 2) / (K - 1) = D + D / (K - 1)."""
    summary = summary_of(human_cases(k), HUMAN_PLAN, k)
    assert summary["floor"]["1"]["ged_v"] == pytest.approx(summary["scores"]["1"]["raw"]["ged_v"]["mean"])
    assert summary["over_floor"]["1"]["raw"]["ged_v"]["high"] == pytest.approx(0, abs=1e-12)
    assert summary["reliability"] == {"1": {"raw": None}}
    json.dumps(summary, allow_nan=False)


def test_a_single_expert_has_nobody_beside():
    summary = summary_of(human_cases(1), HUMAN_PLAN, 1)
    json.dumps(summary, allow_nan=False)
    assert {score["undefined"] for score in summary["scores"]["1"]["raw"].values()} == {9}
    assert summary["floor"]["1"]["ged_v"] is None


def test_memory_does_not_grow_with_the_cases(cases):
    many = cases * 80
    patients = [case.patient for case in many]
    tracemalloc.start()
    summary = Summary(PLAN, patients, K)
    born = tracemalloc.get_traced_memory()[0]
    for case in many:
        summary.add(case)
    grown = tracemalloc.get_traced_memory()[0] - born
    tracemalloc.stop()
    assert grown < 5_000


def test_what_was_not_scored_is_not_passed_over(cases):
    summary = Summary(PLAN, ["p", "p", "q"], K)
    summary.add(scored(0, *random_cases(1)[0], "q"))
    with pytest.raises(DataFormatError, match="2 of 3 cases have no scores"):
        summary.as_json()


def test_another_number_of_experts_is_refused():
    summary = Summary(PLAN, ["p"], K)
    with pytest.raises(DataFormatError, match="case 'case 0': has 3 experts, the cases before it 4"):
        summary.add(scored(0, *random_cases(1, k=3)[0]))


def test_an_infinite_score_is_refused(cases):
    bad = cases[0].scores.copy()
    bad[0, 0] = math.inf
    summary = Summary(PLAN, ["p"], K)
    with pytest.raises(DataFormatError, match="patient 'p' must have"):
        summary.add(CaseScores(0, "k", "p", K, 0, 0, bad, cases[0].votes))


def test_no_case_is_refused():
    with pytest.raises(DataFormatError, match="there is no case to score; choose a split that is not empty"):
        Summary(PLAN, [], K)
