"""Patients are divided at random, repeatably, and each into one split."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.splits import SPLITS, split_patients
from training.errors import ConfigError

IDENTIFIERS = st.lists(st.text(max_size=8), min_size=1, max_size=60)
SEEDS = st.integers(0, 2**32)


@given(IDENTIFIERS, SEEDS)
def test_every_patient_is_in_exactly_one_split(patients, seed):
    division = split_patients(patients, seed=seed)
    assert set(division) == set(patients)
    assert set(division.values()) <= set(SPLITS)


@given(IDENTIFIERS, SEEDS, st.randoms())
def test_order_and_repetition_of_the_patients_do_not_matter(patients, seed, shuffler):
    again = patients * 3
    shuffler.shuffle(again)
    assert split_patients(again, seed=seed) == split_patients(patients, seed=seed)


@given(st.integers(1, 200), st.integers(0, 100), st.integers(0, 100), SEEDS)
def test_counts_are_the_fractions_rounded_half_up_and_test_takes_the_rest(n, first, second, seed):
    train, val = first / 100, (100 - first) * second / 10_000
    division = split_patients(map(str, range(n)), (train, val, 1 - train - val), seed=seed)
    counts = [list(division.values()).count(name) for name in SPLITS]
    expected_train = int(train * n + 0.5)
    assert counts[0] == expected_train
    assert counts[1] == min(int(val * n + 0.5), n - expected_train)
    assert sum(counts) == n


def test_lidc_has_the_published_division_of_875_studies():
    division = split_patients((f"{study:04d}" for study in range(875)), seed=1234)
    assert [list(division.values()).count(name) for name in SPLITS] == [525, 175, 175]


def test_the_division_is_the_same_on_every_machine_and_python():
    division = split_patients((f"{study:04d}" for study in range(875)), seed=1234)
    spelled = ";".join(f"{patient}={division[patient]}" for patient in sorted(division))
    assert hashlib.sha256(spelled.encode()).hexdigest()[:16] == "9e19ed13198c97bc"


def test_another_seed_gives_another_division():
    patients = [str(number) for number in range(100)]
    assert split_patients(patients, seed=1) != split_patients(patients, seed=2)


@pytest.mark.parametrize(
    ("fractions", "seed", "message"),
    [
        ((0.6, 0.3, 0.2), 0, "must sum to 1"),
        ((1.2, -0.1, -0.1), 0, "three numbers in"),
        ((0.5, 0.5), 0, "three numbers in"),
        ((0.6, 0.2, 0.2), -1, "0 or larger, got -1"),
    ],
)
def test_impossible_requests_are_named(fractions, seed, message):
    with pytest.raises(ConfigError, match=message):
        split_patients(["a", "b"], fractions, seed=seed)


def test_no_patients_is_an_error():
    with pytest.raises(ConfigError, match="at least one"):
        split_patients([], seed=0)
