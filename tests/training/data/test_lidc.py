"""Facts about LIDC: studies, patients and the paper's split."""

import json
from collections import Counter
from importlib.resources import files

import pytest

from training.data import lidc


@pytest.fixture(scope="module")
def table():
    return json.loads((files("training.data") / "lidc.json").read_text(encoding="utf-8"))


def test_all_studies_have_a_patient(table):
    assert len(table["studies"]) == 1018
    assert len(set(table["studies"].values())) == 1010
    assert all(lidc.is_patient(patient) for patient in table["studies"].values())


def test_eight_patients_have_two_scans(table):
    scans = Counter(table["studies"].values())
    twice = [patient[-4:] for patient, count in scans.items() if count == 2]
    assert twice == ["0132", "0151", "0315", "0332", "0355", "0365", "0442", "0484"]


def test_the_papers_lists_of_studies_and_of_patients_name_the_same_people(table):
    for split in ("val", "test"):
        lists = table["paper"][split]
        assert len(lists["studies"]) == 175
        assert {lidc.patient_of_study(study) for study in lists["studies"]} == set(lists["patients"])


def test_the_papers_splits_share_no_patient(table):
    val, test = (set(table["paper"][split]["patients"]) for split in ("val", "test"))
    assert (len(val), len(test)) == (175, 174)
    assert not val & test


def test_a_patient_in_none_of_the_papers_lists_is_training_data():
    assert lidc.paper_split("LIDC-IDRI-0001") == "val"
    assert lidc.paper_split("LIDC-IDRI-0005") == "test"
    assert lidc.paper_split("LIDC-IDRI-0011") == "train"


def test_an_unknown_study_has_no_patient():
    assert lidc.patient_of_study("12345") is None
    assert not lidc.is_patient("LIDC-IDRI-12345")


def test_the_lists_are_those_of_the_reference(shared_data, table):
    reference = json.loads((shared_data / "paper_split.json").read_text())
    for split, word in (("val", "validation"), ("test", "test")):
        assert table["paper"][split]["patients"] == reference[f"{word}_patients"]
        assert table["paper"][split]["studies"] == reference[f"{word}_study_suffixes"]
