"""What ablations have found, read back from their folder: nothing that is damaged stops a report.  Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.ablation.grid import GRIDS, load_grid, shipped
from training.ablation.record import RECORD, read_record, unreadable_scores
from training.errors import DataFormatError


@dataclass(frozen=True)
class CellResult:
    """One cell.

    Parameters
    ----------
    labels : axis -> label
    state : "done", "failed" or "missing"
    reason : why it is not done
    scores : content of its evaluation's JSON file, where it is done
    cost : content of the file of costs beside that, where it can be read
    scores_path : of the JSON file; None where nothing says what it is called
    run : folder of its training
    """

    labels: dict[str, str]
    state: str
    reason: str = ""
    scores: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    scores_path: Path | None = None
    run: Path | None = None


@dataclass(frozen=True)
class GridResult:
    """One grid.

    Parameters
    ----------
    name, title : of the grid
    facts : everything in ``ablation.json`` but the cells: ``split``, ``paper_split``, ``scale`` (``name``, ``title``,
        ``changed``, ``left_out``), ``notice`` (to be shown with every result unless it is ""), ``data``, ``seeds``,
        ``git_commit``, ``axes``
    cells : in the order of the grid
    """

    name: str
    title: str
    facts: dict[str, Any]
    cells: list[CellResult] = field(default_factory=list)


def read_results(out: Path) -> list[GridResult]:
    """All ablations in a folder, by the names of their folders; none where nothing was begun.

    A file that is damaged makes its cells "missing", with what is wrong as the reason.
    """
    return [_grid(path) for path in sorted(out.glob(f"*/{RECORD}"))]


def _grid(path: Path) -> GridResult:
    try:
        found = read_record(path)
    except DataFormatError as error:
        return _damaged(path.parent.name, str(error))
    cells = [_cell(path.parent, cell) for cell in found["cells"]]
    return GridResult(found["grid"], found["title"], {key: found[key] for key in found if key != "cells"}, cells)


def _cell(folder: Path, cell: Mapping[str, Any]) -> CellResult:
    path = folder / cell["scores"]
    run = folder / cell["run"] if isinstance(cell.get("run"), str) else None
    state, reason, scores = cell["state"], cell["reason"], None
    if state == "done":
        if reason := unreadable_scores(path):
            state = "missing"
        else:
            scores = _json(path)
    return CellResult(dict(cell["labels"]), state, reason, scores, _json(path.with_suffix(".cost.json")), path, run)


def _damaged(name: str, reason: str) -> GridResult:
    """A grid whose record says nothing: if it is a shipped one, its cells are known all the same."""
    if name not in shipped(GRIDS):
        return GridResult(name, name, {"notice": reason})
    grid = load_grid(name)
    cells = [CellResult(grid.labels(choices), "missing", reason) for choices in grid.combinations()]
    return GridResult(name, grid.title, {"notice": reason}, cells)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # costs are no part of the result; scores were checked before
    return found if isinstance(found, dict) else None
