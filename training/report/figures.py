"""Figs. 6 to 9 from what was measured, as charts; what a figure lacks is said in it.

The paper prints no values of these figures.  What it says of them in words is marked: the choices that it made, and in
Fig. 7 the best scores of Table 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from training.ablation.results import GridResult
from training.ablation.scale import FULL
from training.metrics.glossary import SCORES
from training.report import paper
from training.report.chart import Chart, Level, Panel, Series
from training.report.heading import few_of, scale_of
from training.report.material import Material, done, floor, measured
from training.report.paper import CROPS

_R = paper.RELATIVE_AREA
_N = 4
Labels = Mapping[str, str]
Found = list[tuple[Labels, Mapping[str, Any]]]


@dataclass(frozen=True)
class FigureText:
    """What a figure is called, what it shows, and what makes its data."""

    name: str
    title: str
    caption: str


FIGURES: tuple[FigureText, ...] = (
    FigureText(
        "fig6",
        "Fig. 6: sampling steps and samplers",
        f"GED (V) and dice of n = {_N} masks against the number of sampling steps. Dotted: the paper's choice, "
        f"{paper.STEPS} steps.",
    ),
    FigureText(
        "fig7",
        "Fig. 7: bias of the sigmoid weighting",
        f"GED (V) and dice of n = {_N} masks for models trained with the sigmoid weighting. Dashed: the best of "
        f"Table 3, ours and printed. Dotted: the paper finds a bias around −{-paper.SIGMOID_BIAS:g} best.",
    ),
    FigureText(
        "fig8",
        "Fig. 8: input scale of the noise schedule",
        f"GED (V) and dice of n = {_N} masks, raw and post-processed (pp, r = {_R:g}), for models trained with another "
        f"input scale b; smaller is noisier, b = 1 is the plain cosine schedule. Dotted: the paper's choice, "
        f"b = {paper.INPUT_SCALE:g}.",
    ),
    FigureText(
        "fig9",
        "Fig. 9: relative area of the post-processing",
        "GED (V) and IoU of n = 4 and n = 16 masks against r: masks smaller than r times the largest one of "
        f"their set are emptied; r = 0 changes nothing. Dotted: the paper's choice, r = {_R:g}.",
    ),
)


def result_chart(name: str, material: Material) -> Chart:
    """The chart of one of `FIGURES`; it has no line where nothing was run."""
    grid = material.grids.get(name)
    found: Found = [(cell.labels, scores) for cell, scores in done(grid)]
    builders: Mapping[str, Callable[[], tuple[tuple[Panel, ...], ...]]] = {
        "fig6": lambda: _steps(found),
        "fig7": lambda: _biases(found, material.grids.get("table3")),
        "fig8": lambda: _input_scales(found),
        "fig9": lambda: _relative_areas(found),
    }
    return Chart(builders[name](), _note(grid))


def describe(chart: Chart, title: str) -> str:
    """What a chart shows, for those who do not see it: the best point of each line."""
    parts = [
        f"{panel.title}, {line.label}: {panel.y_label} from {_at(min(line.points))} to {_at(max(line.points))}"
        for row in chart.panels
        for panel in row
        for line in panel.series
    ]
    return f"{title}. " + ("; ".join(parts) + "." if parts else "Nothing was run yet.")


def _at(point: tuple[float, float, float | None, float | None]) -> str:
    return f"{point[1]:.3f} at {point[0]:g}"


def _steps(found: Found) -> tuple[tuple[Panel, ...], ...]:
    def panel(score: str, crop: str) -> Panel:
        of = [(labels, scores) for labels, scores in found if labels.get("crop") == crop]
        samplers = dict.fromkeys(labels.get("sampler", "") for labels, _ in of)
        lines = (
            _line(name, (pair for pair in of if pair[0].get("sampler", "") == name), "steps", score, _N)
            for name in samplers
        )
        return Panel(
            crop,
            "sampling steps",
            _axis(score, _N),
            tuple(line for line in lines if line.points),
            _floor(of, score, _N),
            marked=(paper.STEPS, f"{paper.STEPS} steps"),
            logarithmic=True,
        )

    return _by_crop(panel)


def _biases(found: Found, losses: GridResult | None) -> tuple[tuple[Panel, ...], ...]:
    def panel(score: str, crop: str) -> Panel:
        of = [(labels, scores) for labels, scores in found if labels.get("crop") == crop]
        line = _line("sigmoid weighting", of, "bias", score, _N)
        return Panel(
            crop,
            "bias b̃ of the sigmoid weighting",
            _axis(score, _N),
            (line,) if line.points else (),
            (*_best_losses(losses, score, crop), *_floor(of, score, _N)),
            marked=(paper.SIGMOID_BIAS, f"b̃ = {paper.SIGMOID_BIAS:g}".replace("-", "−")),
        )

    return _by_crop(panel)


def _input_scales(found: Found) -> tuple[tuple[Panel, ...], ...]:
    def panel(score: str, crop: str) -> Panel:
        of = [(labels, scores) for labels, scores in found if labels.get("crop") == crop]
        lines = (
            _line("raw", of, "input_scale", score, _N),
            _line(f"post-processed, r = {_R:g}", of, "input_scale", score, _N, _R),
        )
        return Panel(
            crop,
            "input scale b",
            _axis(score, _N),
            tuple(line for line in lines if line.points),
            _floor(of, score, _N),
            marked=(paper.INPUT_SCALE, f"b = {paper.INPUT_SCALE:g}"),
            logarithmic=True,
        )

    return _by_crop(panel)


def _relative_areas(found: Found) -> tuple[tuple[Panel, ...], ...]:
    """One row of panels for each score, one panel for each n, one line for each model."""

    def panel(score: str, n: int) -> Panel:
        lines = []
        for labels, scores in found:
            points = []
            for r in scores["postprocess"]:
                value = measured(scores, n, score, r)
                if value is not None and value.mean is not None:
                    points.append((float(r), value.mean, value.low, value.high))
            if points:
                lines.append(Series(labels.get("model", "model"), tuple(points)))
        return Panel(
            f"n = {n} masks",
            "relative area r",
            _axis(score, n),
            tuple(lines),
            _floor(found, score, n),
            marked=(_R, f"r = {_R:g}"),
        )

    return tuple(tuple(panel(score, n) for n in (4, 16)) for score in ("ged_v", "iou"))


def _by_crop(panel: Callable[[str, str], Panel]) -> tuple[tuple[Panel, ...], ...]:
    return tuple(tuple(panel(score, crop) for crop in CROPS.values()) for score in ("ged_v", "dice"))


def _axis(score: str, n: int) -> str:
    arrow = {"lower": ", lower is better", "higher": ", higher is better"}.get(SCORES[score].better, "")
    return f"{SCORES[score].label}, n = {n}{arrow}"


def _line(
    label: str, of: Iterable[tuple[Labels, Mapping[str, Any]]], axis: str, score: str, n: int, r: float | None = None
) -> Series:
    points = []
    for labels, scores in of:
        x, value = _position(labels.get(axis, "")), measured(scores, n, score, r)
        if x is not None and value is not None and value.mean is not None:
            points.append((x, value.mean, value.low, value.high))
    return Series(label, tuple(points))


def _position(label: str) -> float | None:
    """Where a cell stands on the x axis; None if its label is no number, as a grid of one's own may have."""
    try:
        x = float(label)
    except ValueError:
        return None
    return x if math.isfinite(x) else None


