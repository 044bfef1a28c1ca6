"""Two evaluations of the same cases, case by case: how sure is it that one segmenter is better?

Cases differ far more from each other than two segmenters do on one of them, so that two intervals side by
side say little.  The difference within each case says much more; its interval is over patients, as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import DataFormatError
from training.evaluation.case_table import CaseTableFile, in_words
from training.evaluation.cases import HUMAN, Plan, Variant
from training.evaluation.request import FORMAT
from training.evaluation.statistics import Interval, PatientSums
from training.evaluation.summary import TOO_FEW_PATIENTS, few_patients
from training.hashing import file_sha256
from training.metrics.glossary import NAMES, SCORES

Scores = NDArray[np.float64]

_BOOTSTRAP_SEED = 0
# What a score that is best where it equals the experts' is held against.
_OF_EXPERTS = {"diversity_model": "diversity_experts", "empty_model": "empty_experts"}
# What two evaluations may differ in.
_OWN = ("segmenter", "data", "sampling", "seed", "samples", "postprocess", "made_with", "git_commit")
# What two evaluations must share so that their cases are the same, and how to make it so.
_SHARED = {
    "data_sha256": "evaluate both on the same file",
    "split": "evaluate both on the same --split",
    "crop": "evaluate both with the same --random-crop and --crop-seed",
    "cases": "evaluate both with the same --cases",
}


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """A JSON file of an evaluation and the table of cases beside it, which is the one that the file means."""

    path: Path
    summary: Mapping[str, Any]
    table: CaseTableFile


def read_evaluation(path: Path) -> dict[str, Any]:
    """The summary in an evaluation's JSON file.

    Raises
    ------
    DataFormatError
        If it cannot be read, is no evaluation, or one of another format.
    """
    if path.exists() and not path.is_file():
        what = "a folder; give a .json file in it" if path.is_dir() else "no plain file; give a .json file"
        raise DataFormatError(f"{path} is {what} that `ambiseg evaluate --out` wrote")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataFormatError(
            f"{path}: cannot read the evaluation: {error}; give what `ambiseg evaluate --out` wrote"
        ) from error
    if not isinstance(summary, dict) or "scores" not in summary:
        raise DataFormatError(f"{path}: is no evaluation; give what `ambiseg evaluate --out` wrote")
    if summary.get("format") != FORMAT:
        raise DataFormatError(
            f"{path}: has format {summary.get('format')!r}, this version reads {FORMAT}; evaluate again"
        )
    missing = [name for name in (*_SHARED, "segmenter", "data", "seed", "case_table") if name not in summary]
    if missing:
        raise DataFormatError(f"{path}: has no {', '.join(map(repr, missing))}; was it edited?  Evaluate again")
    return summary


def compare_evaluations(a: Path, b: Path) -> dict[str, Any]:
    """Compare two evaluations on the same cases, pair by pair.

    Parameters
    ----------
    a, b : JSON files of two evaluations, with their tables of cases beside them

    Returns
    -------
    Plain JSON values:

    a, b : ``file`` and what the JSON says about how it came about
    data, data_sha256, split, crop, cases, patients : what both share
    differs : ``{"sampling, steps": [10, 25], ..}``, in what else they differ, a before b
    warnings : what to know before one reads on
    scores : ``scores["16"]["raw"]["ged_v"]`` for n, variants and scores that both have: means ``a`` and ``b`` over the
        cases where both are defined; ``difference``, b - a within each case, with its interval over patients and
        how many cases are undefined in either; ``verdict``: "a" or "b", whichever is better, where the interval
        excludes 0; "a higher" or "b higher" there where higher is not better or worse; else null, as it always is
        below `TOO_FEW_PATIENTS`

    Raises
    ------
    DataFormatError
        If a file cannot be read or is not what it should be; if data, split, crop or cases differ; if there is no
        variant that both have.
    """
    first, second = _opened(a), _opened(b)
    for what, remedy in _SHARED.items():
        there, here = first.summary[what], second.summary[what]
        if there == here:
            continue
        if what == "data_sha256":
            raise DataFormatError(
                f"cannot compare: {a} is of {_data(first.summary)}, but {b} of {_data(second.summary)}; {remedy}"
            )
        raise DataFormatError(f"cannot compare: {what} is {there!r} in {a}, but {here!r} in {b}; {remedy}")
    variants = [variant for variant in first.table.variants if variant in second.table.variants]
    if not variants:
        raise DataFormatError(
            f"cannot compare: {a} has {in_words(first.table.variants)}, {b} has {in_words(second.table.variants)}; "
            f"{_same_variants(first.summary, second.summary)}"
        )
    names = [name for name in NAMES if name in first.table.names and name in second.table.names]
    patients = _patients(first)
    _patients(second)
    compared = [_Compared(variant, name, 4 * i) for i, (variant, name) in enumerate(product(variants, names))]
    sums = PatientSums(patients, 4 * len(compared))
    for patient, in_a, in_b in _paired(first, second, variants, names):
        sums.add(patient, _columns(in_a, in_b, names).ravel())
    intervals = sums.intervals(_BOOTSTRAP_SEED)
    plan = Plan(
        samples=tuple(sorted({n for n, _ in variants})),
        postprocess=tuple(sorted({r for _, r in variants if r is not None})),
        seed=0,
    )
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for pair in compared:
        of_variant = scores.setdefault(str(pair.variant[0]), {}).setdefault(plan.key(Variant(*pair.variant)), {})
        of_variant[pair.name] = pair.as_json(intervals, sums)
    return {
        "a": {"file": str(a)} | _heading(first.summary),
        "b": {"file": str(b)} | _heading(second.summary),
        **{what: first.summary[what] for what in ("data", "data_sha256", "split", "crop")},
        "cases": len(patients),
        "patients": sums.n_patients,
        "differs": dict(_differences(first.summary, second.summary)),
        "warnings": list(_warnings(first.summary, second.summary, sums.n_patients)),
        "scores": scores,
    }


@dataclass(frozen=True)
class _Compared:
    """One score of one variant, and where its four columns begin: a, b, b - a, and the experts' own number."""

    variant: tuple[int, float | None]
    name: str
    column: int

    def as_json(self, intervals: Sequence[Interval], sums: PatientSums) -> dict[str, Any]:
        a, b, difference = (intervals[self.column + i].as_json() for i in range(3))
        return {"a": a["mean"], "b": b["mean"], "difference": difference, "verdict": self._verdict(difference, sums)}

    def _verdict(self, difference: Mapping[str, float | None], sums: PatientSums) -> str | None:
        low, high = difference["low"], difference["high"]
        if sums.n_patients < TOO_FEW_PATIENTS or low is None or high is None or low <= 0 <= high:
            return None
        better = SCORES[self.name].better
        if better == "lower":
            return "a" if low > 0 else "b"
        if better == "higher":
            return "b" if low > 0 else "a"
        if self.name in _OF_EXPERTS:
            a, b, _, experts = sums.resampled(range(self.column, self.column + 4), _BOOTSTRAP_SEED).T
            # How much further b is from the experts than a, in each resample.
            least, most = np.percentile(np.abs(b - experts) - np.abs(a - experts), [2.5, 97.5])
            if least > 0 or most < 0:
                return "a" if least > 0 else "b"
        return "b higher" if low > 0 else "a higher"


