"""The figure of one case for a paper: image, experts, drawn masks, variance, areas and numbers, lettered."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from training.atomic import write_bytes, writing
from training.errors import ConfigError
from training.export.case_scores import CaseScores
from training.export.closeup import Window, window_of
from training.export.colours import OWN, SAMPLE, expert_colour, expert_letter
from training.export.drawn_case import DrawnCase
from training.export.own_reading import ME, SAMPLES
from training.metrics.disagreement import pixel_variance
from training.metrics.glossary import SCORES
from training.records import AnnotatedSlice, BoolArray, FloatArray
from training.report.canvas import Format, drawing, rendered
from training.report.case_picture import (
    mark_window,
    outline,
    outline_experts,
    outline_own,
    show_image,
    show_variance,
)

FORMATS: tuple[Format, ...] = ("pdf", "svg", "png")
SHOWN = 16  # of the drawn masks
_WIDTH = 7.1  # inches: two columns of a journal, 180 mm
_TILES_PER_ROW = 8
_AREAS_HEIGHT = 1.5
_LETTERS_PER_LINE, _LINES_OF_READING = 150, 4
_NUMBERS = ("ged_v", "ged_u", "dice", "iou", "hm_iou")
_COLUMNS = (0.012, 0.16, 0.39, 0.62, 0.73, 0.84)  # of the numbers, in shares of the width
_ABOVE_BAR = 2.5  # points from the middle of a scale bar to the foot of its text
_ROUND_LENGTHS_MM = (1, 2, 5, 10, 20, 50, 100)


def write_case_figure(path: Path, drawn: DrawnCase, dpi: float = 300, warnings: Sequence[str] = ()) -> None:
    """Write the figure of a case; the end of the name says which form: .pdf, .svg or .png.

    Raises
    ------
    ConfigError
        On another end, an impossible resolution, or a place that cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise ConfigError(
            f"cannot tell the form of {path.name!r}; give a name that ends in one of: .{', .'.join(FORMATS)}"
        )
    with writing(path):
        write_bytes(path, case_figure(drawn, form, dpi, warnings))


def case_figure(drawn: DrawnCase, form: Format = "pdf", dpi: float = 300, warnings: Sequence[str] = ()) -> bytes:
    """The figure of a case as a file's content; the same case is the same file.

    Masks are shown after post-processing where there was one; the numbers of both are given.

    Parameters
    ----------
    drawn : case and masks; within a field, the figure is of the field
    dpi : dots per inch of a PNG, 50 to 1200
    warnings : what must not be overlooked, such as a model that never saw such images; a line each, in bold

    Raises
    ------
    ConfigError
        On an impossible resolution.
    """
    if not 50 <= dpi <= 1200:
        raise ConfigError(f"{dpi:g} dots per inch are impossible; choose 50 to 1200")
    case, masks = drawn.seen, drawn.samples.masks if drawn.cleaned is None else drawn.cleaned
    own = drawn.own_mask
    owned = case.masks[:0] if own is None else own[None]
    window = window_of(np.concatenate([case.masks, drawn.samples.masks, masks, owned]))
    notes = _reading_lines(drawn, case.spacing_mm)
    n_rows = math.ceil(min(len(masks), SHOWN) / _TILES_PER_ROW)
    tiles_height = 0.28 + 0.82 * n_rows
    rows = _number_rows(drawn)
    words_height = 0.17 * (len(rows) + 2 + len(warnings) + len(notes))
    with drawing(_WIDTH, 2.0 + tiles_height + _AREAS_HEIGHT + words_height) as figure:
        heights = (2.0, tiles_height, _AREAS_HEIGHT, words_height)
        top, middle, areas, words = np.asarray(figure.subfigures(4, 1, height_ratios=heights, hspace=0.0))
        _top(top, case, masks, window, own)
        _tiles(middle, case, masks, window, drawn.cleaned is not None)
        _areas(areas.subplots(), case, masks, owned)
        _write(words, rows, drawn, notes, warnings)
        return rendered(figure, form, dpi)


