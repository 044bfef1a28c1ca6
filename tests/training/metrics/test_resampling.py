"""The range of one case's GED: against loops, about the estimate, and holding the truth as often as it should."""

import math
from statistics import mean

import numpy as np
import pytest

import training.metrics.resampling as module
from training.errors import ConfigError
from training.metrics import Comparison, compare, ged_interval

BOTH = pytest.mark.parametrize("estimator", ["U", "V"])


def case_of(n, k=4, seed=0, side=12):
    """Overlaps of shifted boxes, some of them empty."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((n + k, side, side), bool)
    for mask in masks:
        (top, left), (height, width) = generator.integers(0, side // 2, 2), generator.integers(2, 7, 2)
        mask[top : top + height, left : left + width] = generator.random() < 0.8
    return compare(masks[:n], masks[n:])


def by_loops(pairs, estimator, times):
    """The GED of the samples of which each occurs so many times, by its definition in metrics.md, pair by pair."""
    n, k = pairs.cross_iou.shape
    drawn = [i for i, count in enumerate(times) for _ in range(int(count))]
    cross = mean(1 - pairs.cross_iou[i, j] for i in drawn for j in range(k))
    experts = mean(1 - pairs.expert_iou[i, j] for i in range(k) for j in range(k))
    different = [1 - pairs.sample_iou[i, j] for i in drawn for j in drawn if i != j]
    if not different:
        different = [1 - pairs.sample_iou[i, j] for i in range(n) for j in range(n) if i != j]
    within = mean(different)
    return 2 * cross - within * (1 if estimator == "U" else (n - 1) / n) - experts


@BOTH
@pytest.mark.parametrize("n", [4, 5, 9])
def test_it_is_the_percentiles_of_the_geds_of_the_resamples(n, estimator):
    """With n = 4 some of the 200 resamples are one sample four times."""
    pairs = case_of(n)
    times = module._times_drawn(n, 200, 3)
    assert (times.sum(axis=1) == n).all()
    assert n > 4 or times.max() == 4
    expected = np.percentile([by_loops(pairs, estimator, row) for row in times], [2.5, 97.5])
    np.testing.assert_allclose(ged_interval(pairs, estimator, n_resamples=200, seed=3), expected, atol=1e-12)


@BOTH
@pytest.mark.parametrize("n", [4, 16])
def test_the_resamples_lie_about_the_estimate_itself(n, estimator):
    """Their mean, so that nothing was shifted by counting a repeated sample as two that agree."""
    pairs = case_of(n, seed=2)
    estimate = pairs.ged(estimator).value
    values = [by_loops(pairs, estimator, row) for row in module._times_drawn(n, 2000, 0)]
    assert abs(mean(values) - estimate) < 4 * np.std(values) / math.sqrt(len(values))
    low, high = ged_interval(pairs, estimator)
    assert low < estimate < high


def test_both_ranges_are_apart_by_about_the_penalty_for_few_samples():
    pairs = case_of(16, seed=1)
    u, v = ged_interval(pairs, "U"), ged_interval(pairs, "V")
    np.testing.assert_allclose(np.subtract(v, u), pairs.sample_diversity / 16, atol=0.02)


def truth(kind, generator, m=400):
    """Distances in a population of m possible samples, and to and among experts: lesions along a line, or none."""

    def distances(a, b):
        (x, x_empty), (y, y_empty) = a, b
        apart = 1 - np.exp(-np.abs(x[:, None] - y))
        return np.where(x_empty[:, None] & y_empty, 0.0, np.where(x_empty[:, None] ^ y_empty, 1.0, apart))

    places = generator.normal(0, 1, m) * (kind != "presence")
    model = places, generator.random(m) < 0.4
    experts = model if kind == "perfect" else (generator.normal(0.5, 1, 4), np.array([False, False, False, True]))
    return distances(model, model), distances(model, experts), distances(experts, experts)


@pytest.mark.parametrize("kind", ["places", "presence", "perfect"])
@pytest.mark.parametrize("n", [4, 16, 64])
def test_the_range_holds_what_endless_sampling_would_give(kind, n):
    """In 95 of 100 cases it should; 4 samples of a yes or no hold it in 85."""
    generator = np.random.default_rng(5)
    within, cross, experts = truth(kind, generator)
    endless = 2 * cross.mean() - within.mean() - experts.mean()
    held = {"U": 0, "V": 0}
    for case in range(200):
        drawn = generator.integers(len(cross), size=n)
        pairs = Comparison(1 - cross[drawn], 1 - cross[drawn], 1 - within[np.ix_(drawn, drawn)], 1 - experts)
        for estimator, expected in (("U", endless), ("V", endless + within.mean() / n)):
            low, high = ged_interval(pairs, estimator, seed=case, n_resamples=400)
            held[estimator] += low <= expected <= high
    assert min(held.values()) >= 200 * (0.78 if n == 4 else 0.88)


def test_more_samples_give_a_narrower_range():
    widths = [high - low for low, high in (ged_interval(case_of(n, seed=4)) for n in (6, 24, 96))]
    assert widths[0] > widths[1] > widths[2]


def test_the_seed_names_the_range():
    pairs = case_of(8)
    assert ged_interval(pairs, seed=1) == ged_interval(pairs, seed=1) != ged_interval(pairs, seed=2)


@BOTH
@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_fewer_than_four_samples_there_is_no_range(n, estimator):
    assert all(map(math.isnan, ged_interval(case_of(n), estimator)))


def test_samples_that_are_all_alike_give_their_value():
    pairs = compare(np.zeros((6, 5, 5), bool), np.eye(5, dtype=bool)[None])
    assert ged_interval(pairs, "U") == ged_interval(pairs, "V") == (2.0, 2.0)


@pytest.mark.parametrize("n", [1, 6])
def test_impossible_wishes_are_refused(n):
    with pytest.raises(ConfigError, match="unknown GED estimator 'W'"):
        ged_interval(case_of(n), "W")
    with pytest.raises(ConfigError, match="at least 1 resample is needed, got 0"):
        ged_interval(case_of(n), n_resamples=0)
