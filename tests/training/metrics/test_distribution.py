"""GED, Hungarian IoU, D_max and diversity: closed forms first, then an independent slow reference."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linprog

from training.errors import ConfigError, DataFormatError
from training.metrics import (
    compare,
    d_max,
    diversity,
    ged_terms,
    generalized_energy_distance,
    hungarian_iou,
    pairwise_dice,
    pairwise_iou,
)
from training.metrics.comparison import Comparison

NOTHING = np.zeros((1, 2), bool)
PIXEL = np.array([[True, False]])
BOTH_PIXELS = np.array([[True, True]])

two_sets = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda nk: st.tuples(hnp.arrays(bool, (nk[0], 2, 3)), hnp.arrays(bool, (nk[1], 2, 3)))
)


def slow_distance(a, b):
    a, b = set(a.ravel().nonzero()[0]), set(b.ravel().nonzero()[0])
    return 1 - len(a & b) / len(a | b) if a | b else 0.0


def slow_mean(a, b, self_pairs=True):
    distances = [slow_distance(x, y) for i, x in enumerate(a) for j, y in enumerate(b) if self_pairs or i != j]
    return sum(distances) / len(distances)


@settings(max_examples=80, deadline=None)
@given(two_sets)
def test_ged_equals_the_slow_reference(sets):
    samples, annotations = sets
    for estimator, self_pairs in (("V", True), ("U", False)):
        if estimator == "U" and len(samples) == 1:
            continue
        terms = ged_terms(samples, annotations, estimator)
        cross = slow_mean(samples, annotations)
        within_samples = slow_mean(samples, samples, self_pairs)
        within_experts = slow_mean(annotations, annotations)
        assert terms.cross == pytest.approx(cross, abs=1e-12)
        assert terms.within_samples == pytest.approx(within_samples, abs=1e-12)
        assert terms.within_experts == pytest.approx(within_experts, abs=1e-12)
        assert terms.value == pytest.approx(2 * cross - within_samples - within_experts, abs=1e-12)
        assert (terms.n_samples, terms.n_experts) == (len(samples), len(annotations))
        assert terms.estimator == estimator


@settings(max_examples=200, deadline=None)
@given(two_sets)
def test_ged_v_is_never_negative_and_at_most_two(sets):
    value = generalized_energy_distance(*sets, estimator="V")
    assert -1e-12 <= value <= 2


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.just(2), st.just(3))))
def test_drawing_each_expert_once_gives_no_distance(annotations):
    assert generalized_energy_distance(annotations[::-1], annotations) == pytest.approx(0, abs=1e-12)
    assert hungarian_iou(annotations[::-1], annotations) == pytest.approx(1)
    assert d_max(annotations[::-1], annotations) == 1


def test_toy_sets_have_their_exact_ged():
    samples, annotations = np.stack([NOTHING, PIXEL]), np.stack([PIXEL, BOTH_PIXELS])
    # d: nothing-pixel 1, nothing-both 1, pixel-pixel 0, pixel-both 1/2
    v, u = ged_terms(samples, annotations, "V"), ged_terms(samples, annotations, "U")
    assert (v.cross, v.within_samples, v.within_experts) == (2.5 / 4, 2 / 4, 1 / 4)
    assert (u.cross, u.within_samples, u.within_experts) == (2.5 / 4, 1, 1 / 4)
    assert v.value == 0.5
    assert u.value == 0


def test_empty_against_empty_is_no_distance_and_empty_against_a_lesion_is_the_largest():
    nothing, lesions = np.stack([NOTHING] * 3), np.stack([PIXEL] * 2)
    assert generalized_energy_distance(nothing, nothing) == 0
    assert generalized_energy_distance(nothing, lesions) == 2


def expected_ged(p, n, estimator):
    """Exact mean of GED over n draws that are PIXEL with probability p: a sum over the number of PIXELs."""
    mean = 0.0
    for k in range(n + 1):
        samples = np.stack([PIXEL] * k + [NOTHING] * (n - k))
        chance = math.comb(n, k) * p**k * (1 - p) ** (n - k)
        mean += chance * generalized_energy_distance(samples, np.stack([PIXEL, NOTHING]), estimator)
    return mean


@pytest.mark.parametrize("p", [0.5, 0.2])
@pytest.mark.parametrize("n", [2, 4, 16])
def test_the_v_estimator_is_too_large_by_the_samples_distance_over_n_and_u_is_not(p, n):
    distance_of_draws = 2 * p * (1 - p)
    limit = 2 * 0.5 - distance_of_draws - 0.5  # cross term 1/2 whatever p; experts with self-pairs 1/2
    assert expected_ged(p, n, "V") == pytest.approx(limit + distance_of_draws / n, abs=1e-12)
    assert expected_ged(p, n, "U") == pytest.approx(limit, abs=1e-12)


def test_u_needs_two_samples_and_an_unknown_estimator_is_named():
    annotations = np.stack([PIXEL, NOTHING])
    with pytest.raises(ConfigError, match="n >= 2, got 1"):
        ged_terms(annotations[:1], annotations, "U")
    with pytest.raises(ConfigError, match="'W'"):
        ged_terms(annotations, annotations, "W")


def transport_iou(samples, annotations):
    """Optimal transport between two uniformly weighted sets, as a linear programme: no copies, no matching."""
    n, k = len(samples), len(annotations)
    gain = np.array([[1 - slow_distance(s, y) for y in annotations] for s in samples])
    rows = [np.repeat(np.eye(n)[i], k) for i in range(n)] + [np.tile(np.eye(k)[j], n) for j in range(k)]
    plan = linprog(-gain.ravel(), A_eq=np.array(rows), b_eq=[1 / n] * n + [1 / k] * k, bounds=(0, None))
    assert plan.success
    return -plan.fun


@settings(max_examples=40, deadline=None)
@given(two_sets)
def test_hungarian_iou_is_optimal_transport_between_the_sets(sets):
    assert hungarian_iou(*sets) == pytest.approx(transport_iou(*sets), abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(two_sets, st.integers(2, 3))
def test_repeating_a_set_changes_neither_hungarian_iou_nor_ged_v(sets, times):
    samples, annotations = sets
    repeated = np.concatenate([samples] * times)
    assert hungarian_iou(repeated, annotations) == pytest.approx(hungarian_iou(samples, annotations), abs=1e-12)
    assert hungarian_iou(samples, np.concatenate([annotations] * times)) == pytest.approx(
        hungarian_iou(samples, annotations), abs=1e-12
    )
    assert generalized_energy_distance(repeated, annotations) == pytest.approx(
        generalized_energy_distance(samples, annotations), abs=1e-12
    )


def test_hungarian_iou_is_not_the_best_subset_of_the_samples():
    samples, annotations = np.stack([PIXEL, PIXEL, NOTHING, NOTHING]), np.stack([PIXEL])
    assert hungarian_iou(samples, annotations) == 0.5


def test_d_max_takes_the_closest_sample_of_each_expert():
    samples, annotations = np.stack([PIXEL, NOTHING]), np.stack([BOTH_PIXELS, NOTHING, PIXEL])
    assert d_max(samples, annotations) == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert d_max(annotations, samples) == 1


def test_diversity_averages_different_pairs_only():
    assert diversity(np.stack([NOTHING, PIXEL, BOTH_PIXELS])) == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert diversity(np.stack([PIXEL, PIXEL])) == 0
    assert math.isnan(diversity(PIXEL[None]))


@settings(max_examples=40, deadline=None)
@given(two_sets, st.integers(1, 5))
def test_the_first_samples_of_a_comparison_are_what_they_are_alone(sets, n):
    samples, annotations = sets
    assume(n <= len(samples))
    part, alone = compare(samples, annotations).first(n), compare(samples[:n], annotations)
    assert part.ged("V") == alone.ged("V")
    assert part.hungarian_iou == alone.hungarian_iou
    assert (part.d_max, part.dice, part.iou) == (alone.d_max, alone.dice, alone.iou)
    np.testing.assert_equal(part.sample_diversity, alone.sample_diversity)  # NaN for n = 1
    np.testing.assert_equal(part.expert_diversity, diversity(annotations))


def test_mean_dice_and_iou_run_over_all_pairs():
    samples, annotations = np.random.default_rng(0).random((2, 3, 6, 6)) < 0.5
    assert compare(samples, annotations[:2]).dice == pytest.approx(pairwise_dice(samples, annotations[:2]).mean())
    assert compare(samples, annotations[:2]).iou == pytest.approx(pairwise_iou(samples, annotations[:2]).mean())


def test_the_order_of_the_masks_does_not_matter():
    masks = np.random.default_rng(3).random((7, 5, 5)) < 0.4
    samples, annotations = masks[:4], masks[4:]
    for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 5):
        shuffled = samples[list(order)]
        for score in (generalized_energy_distance, hungarian_iou, d_max):
            assert score(shuffled, annotations[::-1]) == pytest.approx(score(samples, annotations), abs=1e-12)


@pytest.mark.parametrize("score", [ged_terms, generalized_energy_distance, hungarian_iou, d_max])
def test_sets_that_cannot_be_compared_are_refused_by_name(score):
    good = np.ones((2, 4, 4), bool)
    with pytest.raises(DataFormatError, match=r"samples: .*float64"):
        score(np.ones((2, 4, 4)), good)
    with pytest.raises(DataFormatError, match=r"annotations: .*\(0, 4, 4\)"):
        score(good, good[:0])
    with pytest.raises(DataFormatError, match=r"\(2, 4, 4\) and bool \(2, 4, 1\)"):
        score(good, good[:, :, :1])


@pytest.mark.parametrize(("n", "k"), [(16, 4), (7, 5), (63, 4), (50, 30), (101, 3)])
def test_transport_and_the_matching_of_copies_are_one_number(n, k, monkeypatch):
    iou = np.round(np.random.default_rng(n).random((n, k)), 2)
    pairs = Comparison(iou, iou, np.eye(n), np.eye(k))
    monkeypatch.setattr("training.metrics.comparison._LARGEST_MATCHING", 10_000)
    matched = pairs.hungarian_iou
    monkeypatch.setattr("training.metrics.comparison._LARGEST_MATCHING", 0)
    assert pairs.hungarian_iou == pytest.approx(matched, abs=1e-9)


def test_many_samples_of_a_number_that_is_coprime_to_that_of_the_experts_take_no_time_or_memory():
    iou = np.full((301, 30), 0.25)
    assert Comparison(iou, iou, np.eye(301), np.eye(30)).hungarian_iou == pytest.approx(0.25)


def test_a_model_less_diverse_than_independent_experts_can_be_below_the_floor_of_v_but_not_of_u():
    """Four experts who each see one lesion with p = 0.9, exactly: all panels and sets of samples by their weights."""
    p, k, n = 0.9, 4, 4
    expected = dict.fromkeys([("truth", "V"), ("truth", "U"), ("always", "V"), ("always", "U")], 0.0)
    for seen in range(k + 1):
        panel = (np.arange(k) < seen)[:, None, None]
        of_panel = math.comb(k, seen) * p**seen * (1 - p) ** (k - seen)
        for drawn in range(n + 1):
            samples = (np.arange(n) < drawn)[:, None, None]
            chance = {"truth": math.comb(n, drawn) * p**drawn * (1 - p) ** (n - drawn), "always": float(drawn == n)}
            for model, estimator in expected:
                ged = generalized_energy_distance(samples, panel, estimator)
                expected[model, estimator] += of_panel * chance[model] * ged
    diversity = 2 * p * (1 - p)
    assert expected["truth", "V"] == pytest.approx(diversity / k + diversity / n)
    assert expected["truth", "U"] == pytest.approx(diversity / k)
    assert expected["always", "V"] == expected["always", "U"] == pytest.approx(0.065)