def _top(panel: Any, case: AnnotatedSlice, masks: BoolArray, window: Window, own: BoolArray | None) -> None:
    """Image, experts with the reader's own outline, and the variance of both on one scale."""
    axes = panel.subplots(1, 4)
    whole, experts, among_experts, among_masks = axes
    show_image(whole, case.image, f"{case.image.shape[0]} × {case.image.shape[1]} pixels")
    mark_window(whole, window)
    _scale_bar(whole, case.image.shape, case.spacing_mm)
    show_image(experts, window.of(case.image), f"seen by {case.n_found} of {case.n_experts}")
    outline_experts(experts, window.of(case.masks), 1.3)
    if own is not None:
        outline_own(experts, window.of(own), 1.3)
    _scale_bar(experts, (window.side, window.side), case.spacing_mm)
    if case.n_experts:
        show_variance(among_experts, window.of(pixel_variance(case.masks)), "variance, experts")
    else:
        among_experts.set_axis_off()
    shades = show_variance(among_masks, window.of(pixel_variance(masks)), f"variance, n = {len(masks)}")
    bar = panel.colorbar(shades, ax=axes, ticks=[0, 0.05, 0.1, 0.15, 0.2, 0.25], shrink=0.78, pad=0.01, aspect=14)
    bar.ax.tick_params(labelsize=7)
    for ax, letter in zip(axes, "abcd", strict=True):
        _letter(ax, letter)


def _tiles(panel: Any, case: AnnotatedSlice, masks: BoolArray, window: Window, cleaned: bool) -> None:
    shown = masks[:SHOWN]
    rows = math.ceil(len(shown) / _TILES_PER_ROW)
    tiles = panel.subplots(rows, _TILES_PER_ROW, squeeze=False).ravel()
    for tile in tiles:
        tile.set_axis_off()
    for number, (tile, mask) in enumerate(zip(tiles, window.of(shown), strict=False), start=1):
        show_image(tile, window.of(case.image), "")
        outline(tile, mask, SAMPLE, 1.1)
        words = f"{number}" if mask.any() else f"{number}: nothing"
        tile.text(0.04, 0.95, words, transform=tile.transAxes, color="white", fontsize=6.5, va="top")
    rest = "" if len(masks) == len(shown) else f" of {len(masks)}"
    after = ", post-processed" if cleaned else ""
    panel.suptitle(f"drawn masks 1 to {len(shown)}{rest}{after}", fontsize=9)
    panel.text(0.012, 0.985, "e", fontsize=10, fontweight="bold", va="top")


