"""Pictures of cases, drawn again as an evaluation drew them.

The cases are chosen by a rule that is printed with them and not by their looks: those of the lowest, the quartiles' and
the highest score of the evaluation with the most cases.  Model, seed, sampler and data are what the evaluation
recorded.  The score is computed anew from the masks that are shown; where it differs, the recorded one stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from training.ablation.results import CellResult
from training.ablation.scale import FULL
from training.data.crops import random_crop
from training.data.dataset import Dataset
from training.data.reading import open_isolated
from training.errors import AmbisegError, CheckpointError, DataFormatError
from training.evaluation.case_table import CaseColumns, read_case_table
from training.metrics import generalized_energy_distance
from training.metrics.glossary import SCORES
from training.records import AnnotatedSlice, BoolArray
from training.report.case_picture import draw_case
from training.report.heading import few_of, scale_of, short, warnings_of
from training.report.material import Evaluation, Material, done
from training.report.model_note import model_note
from training.report.paper import SAMPLERS, STEPS
from training.sampling_wish import SamplingWish
from training.segmenters.interface import SegmentationSampler

RANKS: Mapping[str, float] = {
    "lowest": 0.0,
    "lower quartile": 0.25,
    "median": 0.5,
    "upper quartile": 0.75,
    "highest": 1.0,
}
_NOTES = ("source", "licence", "license", "attribution")  # attributes of a data file that go with its pictures
_HOW = tuple(field.name for field in fields(SamplingWish))


@dataclass(frozen=True)
class Choice:
    """A case and why it is shown.

    Parameters
    ----------
    rank : one of `RANKS`
    index, key : which slice of the split
    seed : what the segmenter was given
    score : as recorded
    """

    rank: str
    index: int
    key: str
    seed: int
    score: float


@dataclass(frozen=True)
class Picture:
    """One case: a PNG, a line above it and what it shows in words."""

    title: str
    png: bytes
    alt: str


@dataclass(frozen=True)
class Gallery:
    """The pictures, the rule by which they were chosen, and what has to be said beside them.

    Parameters
    ----------
    warnings : what must not be overlooked: a shorter run, few patients, what the model was trained on
    problem : why there are no pictures; empty if there are
    attribution : what the data file says of its source and licence
    """

    rule: str = ""
    pictures: tuple[Picture, ...] = ()
    problem: str = ""
    attribution: str = ""
    warnings: tuple[str, ...] = ()


def make_gallery(material: Material, data: Path | None = None, device: str = "auto") -> Gallery:
    """The pictures for a folder of results; whatever keeps them from being made is told in the gallery.

    Parameters
    ----------
    data : the data file, if it is no longer where the evaluation found it
    device : where masks are drawn, as in `training.build.load_segmenter`
    """
    found = source(material)
    if found is None:
        return Gallery(problem="There is no evaluation of a model here; `ambiseg evaluate MODEL DATA --out` makes one.")
    scores = found.scores
    name, n = ("ged_u", max(map(int, scores["scores"]))) if _most(scores) > 1 else ("ged_v", 1)
    rule = (
        f"The cases of the {', '.join([*RANKS][:-1])} and {[*RANKS][-1]} {SCORES[name].label}, n = {n}, of "
        f"{found.name}: {scores['cases']:,} cases, {scores['segmenter']}, seed {scores['seed']}."
    )
    warnings = found.warnings or tuple(f"{found.name}: {few}." for few in [few_of([scores])] if few)
    warnings += tuple(filter(None, [model_note(scores)]))
    try:
        choices = choose(_case_table(found), name, n)
        path = Path(str(scores["data"])) if data is None else data
        if not path.is_file():
            raise DataFormatError(f"{path} is not there; give the data file with --data")
        with open_isolated(path) as dataset:
            _require_same_data(dataset, scores)
            segmenter = _segmenter(scores, device)
            drawn = tuple(
                _picture(choice, case, masks, name)
                for choice, case, masks in _draw(dataset, scores, segmenter, choices, n)
            )
            return Gallery(rule, drawn, attribution=attribution(dataset.attributes), warnings=warnings)
    except AmbisegError as error:
        return Gallery(rule, problem=f"The pictures could not be made: {error}", warnings=warnings)


def source(material: Material) -> Evaluation | None:
    """The evaluation of a model with the most cases: of those in the folder, else of the ablations.

    Of several with as many, one at full scale comes first, then one that draws as the paper does, then the first.
    """
    in_grids = [
        Evaluation(
            f"{grid.title}, {', '.join(cell.labels.values())}",
            Path(cell.scores_path),
            _found_again(cell, scores),
            cell.cost,
            scale_of(grid) == FULL,
            warnings_of(grid),
        )
        for grid in material.grids.values()
        for cell, scores in done(grid)
        if cell.scores_path is not None
    ]
    for candidates in (list(material.evaluations), in_grids):
        of_models = [found for found in candidates if (found.scores.get("sampling") or {}).get("model_sha256")]
        if of_models:
            return max(of_models, key=_worth_showing)  # the first of equals
    return None


def _worth_showing(found: Evaluation) -> tuple[int, bool, bool]:
    how = found.scores["sampling"]
    is_as_printed = (how.get("sampler"), how.get("steps")) == (SAMPLERS[128].lower(), STEPS)
    return int(found.scores["cases"]), found.is_full, is_as_printed


def _found_again(cell: CellResult, scores: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scores with the model's path as it is now: the folder of results may have moved, with the trainings in it."""
    recorded = Path(str(scores["segmenter"]))
    if cell.run is None or recorded.exists() or cell.run.name not in recorded.parts:
        return scores
    inside = recorded.parts[recorded.parts.index(cell.run.name) + 1 :]
    return {**scores, "segmenter": str(cell.run.joinpath(*inside).resolve())}


