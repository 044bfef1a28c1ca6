"""What an evaluation says in all: means with intervals over patients, and what they should be read beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.errors import DataFormatError
from training.evaluation.statistics import PatientSums
from training.metrics.calibration import ece_of_votes
from training.metrics.glossary import NAMES

if TYPE_CHECKING:
    from training.evaluation.cases import CaseScores, Plan

#: What is averaged apart for slices that 0, 1, .. K of the experts marked.
BY_FOUND = ("ged_v", "ged_u", "dice", "hm_iou", "diversity_model", "diversity_experts", "empty_model")

#: Below so many patients intervals are too narrow: 95 % ones hold the truth in 91 % of cases and less (ADR 024).
FEW_PATIENTS = 20
#: Below so many they say nothing of which model is better.
TOO_FEW_PATIENTS = 5

# The resamples of every summary, so that intervals of two models on the same patients share them.
_BOOTSTRAP_SEED = 0
_GED = ("ged_v", "ged_u")
_COLUMN = {name: column for column, name in enumerate(NAMES)}


def few_patients(patients: int) -> str:
    """What has to be said beside intervals over so few patients; "" where there are enough."""
    if patients >= FEW_PATIENTS:
        return ""
    if patients == 1:
        return "a single patient: it says nothing of others"
    return f"{patients} patients only: the intervals are too narrow; from {FEW_PATIENTS} on they are about right"


class Summary:
    """Takes an evaluation's cases one by one and keeps sums alone: memory does not grow with the cases.

    Parameters
    ----------
    plan : what is scored
    patients : (n,) the patient of every case that will be added
    n_experts : K of every case

    Raises
    ------
    DataFormatError
        If there is no case.
    """

    def __init__(self, plan: Plan, patients: Sequence[str], n_experts: int) -> None:
        self._plan, self._n_experts, self._n_cases = plan, n_experts, len(patients)
        self._variants = plan.variants
        n_variants = len(self._variants)
        self._sums = PatientSums(patients, n_variants * (len(NAMES) + len(_GED)))
        self._found = np.zeros(n_experts + 1, np.int64)
        self._by_found = np.zeros((n_experts + 1, n_variants, len(BY_FOUND)))
        self._by_found_columns = [_COLUMN[name] for name in BY_FOUND]
        self._pixels = [np.zeros((variant.n + 1, n_experts + 1), np.int64) for variant in self._variants]
        self._presence = [np.zeros((variant.n + 1, n_experts + 1), np.int64) for variant in self._variants]
        self._drawn = True  # False where an expert stands for the samples, beside the K - 1 others
        self._floor = {True: _floor(plan, n_experts), False: _floor(plan, n_experts - 1)}

    def add(self, case: CaseScores) -> None:
        """Count one case.

        Raises
        ------
        DataFormatError
            If it has another K, an infinite score, or was not announced.
        """
        if case.n_experts != self._n_experts:
            raise DataFormatError(
                f"case {case.key!r}: has {case.n_experts} experts, the cases before it {self._n_experts}; "
                f"split the data by the number of experts"
            )
        self._drawn = bool(case.votes[0].any())  # any pixel counts; without samples there is none
        diversity = case.scores[:, [_COLUMN["diversity_experts"]]]
        excess = case.scores[:, [_COLUMN[name] for name in _GED]] - diversity * self._floor[self._drawn]
        self._sums.add(case.patient, np.concatenate([case.scores, excess], axis=1).ravel())
        self._found[case.n_found] += 1
        self._by_found[case.n_found] += case.scores[:, self._by_found_columns]
        if not self._drawn:
            return
        empty = case.scores[:, _COLUMN["empty_model"]]
        for variant, share, presence in zip(self._variants, empty, self._presence, strict=True):
            presence[variant.n - round(variant.n * float(share)), case.n_found] += 1
        for pixels, votes in zip(self._pixels, case.votes, strict=True):
            pixels += votes

    def as_json(self) -> dict[str, Any]:
        """The summary as plain JSON values: an undefined number is null, and "undefined" counts the cases left out.

        Returns
        -------
        cases, patients : how many
        experts : the numbers of experts that occur
        scores : ``scores["16"]["raw"]["ged_v"]`` is ``{"mean", "low", "high", "undefined"}`` over the cases, with
            the 95 % interval over patients; n, then variant as `Plan.key` calls it, then each name of
            `training.metrics.glossary`
        floor : ``floor["16"]["ged_v"]``, what the true distribution of experts itself would score on average if the K
            experts were independent draws from it: D/K + D/n (V), D/K (U), with D the mean ``diversity_experts``;
            null for K = 1.  Of slices that are in the data because somebody marked them the experts are not
            independent, and a perfect model scores somewhat less (ADR 010)
        over_floor : as ``scores``, for "ged_v" and "ged_u" less each case's own floor.  In both, K - 1 stands for K
            for the reference "human", whose floor is its own score: an identity and no measurement
        by_found : ``by_found["3"]``, the slices that 3 of the K experts marked: ``cases`` and ``scores``, means of
            `BY_FOUND`; null where there is no case, or one in which the score is undefined
        reliability : ``reliability["16"]["raw"]``: what shares mean; null if no mask was drawn ("human").
            ``pixels[i][j]``: how many pixels i of the n masks and j of the K experts mark, over all cases.
            ``presence[i]``: the cases where i masks have a lesion (``cases``), and the share of experts who
            see one there (``experts``; null without cases).
            ``ece``, ``ece_union``: expected calibration error of these pixels, and of those that anybody marks

        Raises
        ------
        DataFormatError
            If announced cases were not added.
        """
        if missing := self._sums.missing:
            raise DataFormatError(f"evaluation: {missing} of {self._n_cases} cases have no scores; evaluate again")
        variants, width = self._variants, len(NAMES) + len(_GED)
        intervals = [interval.as_json() for interval in self._sums.intervals(_BOOTSTRAP_SEED)]
        by_variant = [intervals[v * width : (v + 1) * width] for v in range(len(variants))]
        diversity = by_variant[0][_COLUMN["diversity_experts"]]["mean"]
        return {
            "cases": self._n_cases,
            "patients": self._sums.n_patients,
            "experts": [self._n_experts],
            "scores": self._nested([dict(zip(NAMES, row, strict=False)) for row in by_variant]),
            "floor": {
                str(variant.n): {
                    name: None if diversity is None else diversity * float(share)
                    for name, share in zip(_GED, shares, strict=True)
                }
                for variant, shares in zip(variants, self._floor[self._drawn], strict=True)
            },
            "over_floor": self._nested([dict(zip(_GED, row[len(NAMES) :], strict=True)) for row in by_variant]),
            "by_found": {
                str(k): {"cases": int(cases), "scores": self._nested([self._means(k, v) for v in range(len(variants))])}
                for k, cases in enumerate(self._found)
            },
            "reliability": self._nested(
                [
                    _reliability(pixels, presence) if self._drawn else None
                    for pixels, presence in zip(self._pixels, self._presence, strict=True)
                ]
            ),
        }

    def _nested(self, by_variant: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """n -> name of the variant -> what belongs to it."""
        nested: dict[str, dict[str, Any]] = {}
        for variant, content in zip(self._variants, by_variant, strict=True):
            nested.setdefault(str(variant.n), {})[self._plan.key(variant)] = content
        return nested

    def _means(self, k: int, variant: int) -> dict[str, float | None]:
        cases = int(self._found[k])
        means = self._by_found[k, variant] / cases if cases else np.full(len(BY_FOUND), math.nan)
        return {name: None if math.isnan(mean) else float(mean) for name, mean in zip(BY_FOUND, means, strict=True)}


def _floor(plan: Plan, n_experts: int) -> NDArray[np.float64]:
    """(V, 2) by what the experts' diversity is multiplied to give the floor of independent experts, V and U."""
    of_experts = 1 / n_experts if n_experts else math.nan
    return np.array([[of_experts + 1 / variant.n, of_experts] for variant in plan.variants])


def _reliability(pixels: NDArray[np.int64], presence: NDArray[np.int64]) -> dict[str, Any]:
    """How shares of the n masks compare with shares of the K experts; both tables are (n + 1, K + 1) counts."""
    experts = np.linspace(0, 1, presence.shape[1])
    return {
        "pixels": pixels.tolist(),
        "presence": [
            {"cases": cases, "experts": float(row @ experts) / cases if cases else None}
            for row, cases in zip(presence, presence.sum(axis=1).tolist(), strict=True)
        ],
        "ece": ece_of_votes(pixels, "image"),
        "ece_union": ece_of_votes(pixels, "union"),
    }
