"""Tables of scores that the paper has none of: every cell of a grid, the evaluations of a folder, one by findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from training.ablation.results import GridResult
from training.metrics.glossary import SCORES
from training.report.heading import (
    cases_of,
    crop_of,
    data_name,
    evaluation_facts,
    facts_of,
    few_of,
    short,
    split_of,
    warnings_of,
)
from training.report.material import Evaluation, Measured, floor, measured
from training.report.model_note import model_note
from training.report.table import Entry, Row, Table
from training.report.tables import entry

_GRID_SCORES = ("ged_v", "ged_u", "dice", "iou", "hm_iou", "diversity_model", "empty_model")
_GED = ("ged_v", "ged_u")
_SCORES = ("dice", "hm_iou", "diversity_model", "diversity_experts", "presence_error")


def grid_table(grid: GridResult) -> Table:
    """Everything a grid has measured: a row for each cell, number of masks and r of the post-processing."""
    axes = tuple(dict.fromkeys(axis for cell in grid.cells for axis in cell.labels))
    rows = []
    for cell in grid.cells:
        heads = tuple(str(cell.labels.get(axis, "")) for axis in axes)
        if cell.state != "done" or cell.scores is None:
            why = entry(cell, "ged_v", 0)
            rows.append(Row((*heads, "", ""), (why,) + (Entry(None),) * (len(_GRID_SCORES) - 1)))
            continue
        for n, r in variants(cell.scores):
            cells = tuple(Entry(measured(cell.scores, n, score, r)) for score in _GRID_SCORES)
            rows.append(Row((*heads, str(n), masks(r)), cells))
    return Table(
        grid.name,
        grid.title,
        "Mean [95 % interval over patients]; n is the number of drawn masks.",
        (*axes, "n", "masks"),
        tuple(SCORES[score].label for score in _GRID_SCORES),
        tuple(rows),
        facts_of(grid),
        warnings_of(grid),
    )


def evaluations_table(evaluations: tuple[Evaluation, ...]) -> Table:
    """The evaluations that lie in the folder: a row for each number of masks and r of the post-processing."""
    rows: list[Row] = []
    groups = _groups([found.scores for found in evaluations])
    order = list(dict.fromkeys(groups))
    for found, group in sorted(zip(evaluations, groups, strict=True), key=lambda pair: order.index(pair[1])):
        scores, cost = found.scores, found.cost or {}
        name = str(scores["segmenter"])
        for n, r in variants(scores):
            numbers = [_beside_floor(scores, n, score, r) for score in _GED + _SCORES]
            costs = (
                _plain(cost.get("network_calls"), 0),
                _plain(cost.get("seconds_per_image"), 3),
                _plain(cost.get("peak_memory_mib"), 0),
            )
            who = found.name if name == found.name else f"{found.name}: {name}"
            rows.append(Row((who, str(n), masks(r)), (*numbers, *costs), group))
    return Table(
        "evaluations",
        "Evaluations",
        "Mean [95 % interval over patients], for GED / the floor: what the experts' own distribution would score if "
        "the K experts were independent, D/K + D/n for V and D/K for U, with D the mean distance of two of them. Where "
        "slices are in the data because somebody marked them, a perfect model scores somewhat less; what draws from "
        "the very masks that it is scored with, as `experts` does, far less.",
        ("What draws", "n", "Masks"),
        (*(SCORES[score].label for score in _GED + _SCORES), "network calls", "s per image", "peak MiB"),
        tuple(rows),
        evaluation_facts([found.scores for found in evaluations]) if evaluations else (),
        (*_different([found.scores for found in evaluations]), *_few(evaluations), *_models(evaluations)),
        ("data", "split", "crop", "cases"),
        beside="floor",
    )


def found_table(evaluation: Evaluation) -> Table | None:
    """The scores by how many experts saw anything; None where the evaluation does not say."""
    found = evaluation.scores.get("by_found") or {}
    n = max(map(int, evaluation.scores["scores"]))
    names = ("ged_v", "ged_u", "dice", "empty_model")
    rows = []
    for k, group in sorted(found.items(), key=lambda item: int(item[0])):
        if not group["cases"]:
            rows.append(Row((str(k),), ("0", *[Entry(None, "no cases")] * len(names))))
            continue
        means = group.get("scores", {}).get(str(n), {}).get("raw", {})
        numbers = [Entry(Measured(_mean(means.get(name)))) if name in means else Entry(None, "–") for name in names]
        rows.append(Row((str(k),), (f"{group['cases']:,}", *numbers)))
    if not rows:
        return None
    return Table(
        f"{evaluation.name}-by-found",
        f"{evaluation.name}: by the number of experts who saw anything",
        f"Means of the raw masks, n = {n}.",
        ("Seen by",),
        ("cases", *(f"{SCORES[name].label}, n = {n}" for name in names)),
        tuple(rows),
    )


def _beside_floor(scores: Mapping[str, Any], n: int, score: str, r: float | None) -> Entry:
    """A score; GED beside its floor, unless it is undefined itself."""
    found = measured(scores, n, score, r)
    is_defined = found is not None and found.mean is not None
    return Entry(found, "–", reference=floor(scores, n, score) if score in _GED and is_defined else None)


def _groups(found: list[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Data, split, crop and cases of each evaluation, in words: rows compare where all of them are the same."""
    hashes: dict[str, set[str]] = {}
    for scores in found:
        hashes.setdefault(data_name(scores), set()).add(str(scores.get("data_sha256")))
    return [
        (
            f"{data_name(s)} ({short(s.get('data_sha256'))})" if len(hashes[data_name(s)]) > 1 else data_name(s),
            str(s["split"]),
            crop_of(s),
            cases_of(s),
        )
        for s in found
    ]


def _few(evaluations: Iterable[Evaluation]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for found in evaluations:
        names.setdefault(few_of([found.scores]), []).append(found.name)
    yield from (f"{', '.join(of)}: {few}." for few, of in names.items() if few)


def _models(evaluations: Iterable[Evaluation]) -> Iterator[str]:
    """What the models' cards say of them, each once."""
    yield from dict.fromkeys(note for found in evaluations if (note := model_note(found.scores)))


def variants(scores: Mapping[str, Any]) -> Iterator[tuple[int, float | None]]:
    """(n, r) of all that was scored; r is None for raw masks."""
    for n in sorted(map(int, scores["scores"])):
        yield n, None
        yield from ((n, r) for r in scores["postprocess"])


def masks(r: float | None) -> str:
    """What was done to the masks."""
    return "raw" if r is None else f"pp, r = {r:g}"


def _mean(value: object) -> float | None:
    """A mean that stands there by itself or in an interval."""
    found = value.get("mean") if isinstance(value, Mapping) else value
    return float(found) if isinstance(found, int | float) else None


def _plain(value: object, digits: int) -> str:
    return f"{value:,.{digits}f}" if isinstance(value, int | float) else "–"


def _different(found: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """A line where evaluations are of different cases."""
    of = {(s.get("data_sha256"), split_of(s), cases_of(s)) for s in found}
    if len(of) < 2:
        return ()
    names = [f"{data_name(s)} ({short(s.get('data_sha256'))}), {split_of(s)}, {cases_of(s)}" for s in found]
    listed = "; ".join(dict.fromkeys(names))
    return (f"These evaluations are not all of the same cases, so rows compare within a group alone: {listed}.",)