def choose(table: CaseColumns, score: str, n: int) -> list[Choice]:
    """The cases at `RANKS` of a score of ``n`` raw masks, each once; cases where it is undefined take no part.

    Raises
    ------
    DataFormatError
        If no case has the score.
    """
    values = table.scores.get(score, np.full(len(table.index), math.nan))
    rows = np.flatnonzero((table.n == n) & np.isnan(table.postprocess) & ~np.isnan(values))
    if not len(rows):
        raise DataFormatError(f"the table of cases has no {score!r} for n = {n}; evaluate again")
    ordered = rows[np.lexsort((table.index[rows], values[rows]))]
    chosen: dict[int, Choice] = {}
    for rank, share in RANKS.items():
        row = int(ordered[round(share * (len(ordered) - 1))])
        name = int(table.index[row]), table.key[row], int(table.seed[row])
        chosen.setdefault(row, Choice(rank, *name, float(values[row])))
    return list(chosen.values())


def attribution(attributes: Mapping[str, Any]) -> str:
    """What a data file says of its source and licence, which its pictures must carry along."""
    lines = [str(attributes[name]) for name in _NOTES if attributes.get(name)]
    return "; ".join(dict.fromkeys(lines))


def _draw(
    dataset: Dataset, scores: Mapping[str, Any], segmenter: SegmentationSampler, choices: list[Choice], n: int
) -> Iterator[tuple[Choice, AnnotatedSlice, BoolArray]]:
    see = _view(scores)
    for choice in choices:
        case = see(dataset.case(scores["split"], choice.index))
        if case.key != choice.key:
            raise DataFormatError(
                f"case {choice.index} of {dataset.path} is {case.key!r} and not {choice.key!r}; evaluate again"
            )
        yield choice, case, segmenter.given(case).draw(case.image, n, choice.seed).masks


def _view(scores: Mapping[str, Any]) -> Callable[[AnnotatedSlice], AnnotatedSlice]:
    crop = scores.get("crop")
    if crop is None:
        return lambda case: case
    return lambda case: random_crop(case, int(crop["size"]), int(crop["seed"]))


def _picture(choice: Choice, case: AnnotatedSlice, masks: BoolArray, score: str) -> Picture:
    n, label = len(masks), SCORES[score].label
    value = generalized_energy_distance(masks, case.masks, "U" if score == "ged_u" else "V")
    recorded = "" if math.isclose(value, choice.score, abs_tol=5e-4) else f" (recorded {choice.score:.3f})"
    empty = int((~masks.any(axis=(1, 2))).sum())
    words = (
        f"{label}, n = {n}: {value:.3f}{recorded}; seen by {case.n_found} of {case.n_experts} experts; {empty} of {n} "
        f"drawn masks empty"
    )
    return Picture(
        f"{choice.rank.capitalize()}: {case.key}. {words}",
        draw_case(case, masks),
        f"Case {case.key}: the image, the outlines of {case.n_experts} experts, drawn masks, and their variance per "
        f"pixel from 0 to 0.25. {words}.",
    )


def _case_table(found: Evaluation) -> CaseColumns:
    recorded = found.scores.get("case_table") or {}
    path = found.path.with_name(Path(str(recorded.get("file") or found.path.with_suffix(".csv").name)).name)
    if not path.is_file():
        raise DataFormatError(f"{path} with the single cases is not there; evaluate again")
    return read_case_table(path)


def _require_same_data(dataset: Dataset, scores: Mapping[str, Any]) -> None:
    recorded, here = scores.get("data_sha256"), dataset.sha256()
    if recorded != here:
        raise DataFormatError(
            f"{dataset.path} has the sha256 {short(here)} and the evaluation was of {short(recorded)}; give that file "
            f"with --data"
        )


def _segmenter(scores: Mapping[str, Any], device: str) -> SegmentationSampler:
    from training.build import load_segmenter  # torch, which a report without pictures need not wait for

    how = scores["sampling"]
    segmenter = load_segmenter(
        scores["segmenter"], device, SamplingWish(**{name: how[name] for name in _HOW if name in how})
    )
    here = segmenter.provenance.get("model_sha256")
    if here != how["model_sha256"]:
        raise CheckpointError(
            f"{scores['segmenter']} has the sha256 {short(here)} and the evaluation was of "
            f"{short(how['model_sha256'])}; was it trained further?  Evaluate again"
        )
    return segmenter


def _most(scores: Mapping[str, Any]) -> int:
    return max(map(int, scores["scores"]))
