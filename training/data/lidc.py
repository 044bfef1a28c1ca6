"""Facts about LIDC-IDRI that its files do not carry: whose study is which, and the paper's split.

The table ``lidc.json`` holds the last parts of all 1,018 StudyInstanceUIDs with their patients, and the patients of
the split in the paper's released code.  Eight annotated patients have two scans each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

_PATIENT = re.compile(r"LIDC-IDRI-\d{4}")

#: What a file made from LIDC must say, by its licence.
LICENCE = "LIDC-IDRI (TCIA), CC BY 3.0, doi:10.7937/K9/TCIA.2015.LO9QL9SX"


def is_patient(identifier: str) -> bool:
    """Whether this is how LIDC names a patient, such as ``LIDC-IDRI-0001``."""
    return _PATIENT.fullmatch(identifier) is not None


def patient_of_study(study: str) -> str | None:
    """The patient of a study, given the last part of its StudyInstanceUID; None if it is not LIDC's."""
    return _studies().get(study)


def study_of_key(key: str) -> str | None:
    """The study with which a slice's key begins, as in the published pickle; None if it is not LIDC's."""
    study = key.split("_")[0]
    return study if patient_of_study(study) is not None else None


def paper_split(patient: str) -> str:
    """``train``, ``val`` or ``test``: where the paper's released code has this patient of LIDC.

    The code divides studies.  Of four of its val and test patients the other study counts as training data there;
    here a patient stays in one split, so all of it goes where the val or test study is.
    """
    return _paper().get(patient, "train")


def is_apart_in_paper(patient: str) -> bool:
    """Whether the paper's released code has this patient's two studies in two splits."""
    return patient in _apart()


@cache
def _apart() -> frozenset[str]:
    lists = _table()["paper"]
    listed = {study: split for split in lists for study in lists[split]["studies"]}
    homes: dict[str, set[str]] = {}
    for study, patient in _studies().items():
        homes.setdefault(patient, set()).add(listed.get(study, "train"))
    return frozenset(patient for patient, splits in homes.items() if len(splits) > 1)


@cache
def _table() -> Any:
    return json.loads((files("training.data") / "lidc.json").read_text(encoding="utf-8"))


@cache
def _studies() -> Mapping[str, str]:
    return MappingProxyType(_table()["studies"])


@cache
def _paper() -> Mapping[str, str]:
    lists = _table()["paper"]
    return MappingProxyType({patient: split for split in lists for patient in lists[split]["patients"]})
