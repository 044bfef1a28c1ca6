"""Tables 1 to 4 with our values beside the printed ones.

Their rows and columns are the paper's, whether anything was run or not: what is missing is said to be missing.
GED (U), which the paper does not print, stands beside GED (V), since only it compares between numbers of masks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from training.ablation.grid import load_grid
from training.ablation.plan import PLANNED_PRESETS
from training.ablation.record import NOT_DONE
from training.ablation.results import CellResult, GridResult
from training.presets import PRESETS
from training.report import paper
from training.report.heading import facts_of, warnings_of
from training.report.material import Material, measured
from training.report.paper import ARCHITECTURE_MODELS, ARCHITECTURES, CROPS, PREDICTIONS, WEIGHTINGS
from training.report.table import Entry, Row, Table

_R = paper.RELATIVE_AREA
_HOW = (
    "Each cell: ours [95 % interval over patients], then what the paper prints, if it prints it; that is on LIDC-IDRI."
)

#: Column -> score, n, r of the post-processing, and which number of the paper.
_COMPARED: Mapping[str, tuple[str, int, float | None, str | None]] = {
    "GED (V), n = 4": ("ged_v", 4, None, "ged_4"),
    "GED (V), n = 4, pp": ("ged_v", 4, _R, "ged_4_pp"),
    "dice, n = 4": ("dice", 4, None, "dice_4"),
    "dice, n = 4, pp": ("dice", 4, _R, "dice_4_pp"),
    "GED (V), n = 16": ("ged_v", 16, None, "ged_16"),
    "dice, n = 16": ("dice", 16, None, "dice_16"),
    "GED (U), n = 16": ("ged_u", 16, None, None),
}
#: Row head of Tables 3 and 4 -> score, and which number of the paper.
_PAIR: Mapping[str, tuple[str, str | None]] = {
    "GED (V), n = 4": ("ged_v", "ged"),
    "dice, n = 4": ("dice", "dice"),
    "GED (U), n = 4": ("ged_u", None),
}


def paper_tables(material: Material) -> tuple[Table, ...]:
    """Tables 1 to 4, in their order."""
    builders: Mapping[str, Callable[[GridResult | None], Table]] = {
        "table1": lambda grid: _comparison("table1", "Table 1", 128, grid),
        "table2": lambda grid: _comparison("table2", "Table 2", 64, grid),
        "table3": _losses,
        "table4": _architectures,
    }
    return tuple(build(material.grids.get(name) or _not_begun(name)) for name, build in builders.items())


def _not_begun(name: str) -> GridResult:
    """A shipped grid of which nothing was run: what cannot be made yet is known all the same."""
    grid = load_grid(name)
    cells = []
    for choices in grid.combinations():
        labels, settings = grid.labels(choices), {**grid.train}
        for choice in choices:
            settings |= choice.train
        preset = settings.get("preset")
        reason = next((absence.reason for absence in grid.missing if absence.covers(labels)), "")
        if not reason and preset in PLANNED_PRESETS and preset not in PRESETS:
            reason = f"the preset {preset!r} is not there yet"
        cells.append(CellResult(labels, "missing", reason or NOT_DONE))
    return GridResult(name, grid.title, {}, cells)


def entry(cell: CellResult | None, score: str, n: int, r: float | None = None, printed: float | None = None) -> Entry:
    """One number of a cell beside the printed one, or why there is none."""
    if cell is None:
        return Entry(None, "not run", reference=printed)
    if cell.state != "done" or cell.scores is None:
        return Entry(None, *why_missing(cell), printed)
    found = measured(cell.scores, n, score, r)
    return Entry(found, "" if found else "not scored", reference=printed)


def why_missing(cell: CellResult) -> tuple[str, str]:
    """What is said of a cell without scores, and the reason if there is more to it."""
    if cell.state == "failed":
        return "failed", cell.reason
    if any(repr(preset) in cell.reason for preset in PLANNED_PRESETS):
        return "needs the baselines", ""
    return "not run", "" if cell.reason == NOT_DONE else cell.reason


def cell_of(grid: GridResult | None, **labels: str) -> CellResult | None:
    """The cell with these labels, one for each axis; None if there is none."""
    return next((cell for cell in (() if grid is None else grid.cells) if dict(cell.labels) == labels), None)


def _comparison(name: str, number: str, side: int, grid: GridResult | None) -> Table:
    rows = []
    for model, printed in paper.COMPARISONS[side].items():
        cell = cell_of(grid, model=model)
        numbers = [
            entry(cell, score, n, r, None if field is None else getattr(printed, field))
            for score, n, r, field in _COMPARED.values()
        ]
        rows.append(Row((model,), (*numbers, f"{printed.parameters:,}")))
    return Table(
        name,
        f"{number}: the diffusion model beside five others, {CROPS[side]}",
        f"{_HOW} n is the number of drawn masks, pp means post-processed with relative area r = {_R:g}. The paper "
        "scores its test split.",
        ("Model",),
        (*_COMPARED, "parameters (printed)"),
        tuple(rows),
        facts_of(grid),
        warnings_of(grid) + _other_split(grid),
        beside="printed",
    )


def _losses(grid: GridResult | None) -> Table:
    rows = []
    for (head, (score, field)), (side, crop), prediction in product(_PAIR.items(), CROPS.items(), PREDICTIONS):
        cells = [
            entry(
                cell_of(grid, crop=crop, prediction=prediction, weighting=weighting),
                score,
                4,
                printed=None if field is None else getattr(paper.LOSSES[side, prediction, weighting], field),
            )
            for weighting in WEIGHTINGS
        ]
        rows.append(Row((head, crop, prediction), tuple(cells)))
    return Table(
        "table3",
        "Table 3: loss weightings and prediction types",
        f"{_HOW} Models after 50,000 steps, scored on the validation split. The paper does not print n; 4 fits its "
        "values.",
        ("Score", "Crop", "Predicts"),
        WEIGHTINGS,
        tuple(rows),
        facts_of(grid),
        warnings_of(grid),
        beside="printed",
    )


def _architectures(grid: GridResult | None) -> Table:
    rows = []
    for (head, (score, field)), architecture in product(_PAIR.items(), ARCHITECTURES):
        cells = [
            entry(
                cell_of(grid, architecture=architecture, model=model),
                score,
                4,
                printed=None if field is None else getattr(paper.ARCHITECTURE_SCORES[architecture, model], field),
            )
            for model in ARCHITECTURE_MODELS
        ]
        rows.append(Row((head, architecture), tuple(cells)))
    return Table(
        "table4",
        "Table 4: two U-Nets for each model",
        f"{_HOW} Scored on the validation split. The paper prints neither n nor the crop; 4 masks and whole "
        "128 × 128 slices fit its values.",
        ("Score", "Architecture"),
        ARCHITECTURE_MODELS,
        tuple(rows),
        facts_of(grid),
        warnings_of(grid),
        beside="printed",
    )


def _other_split(grid: GridResult | None) -> tuple[str, ...]:
    """Tables 1 and 2 are of the paper's test split; a line where ours is another one."""
    splits = {cell.scores["split"] for cell in (() if grid is None else grid.cells) if cell.scores is not None}
    other = sorted(splits - {"test"})
    return (f"Ours is of the split {', '.join(other)}; the printed values are of the paper's test split.",) * bool(
        other
    )
