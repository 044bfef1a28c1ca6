"""Patients are divided at random, repeatably, and each into one split."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import lidc
from training.data.splits import SPLITS, Unit, divide, split_patients
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


def units_of(*rows):
    return [Unit(*row) for row in rows]


LIDC = units_of(("LIDC-IDRI-0001",), ("LIDC-IDRI-0005",), ("LIDC-IDRI-0011",))


def test_auto_takes_the_division_that_the_data_come_with():
    division = divide(units_of(("a", None, "val"), ("b", None, "train")))
    assert (division.rule, division.seed) == ("source", None)
    assert division.split_of == {"a": "val", "b": "train"}


def test_auto_takes_the_papers_division_for_lidc_without_one():
    division = divide(LIDC)
    assert division.rule == "paper"
    assert division.split_of == {"LIDC-IDRI-0001": "val", "LIDC-IDRI-0005": "test", "LIDC-IDRI-0011": "train"}


def test_auto_draws_a_division_of_patients_where_nothing_else_is_possible():
    division = divide(units_of(*[(f"p{i}",) for i in range(20)]), seed=5)
    assert (division.rule, division.seed) == ("patient", 5)
    assert division.split_of == split_patients([f"p{i}" for i in range(20)], seed=5)


def test_auto_does_not_take_a_division_that_has_a_patient_twice():
    shared = units_of(("a", None, "train"), ("a", None, "test"), ("b", None, "val"))
    assert divide(shared).rule == "patient"
    with pytest.raises(ConfigError, match="patient 'a' in 'test' and in 'train'"):
        divide(shared, "source")


def test_studies_are_divided_as_gp_unet_does_it():
    studies = [f"{i:03d}" for i in range(100)]
    division = divide(units_of(*[(f"patient of {s}", s) for s in studies]), "study", 1234)
    shuffled = sorted(studies)
    random.Random(1234).shuffle(shuffled)  # noqa: S311 - the division in question
    expected = dict.fromkeys(shuffled[:60], "train") | dict.fromkeys(shuffled[60:80], "val")
    assert division.split_of == {f"patient of {s}": expected.get(s, "test") for s in studies}
    assert division.kept_together == ()


def test_the_eight_patients_with_two_scans_are_in_one_split_each():
    """The split of the study whose number sorts first; under the paper's rule, of the listed one."""
    every = [Unit(patient, study) for study, patient in lidc._studies().items()]
    twice = ["0132", "0151", "0315", "0332", "0355", "0365", "0442", "0484"]
    homes = {rule: divide(every, rule).split_of for rule in ("paper", "study")}
    assert [homes["paper"][f"LIDC-IDRI-{number}"] for number in twice] == [
        "val", "train", "val", "test", "test", "train", "train", "test",
    ]  # fmt: skip
    of_studies = split_patients([unit.study for unit in every], seed=1234)
    for number in twice:
        patient = f"LIDC-IDRI-{number}"
        first, _ = sorted(unit.study for unit in every if unit.patient == patient)
        assert homes["study"][patient] == of_studies[first]


def test_the_papers_own_lists_have_four_patients_in_two_splits():
    every = [Unit(patient, study) for study, patient in lidc._studies().items()]
    assert [patient[-4:] for patient in divide(every, "paper").kept_together] == ["0132", "0315", "0355", "0484"]
    assert divide(LIDC, "paper").kept_together == ()


def test_the_patients_whose_studies_the_rule_had_apart_are_named():
    every = [Unit(patient, study) for study, patient in lidc._studies().items()]
    of_studies = split_patients([unit.study for unit in every], seed=1234)
    apart = {
        patient
        for patient in {unit.patient for unit in every}
        if len({of_studies[unit.study] for unit in every if unit.patient == patient}) > 1
    }
    assert apart
    assert set(divide(every, "study").kept_together) == apart


@pytest.mark.parametrize(
    ("units", "rule", "message"),
    [
        (LIDC, "random", "choose one of: auto, source, paper, study, patient"),
        ([], "auto", "no patients"),
        (LIDC, "source", "does not say where 'LIDC-IDRI-0001' belongs"),
        (LIDC, "study", "study of 'LIDC-IDRI-0001' is not known"),
        (units_of(("someone",)), "paper", "'someone' is none of them"),
    ],
)
def test_a_division_that_is_not_possible_is_refused_with_the_reason(units, rule, message):
    with pytest.raises(ConfigError, match=message):
        divide(units, rule)


def test_the_order_of_the_units_changes_nothing():
    every = [Unit(patient, study) for study, patient in lidc._studies().items()]
    for rule in ("paper", "study", "patient"):
        assert divide(every, rule).split_of == divide(every[::-1], rule).split_of
