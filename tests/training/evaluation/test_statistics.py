"""The bootstrap over patients: what it must ignore, what it must see, and its width against theory."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from training.errors import DataFormatError
from training.evaluation import bootstrap_mean


def test_the_mean_is_that_of_all_values():
    interval = bootstrap_mean([1, 2, 6], ["a", "a", "b"], seed=0)
    assert interval.mean == 3
    assert interval.undefined == 0
    assert interval.low <= 3 <= interval.high


def test_equal_values_leave_no_doubt():
    interval = bootstrap_mean([0.25] * 6, list("aabbcc"), seed=0)
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_showing_every_slice_twice_is_no_new_evidence():
    values, patients = np.random.default_rng(0).random(12), list("aabbbccddefg")
    once = bootstrap_mean(values, patients, seed=3)
    twice = bootstrap_mean(np.tile(values, 2), patients * 2, seed=3)
    assert twice.mean == pytest.approx(once.mean)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_slices_of_one_patient_count_as_one_patient():
    of_patient = np.random.default_rng(1).normal(size=30)
    values = np.repeat(of_patient, 10)
    by_patient = bootstrap_mean(values, [str(i // 10) for i in range(300)], seed=0)
    by_slice = bootstrap_mean(values, [str(i) for i in range(300)], seed=0)
    ratio = (by_patient.high - by_patient.low) / (by_slice.high - by_slice.low)
    assert ratio == pytest.approx(math.sqrt(10), rel=0.15)


def test_the_width_is_the_standard_error_of_many_independent_patients():
    values = np.random.default_rng(2).normal(size=400)
    interval = bootstrap_mean(values, [str(i) for i in range(400)], seed=0, n_resamples=4000)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(400), rel=0.08)


def test_undefined_values_are_left_out_and_counted():
    with_holes = bootstrap_mean([1, math.nan, 2, 6, math.nan], list("aaabc"), seed=5)
    without = bootstrap_mean([1, 2, 6], list("aab"), seed=5)
    assert (with_holes.mean, with_holes.low, with_holes.high) == (without.mean, without.low, without.high)
    assert with_holes.undefined == 2


def test_nothing_defined_has_no_mean():
    interval = bootstrap_mean([math.nan, math.nan], ["a", "b"], seed=0)
    assert math.isnan(interval.mean)
    assert interval.undefined == 2
    assert interval.as_json() == {"mean": None, "low": None, "high": None, "undefined": 2}


def test_one_patient_has_a_mean_but_no_interval():
    interval = bootstrap_mean([1, 3], ["a", "a"], seed=0)
    assert interval.as_json() == {"mean": 2, "low": None, "high": None, "undefined": 0}


def test_the_same_seed_gives_the_same_interval_and_json_can_hold_it():
    values, patients = np.random.default_rng(4).random(20), [str(i // 2) for i in range(20)]
    first, again = (bootstrap_mean(values, patients, seed=7) for _ in range(2))
    assert first == again
    assert first != bootstrap_mean(values, patients, seed=8)
    json.dumps(first.as_json(), allow_nan=False)


def test_resamples_do_not_depend_on_the_values():
    patients = [str(i) for i in range(10)]
    values = np.random.default_rng(5).random(10)
    plain, doubled = bootstrap_mean(values, patients, seed=1), bootstrap_mean(2 * values, patients, seed=1)
    assert (doubled.low, doubled.high) == pytest.approx((2 * plain.low, 2 * plain.high))


@pytest.mark.parametrize(("values", "patients"), [([1, 2], ["a"]), ([], []), ([[1, 2]], ["a"])])
def test_values_without_their_patients_are_refused(values, patients):
    with pytest.raises(DataFormatError, match="one value per case"):
        bootstrap_mean(values, patients, seed=0)
