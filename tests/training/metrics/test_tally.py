"""The tally: every score against the slow reference, against toy arrays, and where it is undefined."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.errors import ConfigError, DataFormatError
from training.metrics import (
    area_crps,
    brier_score,
    cimd_scores,
    compare,
    consensus_dice,
    d_max,
    expected_calibration_error,
    hungarian_iou,
    leave_one_out,
    normalized_cross_correlation,
    presence_brier,
    presence_error,
    soft_dice,
    tally,
)
from training.metrics.glossary import NAMES, SCORES
from training.metrics.overlap import count_pairs
from training.postprocess import relative_area, survivors

slow_scores = runpy.run_path(str(Path(__file__).with_name("slow_reference.py")))["scores"]


@st.composite
def cases(draw, most_samples=9, most_experts=6):
    """Samples, annotations and which samples are kept; many masks are empty, some repeat, many overlap."""
    n, k = draw(st.integers(1, most_samples)), draw(st.integers(1, most_experts))
    height, width = draw(st.sampled_from([(1, 1), (2, 3), (3, 5), (8, 8), (5, 13)]))
    common = draw(hnp.arrays(bool, (height, width)))
    masks = draw(hnp.arrays(bool, (n + k, height, width), elements=st.booleans(), fill=st.just(False)))
    kinds = draw(st.lists(st.sampled_from(["empty", "common", "own", "part", "full"]), min_size=n + k, max_size=n + k))
    for mask, kind in zip(masks, kinds, strict=True):
        if kind != "own":
            mask[:] = {"empty": False, "common": common, "part": common & mask, "full": True}[kind]
    kept = draw(st.none() | hnp.arrays(bool, n))
    return masks[:n], masks[n:], kept


def expected(samples, annotations):
    found = slow_scores(samples, annotations)
    assert tuple(found) == NAMES
    return np.array([math.nan if value is None else value for value in found.values()])


def scored(samples, annotations, **settings):
    return dict(zip(NAMES, tally(samples, annotations).scores(**settings), strict=True))


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_every_score_equals_the_slow_reference_of_the_first_samples_raw_and_emptied(case, data):
    samples, annotations, kept = case
    counted = tally(samples, annotations)
    np.testing.assert_allclose(counted.scores(), expected(samples, annotations), rtol=0, atol=1e-9)
    n = data.draw(st.integers(1, len(samples)))
    part = samples[:n].copy()
    if kept is not None:
        kept = kept[:n]
        part[~kept] = False
    np.testing.assert_allclose(counted.scores(n, kept), expected(part, annotations), rtol=0, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_one_tally_gives_bit_for_bit_what_counting_the_changed_masks_anew_gives(case):
    samples, annotations, kept = case
    kept = np.ones(len(samples), bool) if kept is None else kept
    counted, emptied = tally(samples, annotations), samples & kept[:, None, None]
    np.testing.assert_array_equal(counted.scores(kept=kept), tally(emptied, annotations).scores())
    np.testing.assert_array_equal(counted.votes(kept=kept), tally(emptied, annotations).votes())
    for n in range(1, len(samples) + 1):
        np.testing.assert_array_equal(counted.scores(n, kept[:n]), tally(emptied[:n], annotations).scores())


@settings(max_examples=60, deadline=None)
@given(cases())
def test_counts_and_votes_equal_those_of_single_pixels(case):
    samples, annotations, _ = case
    counted, n, k = tally(samples, annotations), len(samples), len(annotations)
    votes = np.zeros((n + 1, k + 1), int)
    for row in range(samples.shape[1]):
        for column in range(samples.shape[2]):
            votes[samples[:, row, column].sum(), annotations[:, row, column].sum()] += 1
    np.testing.assert_array_equal(counted.votes(), votes)
    assert counted.votes().dtype == counted.areas.dtype == counted.expert_areas.dtype == np.int64
    assert counted.areas.tolist() == [mask.sum() for mask in samples]
    assert counted.expert_areas.tolist() == [mask.sum() for mask in annotations]
    assert (counted.n_samples, counted.n_experts, counted.n_pixels) == (n, k, samples[0].size)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_functions_of_masks_are_the_tallys_scores(case):
    samples, annotations, _ = case
    found, pairs, cimd = scored(samples, annotations), compare(samples, annotations), cimd_scores(samples, annotations)
    sets = (samples, annotations)
    np.testing.assert_equal(
        {
            "ged_v": pairs.ged("V").value,
            "ged_u": pairs.ged("U").value if len(samples) > 1 else math.nan,
            "ged_cross": pairs.ged("V").cross,
            "ged_samples": pairs.ged("V").within_samples,
            "ged_experts": pairs.ged("V").within_experts,
            "dice": pairs.dice,
            "iou": pairs.iou,
            "soft_dice": soft_dice(*sets),
            "consensus_dice": consensus_dice(*sets),
            "hm_iou": hungarian_iou(*sets),
            "d_max": d_max(*sets),
            "diversity_model": pairs.sample_diversity,
            "diversity_experts": pairs.expert_diversity,
            "empty_model": 1 - samples.any(axis=(1, 2)).sum() / len(samples),
            "empty_experts": 1 - annotations.any(axis=(1, 2)).sum() / len(annotations),
            "presence_error": presence_error(*sets),
            "presence_brier": presence_brier(*sets),
            "area_crps": area_crps(*sets),
            "ncc": normalized_cross_correlation(*sets),
            "ece": expected_calibration_error(*sets),
            "ece_union": expected_calibration_error(*sets, region="union"),
            "brier": brier_score(*sets),
            "brier_union": brier_score(*sets, region="union"),
            "cimd_sc": cimd.sc,
            "cimd_da": cimd.da,
            "cimd_ci": cimd.ci,
        },
        found,
    )


@settings(max_examples=150, deadline=None)
@given(cases())
def test_a_score_is_undefined_only_where_the_documentation_says_so(case):
    samples, annotations, _ = case
    undefined = {name for name, value in scored(samples, annotations).items() if math.isnan(value)}
    single = {"ged_u", "diversity_model"} if len(samples) == 1 else set()
    lone = {"diversity_experts"} if len(annotations) == 1 else set()
    share = samples.mean(axis=0)
    across = [np.abs(share - expert) for expert in annotations]
    constant = {"ncc"} if any(np.ptp(m) < 1e-9 for m in (share * (1 - share), *across)) else set()
    assert undefined == single | lone | constant


@settings(max_examples=80, deadline=None)
@given(cases())
def test_scores_stay_within_their_ranges(case):
    found = scored(*case[:2])
    pixels = case[0][0].size
    widest = {"ged_v": (0, 2), "ged_u": (-1, 2), "area_crps": (0, pixels), "ncc": (-1, 1)}
    for name, value in found.items():
        low, high = widest.get(name, (0, 1))
        assert math.isnan(value) or low - 1e-12 <= value <= high + 1e-12, name


def test_post_processing_of_one_tally_is_post_processing_of_the_masks():
    rng = np.random.default_rng(5)
    samples, annotations = rng.random((9, 11, 13)) < rng.random((9, 1, 1)), rng.random((3, 11, 13)) < 0.4
    counted = tally(samples, annotations)
    for n in (1, 4, 9):
        for r in (0.0, 0.5, 0.9, 1.0):
            kept = survivors(counted.areas[:n], r)
            changed = relative_area(samples[:n], r)
            np.testing.assert_array_equal(counted.scores(n, kept), tally(changed, annotations).scores())


def test_the_order_of_masks_and_of_pixels_does_not_matter():
    rng = np.random.default_rng(6)
    masks = rng.random((9, 6, 7)) < rng.random((9, 1, 1))
    counted = tally(masks[:5], masks[5:]).scores()
    shuffled = tally(masks[:5][rng.permutation(5)], masks[5:][::-1]).scores()
    np.testing.assert_allclose(shuffled, counted, rtol=0, atol=1e-12)
    moved = masks.reshape(9, -1)[:, rng.permutation(42)].reshape(9, 7, 6)
    np.testing.assert_array_equal(tally(moved[:5], moved[5:]).scores(), counted)


def test_repeating_both_sets_changes_only_what_depends_on_their_number():
    rng = np.random.default_rng(7)
    masks = rng.random((8, 6, 7)) < 0.4
    once = tally(masks[:4], masks[4:]).scores()
    twice = tally(np.concatenate([masks[:4]] * 2), np.concatenate([masks[4:]] * 2)).scores()
    same = [name not in ("ged_u", "diversity_model", "diversity_experts") for name in NAMES]
    np.testing.assert_allclose(twice[same], once[same], rtol=0, atol=1e-12)


def test_empty_pixels_around_the_masks_change_only_what_is_over_the_whole_image():
    rng = np.random.default_rng(8)
    masks = rng.random((7, 5, 6)) < 0.4
    wide = np.pad(masks, ((0, 0), (3, 0), (4, 1)))
    narrow, padded = scored(masks[:4], masks[4:]), scored(wide[:4], wide[4:])
    changed = {name for name in NAMES if narrow[name] != padded[name]}
    assert changed == {"ncc", "ece", "brier"}


def test_u_is_v_with_the_self_pairs_taken_out():
    rng = np.random.default_rng(9)
    samples, annotations = rng.random((6, 5, 6)) < 0.4, rng.random((3, 5, 6)) < 0.4
    for n in (2, 3, 6):
        found = scored(samples, annotations, n=n)
        assert found["ged_v"] - found["ged_u"] == pytest.approx(found["diversity_model"] / n, abs=1e-12)
        assert found["ged_samples"] == pytest.approx(found["diversity_model"] * (n - 1) / n, abs=1e-12)


@pytest.mark.parametrize(("n", "k"), [(100, 4), (130, 2), (300, 1), (1, 30), (70, 30)])
def test_many_masks_are_counted_like_few(n, k):
    rng = np.random.default_rng(n)
    masks = rng.random((n + k, 9, 7)) < rng.random((n + k, 1, 1))
    masks[::7] = False
    counted = tally(masks[:n], masks[n:])
    flat = masks.reshape(n + k, -1).astype(int)
    np.testing.assert_array_equal(counted.shared, flat @ flat.T)
    votes = np.zeros((n + 1, k + 1), int)
    np.add.at(votes, (flat[:n].sum(0), flat[n:].sum(0)), 1)
    np.testing.assert_array_equal(counted.votes(), votes)
    found = scored(masks[:n], masks[n:])
    assert found["brier"] == pytest.approx(((flat[:n].mean(0) - flat[n:]) ** 2).mean(), abs=1e-12)
    assert np.isfinite(found["hm_iou"])


def test_a_few_scores_cost_no_others_and_come_in_the_order_asked_for():
    rng = np.random.default_rng(10)
    counted = tally(rng.random((5, 6, 7)) < 0.4, rng.random((3, 6, 7)) < 0.4)
    whole = dict(zip(NAMES, counted.scores(), strict=True))
    asked = ("brier", "ged_v", "cimd_ci")
    np.testing.assert_array_equal(counted.scores(names=asked), [whole[name] for name in asked])
    with pytest.raises(ConfigError, match="unknown score 'gedv'"):
        counted.scores(names=("ged_v", "gedv"))


def test_what_is_returned_may_be_changed_without_changing_the_tally():
    counted = tally(np.ones((2, 2, 2), bool), np.ones((2, 2, 2), bool))
    counted.scores()[:] = 7
    assert counted.scores()[0] == 0


def test_sets_that_cannot_be_counted_are_refused_in_one_line():
    good = np.ones((2, 4, 4), bool)
    for bad, named in [
        (np.ones((2, 4, 4)), "float64"),
        (np.ones((2, 4, 4), np.uint8), "uint8"),
        (np.full((2, 4, 4), np.nan), "float64"),
        (good[:0], r"\(0, 4, 4\)"),
        (good[0], r"\(4, 4\)"),
        (good[:, :0], r"\(2, 0, 4\)"),
        ([[[True]]], "list"),
        (None, "NoneType"),
    ]:
        for sets, which in (((bad, good), "samples"), ((good, bad), "annotations")):
            with pytest.raises(DataFormatError, match=f"{which}: .*{named}") as caught:
                tally(*sets)
            assert "\n" not in str(caught.value)
        with pytest.raises(DataFormatError, match=named):
            leave_one_out(bad)
    with pytest.raises(DataFormatError, match=r"\(2, 4, 4\) and bool \(2, 4, 1\)"):
        tally(good, good[:, :, :1])


@pytest.mark.parametrize("n", [0, -1, 4])
def test_more_samples_than_drawn_are_refused(n):
    with pytest.raises(ConfigError, match=f"{n} samples are impossible; choose 1 to 3"):
        tally(np.ones((3, 2, 2), bool), np.ones((1, 2, 2), bool)).scores(n)


@pytest.mark.parametrize("kept", [np.ones(3, bool), np.ones(2, int), [True, False], np.ones((2, 1), bool)])
def test_a_choice_of_samples_that_does_not_fit_is_refused(kept):
    with pytest.raises(DataFormatError, match=r"bool array of shape \(2,\)"):
        tally(np.ones((3, 2, 2), bool), np.ones((1, 2, 2), bool)).scores(2, kept)


@settings(max_examples=50, deadline=None)
@given(cases(most_samples=1, most_experts=5))
def test_the_human_row_is_the_mean_over_experts_each_left_out_in_turn(case):
    annotations = case[1]
    if len(annotations) == 1:
        assert np.isnan(leave_one_out(annotations)).all()
        return
    rows = [expected(annotations[j][None], np.delete(annotations, j, axis=0)) for j in range(len(annotations))]
    np.testing.assert_allclose(leave_one_out(annotations), np.mean(rows, axis=0), rtol=0, atol=1e-9)


def test_what_a_single_human_mask_does_not_have_is_undefined_in_the_human_row():
    rng = np.random.default_rng(11)
    annotations = rng.random((4, 5, 6)) < 0.4
    undefined = {name for name, value in zip(NAMES, leave_one_out(annotations), strict=True) if math.isnan(value)}
    assert undefined == {"ged_u", "diversity_model", "ncc"}
    undefined = {name for name, value in zip(NAMES, leave_one_out(annotations[:2]), strict=True) if math.isnan(value)}
    assert undefined == {"ged_u", "diversity_model", "ncc", "diversity_experts"}


def mean_over_draws(n, p=0.3):
    """Exact means of all scores over n draws that mark a lesion with probability p, over all 2^n outcomes."""
    lesion, larger, nothing = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 1]], bool), np.zeros((1, 4), bool)
    annotations = np.stack([lesion, larger, nothing])
    choices = [(lesion, p), (larger, 0.5 - p / 2), (nothing, 0.5 - p / 2)]
    total = np.zeros(len(NAMES))
    for code in range(3**n):
        drawn = [choices[code // 3**i % 3] for i in range(n)]
        chance = math.prod(probability for _, probability in drawn)
        total += chance * tally(np.stack([mask for mask, _ in drawn]), annotations).scores()
    return dict(zip(NAMES, total, strict=True))


def test_the_glossary_says_which_scores_change_with_n_by_themselves():
    few, more = mean_over_draws(2), mean_over_draws(5)
    for name, score in SCORES.items():
        if name == "ncc":  # undefined for some outcomes, so that its exact mean is no number
            continue
        assert (abs(few[name] - more[name]) > 1e-4) == score.changes_with_n, name


@pytest.mark.parametrize(("n", "v"), [(4, 0.125), (16, 0.03125)])
def test_the_bias_of_v_falls_as_one_over_n_for_a_perfect_model_of_a_coin(n, v):
    # Half of the population marks one pixel, half nothing: D = 1/2; experts one of each.
    pixel, nothing = np.array([[True, False]]), np.array([[False, False]])
    mean_v = mean_u = 0.0
    for heads in range(n + 1):
        drawn = np.stack([pixel] * heads + [nothing] * (n - heads))
        found = scored(drawn, np.stack([pixel, nothing]))
        chance = math.comb(n, heads) / 2**n
        mean_v, mean_u = mean_v + chance * found["ged_v"], mean_u + chance * found["ged_u"]
    assert mean_v == pytest.approx(v, abs=1e-12)  # GED_inf = 0, and D / n
    assert mean_u == pytest.approx(0, abs=1e-12)


def test_bytes_other_than_one_that_are_viewed_as_bool_count_once():
    masks = np.random.default_rng(3).random((7, 9, 11)) < 0.4
    odd = (masks.view(np.uint8) * 3).view(bool)
    np.testing.assert_array_equal(tally(odd[:4], odd[4:]).scores(), tally(masks[:4], masks[4:]).scores())


@pytest.mark.parametrize("n", [2.5, "2", True, 0, 5])
def test_a_number_of_samples_that_is_none_is_refused(n):
    masks = np.ones((7, 4, 4), bool)
    with pytest.raises(ConfigError, match="choose 1 to 4"):
        tally(masks[:4], masks[4:]).scores(n)


def test_pairs_counted_by_popcount_are_those_of_the_tally():
    masks = np.random.default_rng(5).random((9, 13, 17)) < 0.3
    masks[2] = False
    counted = count_pairs(masks, masks)
    of_case = tally(masks[:5], masks[5:])
    np.testing.assert_array_equal(of_case.shared, counted.shared)
    np.testing.assert_array_equal(of_case.iou, counted.iou)