def _columns(in_a: Scores, in_b: Scores, names: Sequence[str]) -> Scores:
    """(V, S, 4) a, b, b - a and the experts' own number, 0 for scores that have none; NaN in all four where any is."""
    experts = np.zeros_like(in_a)
    for name, of_experts in _OF_EXPERTS.items():
        if name in names:
            experts[:, names.index(name)] = in_a[:, names.index(of_experts)] if of_experts in names else np.nan
    columns = np.stack([in_a, in_b, in_b - in_a, experts], axis=-1)
    columns[np.isnan(columns).any(axis=-1)] = np.nan
    return columns


def _paired(
    first: _Evaluation, second: _Evaluation, variants: Sequence[tuple[int, float | None]], names: Sequence[str]
) -> Iterator[tuple[str, Scores, Scores]]:
    """Patient and scores (V, S) in both, case by case."""
    chosen = [
        np.ix_([table.variants.index(v) for v in variants], [table.names.index(name) for name in names])
        for table in (first.table, second.table)
    ]
    for (case, in_a), (twin, in_b) in zip(first.table, second.table, strict=True):
        for what in ("index", "key", "patient"):
            there, here = getattr(case, what), getattr(twin, what)
            if there != here:
                raise DataFormatError(
                    f"cannot compare: case {case.index} has {what} {there!r} in {first.path}, but {here!r} in "
                    f"{second.path}; evaluate both on the same cases"
                )
        yield case.patient, in_a[chosen[0]], in_b[chosen[1]]


