"""The report on a folder of results: tables, figures and the page, written as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from training.ablation.results import GridResult
from training.atomic import write_bytes
from training.errors import ConfigError
from training.evaluation.statistics import N_RESAMPLES
from training.machine import git_commit, versions
from training.report.canvas import Format
from training.report.chart import draw_chart, draw_notice
from training.report.figures import FIGURES, FigureText, describe, result_chart
from training.report.gallery import make_gallery
from training.report.heading import command, data_name, short, warnings_of
from training.report.inventory import Item, clipped, take_inventory
from training.report.material import Evaluation, Material, read_material
from training.report.page import Content, Detail, Illustration, page
from training.report.paper import CITATION, LINK
from training.report.reliability import draw_reliability, presence_points
from training.report.score_tables import evaluations_table, found_table, grid_table
from training.report.table import Table, as_csv, as_markdown
from training.report.tables import paper_tables, why_missing

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Parameters
    ----------
    folder : where
    items : what is there and what is missing
    """

    folder: Path
    items: tuple[Item, ...]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / PAGE


def write_report(
    results: Path, into: Path | None = None, *, data: Path | None = None, device: str = "auto", pictures: bool = True
) -> Report:
    """Write tables, figures and the page for a folder of results; nothing done yet is fine.

    Parameters
    ----------
    results : what `ambiseg ablate` and `ambiseg evaluate --out` write to
    into : where the report goes; ``results / "report"`` if None
    data, device : for the pictures of cases, see `training.report.gallery.make_gallery`
    pictures : whether cases are drawn again to be shown

    Raises
    ------
    ConfigError
        If ``results`` is no folder, or the report cannot be written.
    """
    material = read_material(results)
    folder = results / "report" if into is None else into
    files: dict[str, bytes] = {}
    tables, figures = paper_tables(material), _figures(material, files)
    evaluations = evaluations_table(material.evaluations)
    others = tuple(_of_split(grid) for grid in material.others)
    gallery = make_gallery(material, data, device) if pictures else None
    for table in (*tables, *(shown.numbers for shown in figures if shown.numbers), evaluations, *others):
        files[f"tables/{_file_name(table.name)}.md"] = as_markdown(table).encode()
        files[f"tables/{_file_name(table.name)}.csv"] = as_csv(table).encode()
    items = take_inventory(material, tables, gallery)
    content = Content(
        results.absolute().name,
        items,
        tables,
        figures,
        gallery,
        evaluations,
        tuple(map(_detail, material.evaluations)),
        others,
        _provenance(material),
    )
    files[PAGE] = page(content).encode()
    _write(folder, files)
    return Report(folder, items)


def _figures(material: Material, files: dict[str, bytes]) -> tuple[Illustration, ...]:
    """The figures in their order; their files are put among ``files``."""
    from training.report import formula_figures as formulas  # torch

    shown = {
        "fig2": Illustration(
            formulas.SCHEDULE, _kept("fig2", formulas.draw_schedule(), files), formulas.SCHEDULE.caption
        ),
        "fig3": Illustration(
            formulas.WEIGHTINGS, _kept("fig3", formulas.draw_weightings(), files), formulas.describe_weightings()
        ),
    }
    for text in FIGURES:
        chart, grid = result_chart(text.name, material), material.grids.get(text.name)
        drawn = _notice(text, grid, material) if chart.is_empty else draw_chart(chart)
        numbers = None if grid is None or chart.is_empty else grid_table(grid)
        svg = _kept(text.name, drawn, files)
        shown[text.name] = Illustration(text, svg, describe(chart, text.title), numbers, warnings_of(grid))
    return tuple(shown[name] for name in sorted(shown))


def _notice(text: FigureText, grid: GridResult | None, material: Material) -> dict[Format, bytes]:
    """A figure without a line: the first reasons, and what makes it."""
    cells = [] if grid is None else [cell for cell in grid.cells if cell.state != "done"]
    reasons = dict.fromkeys(": ".join(filter(None, why_missing(cell))) for cell in cells)
    if grid is not None and not cells:
        reasons = {"What was run has other labels than the shipped grid's.": None}
    lines = [clipped(line, 90) for line in [*reasons][:2]] or ["Not run yet."]
    return draw_notice(text.title, [*lines, f"To make it: {clipped(command(text.name, material), 300)}"])


def _kept(name: str, drawn: Mapping[Format, bytes], files: dict[str, bytes]) -> bytes:
    files.update({f"figures/{name}.{form}": content for form, content in drawn.items()})
    return drawn["svg"]


def _of_split(grid: GridResult) -> Table:
    """The table of a grid that is not the paper's, or of another split than the paper's."""
    table, split = grid_table(grid), grid.facts.get("split")
    return replace(table, name=f"{table.name}-{split}", title=f"{table.title} ({split})") if split else table


def _detail(evaluation: Evaluation) -> Detail:
    """The reliability of the raw masks of the largest n, and scores by findings."""
    by_n = evaluation.scores.get("reliability") or {}
    n = max(map(int, by_n), default=0)
    reliability = by_n.get(str(n), {}).get("raw")
    if not reliability:
        return Detail(evaluation.name, None, "", found_table(evaluation))
    points = "; ".join(f"{x:.2f}: {y:.2f} ({cases} cases)" for x, y, cases in presence_points(reliability))
    alt = f"Reliability of {evaluation.name}, n = {n}. Share of masks with a lesion: share of experts. {points}."
    return Detail(evaluation.name, draw_reliability(reliability, n, ("svg",))["svg"], alt, found_table(evaluation))


def _provenance(material: Material) -> tuple[tuple[str, str], ...]:
    made_with = ", ".join(f"{name} {version}" for name, version in versions().items())
    data = dict.fromkeys(
        f"{data_name(scores)} (sha256 {scores.get('data_sha256', 'not recorded')})"
        for scores in (
            *(found.scores for found in material.evaluations),
            *(cell.scores for grid in material.grids.values() for cell in grid.cells if cell.scores is not None),
        )
    )
    return (
        ("Report made with", made_with),
        ("Commit of the report", short(git_commit(), "unknown")),
        ("Data", "; ".join(data) or "none yet"),
        ("Printed values", f"{CITATION}, {LINK}"),
        ("Intervals", f"95 %, percentile bootstrap over patients, {N_RESAMPLES:,} resamples"),
    )


def _file_name(name: str) -> str:
    """A name that is nothing but a name, whatever a grid is called."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in name)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    with _writing(folder):
        for part in ("tables", "figures"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_bytes(folder / name, content)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot write the report to {folder}: {error.strerror or error}; choose another place with --into"
        ) from error
