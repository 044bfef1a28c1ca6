"""Dividing patients into train, val and test, so that no patient is ever in two of them.

Four rules: ``source``, the division that the data come with; ``paper``, that of the paper's released code, for LIDC
alone; ``study``, GP-UNet's seeded division of studies; and ``patient``, the same for patients.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from training.data import lidc
from training.errors import ConfigError

SPLITS = ("train", "val", "test")

AUTO, SOURCE, PAPER, STUDY, PATIENT = "auto", "source", "paper", "study", "patient"
RULES = (AUTO, SOURCE, PAPER, STUDY, PATIENT)

ROUNDING = 1e-9  # how far from their range fractions may be: 1 - 0.77 - 0.23 is a little below 0

#: The seed of GP-UNet's division, and ours where none is given.
DEFAULT_SEED = 1234


@dataclass(frozen=True)
class Unit:
    """What a slice belongs to, as far as its source tells: what a split must keep together.

    Parameters
    ----------
    patient : identifier of the patient, ``LIDC-IDRI-0001`` where it is one of LIDC's
    study : last part of the StudyInstanceUID, or None where the source does not have it
    split : the split that the source itself puts it in, or None where it has no splits
    """

    patient: str
    study: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Division:
    """Which patient is in which split, and how that came about.

    Parameters
    ----------
    split_of : the split of every patient
    rule : one of `RULES` other than ``auto``
    seed : the seed of a drawn division, None for one that was looked up
    kept_together : patients whose studies the rule itself had put into two splits, and who now are in one
    passed_over : why ``auto`` did not take the division that the data come with, "" if it did or there is none
    """

    split_of: Mapping[str, str]
    rule: str
    seed: int | None = None
    kept_together: tuple[str, ...] = ()
    passed_over: str = ""


def divide(units: Iterable[Unit], rule: str = AUTO, seed: int = DEFAULT_SEED) -> Division:
    """Put every patient into one split.

    Parameters
    ----------
    units : all that is to be divided, in any order
    rule : ``source``, ``paper``, ``study`` or ``patient``; ``auto`` is the first of ``source``, ``paper`` and
        ``patient`` that is possible
    seed : of the rules ``study`` and ``patient``

    Raises
    ------
    ConfigError
        On an unknown rule, one that the units do not allow, or no unit at all.
    """
    units = sorted(set(units), key=lambda unit: (unit.patient, unit.study or "", unit.split or ""))
    if rule not in RULES:
        raise ConfigError(f"unknown split {rule!r}; choose one of: {', '.join(RULES)}")
    if not units:
        raise ConfigError("there are no patients to split; at least one is needed")
    if rule == AUTO and any(unit.split for unit in units) and not _allows_source(units):
        return replace(
            divide([replace(unit, split=None) for unit in units], AUTO, seed),
            passed_over="the source's own division was not kept: it has a patient in two splits, or leaves some out",
        )
    if rule == AUTO:
        rule = SOURCE if _allows_source(units) else PAPER if _allows_paper(units) else PATIENT
    if rule == SOURCE:
        return _by_source(units)
    if rule == PAPER:
        return _by_paper(units)
    if rule == STUDY:
        return _by_study(units, seed)
    return Division(split_patients((unit.patient for unit in units), seed=seed), PATIENT, seed)


def _allows_source(units: Collection[Unit]) -> bool:
    one_split = len({unit.patient for unit in units}) == len({(unit.patient, unit.split) for unit in units})
    return one_split and all(unit.split is not None for unit in units)


def _allows_paper(units: Iterable[Unit]) -> bool:
    return all(lidc.is_patient(unit.patient) for unit in units)


def _by_source(units: Iterable[Unit]) -> Division:
    split_of: dict[str, str] = {}
    for unit in units:
        if unit.split is None:
            raise ConfigError(
                f"the split 'source' is not possible: the source does not say where {unit.patient!r} belongs; "
                "use another, such as --split patient"
            )
        if split_of.setdefault(unit.patient, unit.split) != unit.split:
            raise ConfigError(
                f"the split 'source' is not possible: it has patient {unit.patient!r} in {split_of[unit.patient]!r} "
                f"and in {unit.split!r}, so scores would be flattered; use another, such as --split patient"
            )
    return Division(split_of, SOURCE)


def _by_paper(units: Iterable[Unit]) -> Division:
    for unit in units:
        if not lidc.is_patient(unit.patient):
            raise ConfigError(
                f"the split 'paper' is of LIDC-IDRI's patients, and {unit.patient!r} is none of them; "
                "use another, such as --split patient"
            )
    apart = {unit.patient for unit in units if lidc.is_apart_in_paper(unit.patient)}
    split_of = {unit.patient: lidc.paper_split(unit.patient) for unit in units}
    return Division(split_of, PAPER, kept_together=tuple(sorted(apart)))


def _by_study(units: Iterable[Unit], seed: int) -> Division:
    """The split of a patient's study whose number sorts first; eight annotated patients of LIDC have two."""
    studies: dict[str, list[str]] = {}
    for unit in units:
        if unit.study is None:
            raise ConfigError(
                f"the split 'study' is not possible: the study of {unit.patient!r} is not known; "
                "use another, such as --split patient"
            )
        studies.setdefault(unit.patient, []).append(unit.study)
    split_of = split_patients((study for of_one in studies.values() for study in of_one), seed=seed)
    return Division(
        split_of={patient: split_of[of_one[0]] for patient, of_one in studies.items()},
        rule=STUDY,
        seed=seed,
        kept_together=tuple(patient for patient, of_one in studies.items() if len({split_of[s] for s in of_one}) > 1),
    )


def split_patients(
    patients: Iterable[str], fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), *, seed: int
) -> Mapping[str, str]:
    """Assign each patient to a split, at random but the same for the same patients and seed on every machine.

    The sorted unique identifiers are shuffled with Python's Mersenne Twister and cut at ``floor(f n + 1/2)``.
    With the default fractions and seed 1234 this is the one seeded division of LIDC in the field's code, GP-UNet's:
    525/175/175 of 875 studies.

    Parameters
    ----------
    patients : identifiers, in any order, repeated at will
    fractions : shares of train, val and test; they sum to 1
    seed : 0 or larger

    Returns
    -------
    The split's name for each patient.

    Raises
    ------
    ConfigError
        On negative fractions or fractions that do not sum to 1, a negative seed, or no patient at all.
    """
    if len(fractions) != 3 or not all(-ROUNDING <= share <= 1 + ROUNDING for share in fractions):
        raise ConfigError(f"fractions of train, val and test must be three numbers in [0, 1], got {fractions}")
    if not math.isclose(sum(fractions), 1, abs_tol=ROUNDING):
        raise ConfigError(
            f"fractions of train, val and test must sum to 1, got {fractions} with sum {sum(fractions):g}"
        )
    if seed < 0:
        # random.Random drops the sign, so -5 would silently be another name for 5.
        raise ConfigError(f"the seed of a split must be 0 or larger, got {seed}")
    unique = sorted(set(patients))
    if not unique:
        raise ConfigError("there are no patients to split; at least one is needed")
    n_train, n_val = (math.floor(share * len(unique) + 0.5) for share in fractions[:2])
    random.Random(seed).shuffle(unique)  # noqa: S311  (a reproducible division, nothing secret)
    names = ["train"] * n_train + ["val"] * n_val + ["test"] * len(unique)
    return dict(zip(unique, names, strict=False))