def _patients(evaluation: _Evaluation) -> list[str]:
    """The patient of each case; the whole table is checked on the way."""
    patients = [case.patient for case, _ in evaluation.table]
    if len(patients) != evaluation.summary["cases"]:
        raise DataFormatError(
            f"{evaluation.table.path} has {len(patients)} cases, {evaluation.path} says {evaluation.summary['cases']}; "
            f"evaluate again"
        )
    return patients


def _opened(path: Path) -> _Evaluation:
    summary = read_evaluation(path)
    try:
        name, sha256 = summary["case_table"]["file"], summary["case_table"]["sha256"]
        file = path.parent / name
    except (TypeError, KeyError) as error:
        raise DataFormatError(f"{path}: does not say where its table of cases is; evaluate again") from error
    if Path(name).name != name or file.is_fifo() or file.is_char_device():  # such as would be read for ever
        raise DataFormatError(
            f"{path}: names {name!r} as its table of cases, which is no plain file beside it; evaluate again"
        )
    try:
        found = file_sha256(file)
    except (OSError, ValueError) as error:  # the latter for a name that no file can have
        raise DataFormatError(
            f"{path}: cannot read its table of cases: {error}; keep the two files side by side"
        ) from error
    if found != sha256:
        raise DataFormatError(
            f"{file}: has sha256 {found[:12]}.., {path} was made with {str(sha256)[:12]}..; it was changed, or is "
            f"that of another evaluation; evaluate again"
        )
    return _Evaluation(path, summary, CaseTableFile(file))


def _heading(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {name: summary[name] for name in _OWN if name in summary}


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """What the headings differ in; settings inside of settings one by one."""
    for name in _OWN:
        there, here = a.get(name), b.get(name)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            for inner in dict.fromkeys([*there, *here]):
                if there.get(inner) != here.get(inner):
                    yield f"{name}, {inner}", [there.get(inner), here.get(inner)]
        elif there != here:
            yield name, [there, here]


def _data(summary: Mapping[str, Any]) -> str:
    return f"{summary['data']} (sha256 {str(summary['data_sha256'])[:12]})"


def _same_variants(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """How to make it that both have a variant in common."""
    if HUMAN in (a["segmenter"], b["segmenter"]):
        return "evaluate the other with --samples 1 --postprocess none"
    return "evaluate both with the same --samples and --postprocess"


def _warnings(a: Mapping[str, Any], b: Mapping[str, Any], patients: int) -> Iterator[str]:
    if few := few_patients(patients):
        yield few
    if a["seed"] != b["seed"]:
        yield (
            f"the seeds differ ({a['seed']} and {b['seed']}), so that the two do not share their noise; "
            f"the comparison holds, with a wider interval"
        )
    if (a["segmenter"] == HUMAN) != (b["segmenter"] == HUMAN):
        yield (
            f"{HUMAN!r} is one expert at a time beside the others, the other model is scored beside all of them: "
            f"GED and D_max would differ a little even if both were as good"
        )