def _areas(ax: Axes, case: AnnotatedSlice, masks: BoolArray, own: BoolArray) -> None:
    """The areas of readers and samples on one line each; equal ones stand above each other.

    Parameters
    ----------
    own : (1, H, W), the reader's own mask, or (0, H, W)
    """
    mm2 = 1.0 if case.spacing_mm is None else math.prod(case.spacing_mm)
    readers, samples = (group.sum(axis=(1, 2)) * mm2 for group in (np.concatenate([case.masks, own]), masks))
    for y, area in zip(_stacked(samples, 0.16, 0.7), samples, strict=True):
        ax.plot(area, y, "o", markersize=4, markerfacecolor=SAMPLE, markeredgecolor="black", markeredgewidth=0.6)
    for number, (y, area) in enumerate(zip(_stacked(readers, 0.42, 1.0), readers, strict=True), start=1):
        letter, box = expert_letter(number), {"boxstyle": "circle,pad=0.15", "facecolor": expert_colour(number)}
        line: dict[str, Any] = {"linewidth": 0}
        if number > case.n_experts:
            letter, box = ME, {"boxstyle": "square,pad=0.2", "facecolor": OWN}
            line = {"linewidth": 0.8, "edgecolor": "black"}
        ax.text(area, 1 + y, letter, fontsize=7, fontweight="bold", ha="center", va="center", bbox=box | line)
    largest = max([1.0, *readers.tolist(), *samples.tolist()])
    ax.set(ylim=(-0.3, 2.3), xlim=(-0.04 * largest, 1.06 * largest), yticks=[1, 0])
    ax.set_yticklabels(["experts, Me" if len(own) else "experts", f"{len(masks)} masks"])
    unit = "pixels" if case.spacing_mm is None else "mm²"
    ax.set_xlabel(f"area in {unit}; 0 is nothing", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.grid(visible=True, axis="x")
    _letter(ax, "f")


def _stacked(areas: FloatArray, step: float, highest: float) -> list[float]:
    """The height of each mark, so that none covers one that is at nearly the same place, as far as there is room."""
    reach = 0.02 * max(float(np.max(areas, initial=0)), 1.0)
    levels: list[int] = []
    for at, area in enumerate(areas):
        taken = {levels[other] for other in range(at) if abs(areas[other] - area) < reach}
        levels.append(next(level for level in range(len(areas) + 1) if level not in taken))
    step = min(step, highest / max([1, *levels]))
    return [level * step for level in levels]


def _scale_bar(ax: Axes, shape: tuple[int, ...], spacing_mm: tuple[float, float] | None) -> None:
    """A bar of a round length, at most a third of the picture; none where the size of a pixel is unknown."""
    if spacing_mm is None:
        return
    height, width = shape
    length = max((mm for mm in _ROUND_LENGTHS_MM if mm <= 0.35 * width * spacing_mm[1]), default=1)
    right, bottom = 0.96 * width - 0.5, 0.95 * height - 0.5
    left = right - length / spacing_mm[1]
    ax.plot([left, right], [bottom, bottom], color="white", linewidth=2, solid_capstyle="butt")
    ax.annotate(
        f"{length} mm", ((left + right) / 2, bottom), xytext=(0, _ABOVE_BAR), textcoords="offset points", color="white",
        fontsize=6.5, ha="center", va="bottom",
    )  # fmt: skip


def _letter(ax: Axes, letter: str) -> None:
    ax.set_title(letter, loc="left", fontsize=10, fontweight="bold")


def _number_rows(drawn: DrawnCase) -> list[tuple[str, ...]]:
    """A row for the masks as drawn and one for those after post-processing; none where nobody annotated the slice."""
    experts = drawn.seen.masks
    if not len(experts):
        return []
    sets = [("as drawn", drawn.samples.masks)]
    if drawn.cleaned is not None:
        sets.append(("post-processed", drawn.cleaned))
    rows = [(f"n = {len(drawn.samples)}", *(SCORES[name].label for name in _NUMBERS))]
    for words, masks in sets:
        scores = CaseScores.of(masks, experts)
        rows.append((words, *(_number(scores, name) for name in _NUMBERS)))
    return rows


def _reading_lines(drawn: DrawnCase, spacing_mm: tuple[float, float] | None) -> list[str]:
    """What the reader drew, marked and wrote, in lines that fit; none where there is nothing of it."""
    said = [] if drawn.reading is None else [f"{ME} ({drawn.reading.when}): {drawn.reading.area(spacing_mm)}"]
    if drawn.reading is not None and drawn.reading.distances:
        far = ", ".join(f"{_from(one.name)} {one.distance:.2f}" for one in drawn.reading.distances)
        said.append(f"1 − IoU to {far}")
    said += [f"{name}: {words}" for name, words in (("flag", drawn.flag), ("note", drawn.note)) if words]
    if not said:
        return []
    return textwrap.wrap(f"{'; '.join(said)}.", _LETTERS_PER_LINE, max_lines=_LINES_OF_READING, placeholder=" ...")


def _from(name: str) -> str:
    return "the drawn masks (mean)" if name == SAMPLES else name


def _write(
    panel: Any, rows: list[tuple[str, ...]], drawn: DrawnCase, reading: Sequence[str], warnings: Sequence[str]
) -> None:
    """The numbers in columns, and under them what they are of."""
    lines = len(rows) + 2 + len(warnings) + len(reading)
    for at, row in enumerate(rows):
        y = 1 - (at + 0.5) / lines
        for x, words in zip(_COLUMNS, row, strict=True):
            panel.text(x, y, words, fontsize=7, va="center", fontweight="bold" if at == 0 else "normal")
    model, seed = drawn.samples.provenance.get("model", "unknown"), drawn.samples.seed
    options = "" if drawn.cleaned is None else f", post-processing {' '.join(drawn.cleaning.options())}"
    notes = (
        f"{drawn.seen.key}; model {model}, seed {seed}{options}.",
        "Brackets: 95 % range over the masks. Research use only, not for diagnosis.",
    )
    grave = {"color": "black", "fontweight": "bold"}
    plain = {"color": "#444444"}
    lower = [*((text, grave) for text in warnings), *((note, plain) for note in (*reading, *notes))]
    for at, (text, look) in enumerate(lower, start=len(rows)):
        y = 1 - (at + 0.5) / lines
        panel.text(_COLUMNS[0], y, text, fontsize=6.5, va="center", parse_math=False, **look)


def _number(scores: CaseScores, name: str) -> str:
    value, (low, high) = scores.values[name], scores.range_of(name)
    if math.isnan(value):
        return "undefined"
    return _signed(f"{value:.3f}") + ("" if math.isnan(low) else _signed(f" [{low:.2f}, {high:.2f}]"))


def _signed(text: str) -> str:
    return text.replace("-", "−")
