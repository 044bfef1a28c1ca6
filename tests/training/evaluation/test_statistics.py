"""The bootstrap over patients: what it must ignore, what it must see, and its width against theory."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest

from training.errors import DataFormatError
from training.evaluation.statistics import PatientSums, bootstrap_mean


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


def summed(values, patients):
    """The sums of cases (n, width)."""
    sums = PatientSums(patients, np.shape(values)[1])
    for patient, row in zip(patients, np.asarray(values, float), strict=True):
        sums.add(patient, row)
    return sums


def require_equal_to_the_reference(values, patients, **how):
    for interval, column in zip(summed(values, patients).intervals(**how), np.transpose(values), strict=True):
        slow = bootstrap_mean(column, patients, **({"seed": 0} | how))
        fast, slow = (np.array([x.mean, x.low, x.high, x.undefined]) for x in (interval, slow))
        np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)


def patients_of(n_cases, n_patients, seed=0):
    return [f"patient {p}" for p in np.random.default_rng(seed).integers(n_patients, size=n_cases)]


@pytest.mark.parametrize(("n_cases", "n_patients"), [(2, 2), (60, 7), (300, 90), (900, 700)])
@pytest.mark.parametrize("seed", [0, 5])
def test_sums_give_the_intervals_of_all_values(n_cases, n_patients, seed):
    values = np.random.default_rng(n_cases).normal(size=(n_cases, 5))
    require_equal_to_the_reference(values, patients_of(n_cases, n_patients), seed=seed, n_resamples=300)


def test_sums_leave_out_what_is_undefined_each_column_for_itself():
    rng = np.random.default_rng(8)
    values, patients = rng.normal(size=(200, 6)), patients_of(200, 40)
    values[rng.random(200) < 0.2, 0] = math.nan  # some cases of most patients
    values[np.isin(patients, ["patient 3", "patient 9"]), 1:3] = math.nan  # two patients, in two columns
    values[~np.isin(patients, ["patient 5"]), 3] = math.nan  # all patients but one
    values[:, 4] = math.nan
    require_equal_to_the_reference(values, patients)
    intervals = summed(values, patients).intervals()
    assert [interval.undefined for interval in intervals] == np.isnan(values).sum(axis=0).tolist()
    assert math.isnan(intervals[3].low)
    assert not math.isnan(intervals[3].mean)
    assert math.isnan(intervals[4].mean)


def test_sums_do_not_depend_on_how_the_work_is_cut(monkeypatch):
    values, patients = np.random.default_rng(6).random((400, 3)), patients_of(400, 130)
    whole = summed(values, patients).intervals()
    monkeypatch.setattr("training.evaluation.statistics._BLOCK", 1000)  # seven resamples at a time
    assert summed(values, patients).intervals() == whole  # to the last bit
    monkeypatch.setattr("training.evaluation.statistics._TILE", 17)
    require_equal_to_the_reference(values, patients)


def test_columns_of_the_same_patients_share_their_resamples():
    """So that the interval of a difference can be had from a column of differences, or from the resampled means."""
    values, patients = np.random.default_rng(6).random((80, 2)), patients_of(80, 30)
    sums = summed(np.column_stack([values, values[:, 1] - values[:, 0]]), patients)
    a, b, difference = sums.resampled([0, 1, 2], seed=4).T
    np.testing.assert_allclose(b - a, difference, atol=1e-14)
    assert sums.intervals(seed=4)[2].low == pytest.approx(np.percentile(b - a, 2.5), abs=1e-14)


def test_95_percent_intervals_cover_the_truth_95_times_in_a_hundred():
    """300 data sets of 40 patients; patients differ by 1, their slices by 2, and have 1 to 9 slices: mean 0."""
    rng = np.random.default_rng(11)
    slices = rng.integers(1, 10, 40)
    patients = [str(patient) for patient, n in enumerate(slices) for _ in range(n)]
    of_patient = np.repeat(rng.normal(size=(40, 300)), slices, axis=0)
    data_sets = of_patient + rng.normal(scale=2, size=of_patient.shape)
    intervals = summed(data_sets, patients).intervals()
    covered = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert 0.90 <= covered <= 0.98
    # Over slices the interval is too narrow, which is why it is not over slices.
    by_slice = summed(data_sets, [str(i) for i in range(len(patients))]).intervals()
    assert np.mean([interval.low <= 0 <= interval.high for interval in by_slice]) < 0.88


def test_memory_is_taken_at_birth_and_does_not_grow():
    patients = [str(i % 50) for i in range(20_000)]
    tracemalloc.start()
    sums = PatientSums(patients, 30)
    born = tracemalloc.get_traced_memory()[0]
    row = np.ones(30)
    for patient in patients:
        sums.add(patient, row)
    grown = tracemalloc.get_traced_memory()[0] - born
    tracemalloc.stop()
    assert sums.missing == 0
    assert grown < 2_000


def test_sums_know_what_is_missing():
    sums = PatientSums(["a", "a", "b"], 1)
    sums.add("b", np.ones(1))
    assert sums.missing == 2
    assert sums.n_patients == 2
    assert sums.intervals()[0].mean == 1  # of what there is


@pytest.mark.parametrize(
    ("patient", "values", "message"),
    [
        ("c", [1.0, 2.0], "'c', who was not announced"),
        ("a", [1.0], "must have 2 finite values"),
        ("a", [1.0, math.inf], "with 1 infinite"),
        ("b", [1.0, 2.0], "more than the announced 1 cases of patient 'b'"),
    ],
)
def test_sums_refuse_what_was_not_announced(patient, values, message):
    sums = PatientSums(["a", "a", "b"], 2)
    sums.add("b", np.array([1.0, math.nan]))
    with pytest.raises(DataFormatError, match=message):
        sums.add(patient, np.array(values))


def test_sums_of_no_case_are_refused():
    with pytest.raises(DataFormatError, match="there is no case to score"):
        PatientSums([], 3)
