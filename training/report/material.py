"""What there is to report on: the ablations and the evaluations of one folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.ablation.results import CellResult, GridResult, read_results
from training.errors import ConfigError, DataFormatError
from training.evaluation.cases import HUMAN
from training.evaluation.request import FORMAT
from training.metrics.glossary import SCORES

#: The grids of the paper's tables and figures.
GRID_NAMES = ("table1", "table2", "table3", "table4", "fig6", "fig7", "fig8", "fig9")


@dataclass(frozen=True)
class Evaluation:
    """One evaluation that lies in the folder.

    Parameters
    ----------
    name : the file's name without its ending
    path : of the JSON file
    scores : its content
    cost : content of the file of costs beside it; None where there is none
    is_full : False for a cell of an ablation at another scale than the paper's
    warnings : what must not be overlooked beside it
    """

    name: str
    path: Path
    scores: Mapping[str, Any]
    cost: Mapping[str, Any] | None
    is_full: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Material:
    """Everything that a report is made from.

    Parameters
    ----------
    folder : where it lies
    grids : the paper's ablations by name; of one that was done on several splits, that of the paper's
    others : ablations besides
    evaluations : those directly in the folder, by name
    unreadable : a line for each file that should have been read and could not
    """

    folder: Path
    grids: Mapping[str, GridResult]
    others: tuple[GridResult, ...]
    evaluations: tuple[Evaluation, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A mean with its 95 % interval over patients; None for what is undefined.

    Parameters
    ----------
    undefined : how many cases the mean leaves out, since the score has no value there
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    undefined: int = 0


def read_material(folder: Path) -> Material:
    """Read all results in a folder; nothing done yet is fine.

    Raises
    ------
    ConfigError
        If it is no folder.
    """
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise ConfigError(f"cannot report on {folder}: {what}; give the folder that `ambiseg ablate` writes to")
    evaluations, unreadable = [], []
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(".cost.json"):
            continue
        try:
            found = _read_evaluation(path)
        except DataFormatError as error:
            unreadable.append(str(error))
        else:
            evaluations += [] if found is None else [found]
    grids, others = _sorted([_checked(grid) for grid in read_results(folder)])
    return Material(folder, grids, others, tuple(evaluations), tuple(unreadable))


def measured(scores: Mapping[str, Any], n: int, score: str, r: float | None = None) -> Measured | None:
    """One score of an evaluation's content, for ``n`` masks; ``r`` is None for raw masks.  None if it has none."""
    variants = scores["scores"].get(str(n), {})
    found = variants.get(variant_key(scores, r), {}).get(score)
    if found is None:
        return None
    return Measured(found["mean"], found["low"], found["high"], found.get("undefined", 0))


def variant_key(scores: Mapping[str, Any], r: float | None) -> str:
    """What an evaluation calls its scores with post-processing at ``r``: without the number where it has one only."""
    if r is None:
        return "raw"
    return "postprocessed" if scores["postprocess"] == [r] else f"postprocessed {r:g}"


def floor(scores: Mapping[str, Any], n: int, score: str) -> float | None:
    """What the experts' own distribution would score for ``n`` masks if they were independent: D/K + D/n (V), D/K (U).

    None for "human": an expert beside the others is at its floor by definition.
    """
    if scores["segmenter"] == HUMAN:
        return None
    found = scores.get("floor", {}).get(str(n)) or {}
    value = found.get(score)
    return None if value is None else float(value)


def done(grid: GridResult | None) -> Iterator[tuple[CellResult, Mapping[str, Any]]]:
    """The cells of a grid that have scores, with them."""
    for cell in () if grid is None else grid.cells:
        if cell.state == "done" and cell.scores is not None:
            yield cell, cell.scores


def _sorted(found: list[GridResult]) -> tuple[dict[str, GridResult], tuple[GridResult, ...]]:
    """The paper's grids by name, and the others."""
    grids: dict[str, GridResult] = {}
    others = []
    for grid in sorted(found, key=lambda grid: grid.facts.get("split") != grid.facts.get("paper_split")):  # stable
        if grid.name in GRID_NAMES and grid.name not in grids:
            grids[grid.name] = grid
        else:
            others.append(grid)
    return grids, tuple(others)


def _checked(grid: GridResult) -> GridResult:
    """The grid with cells "missing" whose scores are not what they should be."""
    cells = []
    for cell in grid.cells:
        try:
            if cell.scores is not None:
                _check(Path(cell.scores_path or "scores"), cell.scores)
        except DataFormatError as error:
            cells.append(replace(cell, state="missing", reason=str(error), scores=None))
        else:
            cells.append(cell)
    return replace(grid, cells=cells)


def _read_evaluation(path: Path) -> Evaluation | None:
    """The evaluation in a file, or None if it is JSON of another kind."""
    content = _read_json(path)
    if not (isinstance(content, dict) and content.get("format") == FORMAT and "segmenter" in content):
        return None
    _check(path, content)
    beside = path.with_suffix(".cost.json")
    cost = _read_json(beside) if beside.is_file() else None
    return Evaluation(path.stem, path, content, cost if isinstance(cost, dict) else None)


def _read_json(path: Path) -> object:
    if not path.is_file():
        raise DataFormatError(f"{path.name}: is no plain file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataFormatError(f"{path.name}: cannot be read as JSON: {error}") from error


def _check(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse an evaluation whose numbers are not where they should be."""
    try:
        for n, variants in content["scores"].items():
            int(n)
            for scores in variants.values():
                for name, score in scores.items():
                    numbers = [score[part] for part in ("mean", "low", "high")]
                    if name in SCORES and not all(x is None or _is_number(x) for x in numbers):
                        raise DataFormatError(f"{path.name}: score {name!r} for n = {n} is {score!r}, not numbers")
        counts = content["cases"], content["patients"], *content["postprocess"]
        well = all(map(_is_number, counts)) and bool(content["scores"])
        well = well and all(isinstance(content[name], str) for name in ("split", "data", "segmenter", "data_sha256"))
        well = well and all(isinstance(content.get(name, {}), dict) for name in ("sampling", "floor", "made_with"))
        well = well and isinstance(content["seed"], int)
        for n, floors in content.get("floor", {}).items():
            int(n)
            well = well and all(value is None or _is_number(value) for value in floors.values())
        for found, group in (content.get("by_found") or {}).items():
            int(found)
            _ = group["cases"], group["scores"].items()
        if crop := content.get("crop"):
            _ = crop["size"], crop["seed"]
        for n, variants in (content.get("reliability") or {}).items():
            well = well and all(found is None or _is_reliability(found, int(n)) for found in variants.values())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataFormatError(
            f"{path.name}: not an evaluation of this version ({type(error).__name__}: {error}); evaluate again"
        ) from error
    if not well:
        raise DataFormatError(f"{path.name}: not an evaluation of this version; evaluate again")


def _is_reliability(found: Mapping[str, Any], n: int) -> bool:
    """Whether there are counts of pixels, (n + 1, K + 1), and of cases, n + 1, with the share of experts."""
    pixels, presence = found["pixels"], found["presence"]
    shares = [at["experts"] for at in presence if at["cases"]]
    return (
        len(pixels) == len(presence) == n + 1
        and len(set(map(len, pixels))) == 1
        and all(isinstance(count, int) for row in pixels for count in row)
        and all(share is None or _is_number(share) for share in shares)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