def _floor(of: Found, score: str, n: int) -> tuple[Level, ...]:
    """What the experts' own distribution would score if they were independent; it depends on the cases alone."""
    values = {round(value, 6) for _, scores in of if (value := floor(scores, n, score)) is not None}
    return tuple(Level("floor of independent experts: D/K + D/n", value) for value in sorted(values))


def _best_losses(losses: GridResult | None, score: str, crop: str) -> tuple[Level, ...]:
    """The best score of Table 3 on this crop: ours, where there is one, and the printed one."""
    side = next(side for side, name in CROPS.items() if name == crop)
    best = paper.best_loss(side)
    printed = Level("best of Table 3, printed", best.ged if score == "ged_v" else best.dice)
    ours = [
        value.mean
        for cell, scores in done(losses)
        if cell.labels.get("crop") == crop
        and (value := measured(scores, _N, score)) is not None
        and value.mean is not None
    ]
    if not ours:
        return (printed,)
    return Level("best of Table 3, ours", min(ours) if score == "ged_v" else max(ours)), printed


def _note(grid: GridResult | None) -> str:
    """What is not there, and that it does not compare, for those who see the figure alone."""
    if grid is None:
        return ""
    n_done = sum(cell.state == "done" for cell in grid.cells)
    partly = f"{n_done} of {len(grid.cells)} runs are done. " if n_done < len(grid.cells) else ""
    scale = "" if scale_of(grid) == FULL else f"Scale {scale_of(grid)}: does not compare with the paper."
    few = few_of(scores for _, scores in done(grid))
    return f"{partly}{scale} {f'{few[0].upper()}{few[1:]}.' if few else ''}".strip()
