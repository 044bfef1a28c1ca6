"""Line charts as plain data, and the one way in which they are drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.canvas import Format, drawing, rendered, style

_GREY, _LOUD = "#555555", "#8a3b00"
_NOTE_LETTERS = 12  # that fit into an inch of a line above the panels

_HANDLE = 0.8  # inches of a line in the legend, with what is free around it


@dataclass(frozen=True)
class Series:
    """A line with its interval.

    Parameters
    ----------
    label : in the legend; lines of one label look alike in all panels
    points : (x, mean, low, high), in any order; low and high are None where there is no interval
    """

    label: str
    points: tuple[tuple[float, float, float | None, float | None], ...]


@dataclass(frozen=True)
class Level:
    """A horizontal line: a value to compare with.

    Parameters
    ----------
    label : in the legend
    value : its height
    of : the label of the line that it belongs to, whose colour it takes; None is grey
    """

    label: str
    value: float
    of: str | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Parameters
    ----------
    x_label, y_label : with unit and n
    marked : an x to point at, with what is to be said of it
    logarithmic : whether x is
    missing : what is said where there is no line
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...] = ()
    levels: tuple[Level, ...] = ()
    marked: tuple[float, str] | None = None
    logarithmic: bool = False
    missing: str = "not run"


@dataclass(frozen=True)
class Chart:
    """Panels in rows and columns, with one legend for all.

    Parameters
    ----------
    panels : rows of panels, equally many in each
    note : a line above it, such as that runs are missing or were shortened
    """

    panels: tuple[tuple[Panel, ...], ...]
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is not one line to draw."""
        return not any(panel.series for row in self.panels for panel in row)


def draw_chart(chart: Chart, forms: Sequence[Format] = ("svg", "png")) -> dict[Format, bytes]:
    """The chart in each of these forms; the same chart gives the same bytes."""
    n_rows, n_columns = len(chart.panels), len(chart.panels[0])
    labels = list(dict.fromkeys(line.label for row in chart.panels for panel in row for line in panel.series))
    with drawing(4.4 * n_columns, 3.1 * n_rows + 0.6) as figure:
        axes = figure.subplots(n_rows, n_columns, squeeze=False)
        for row, panels in zip(axes, chart.panels, strict=True):
            for ax, panel in zip(row, panels, strict=True):
                _draw_panel(ax, panel, labels)
        _draw_legend(figure, axes.ravel().tolist())
        if chart.note:
            lines = textwrap.fill(chart.note, int(_NOTE_LETTERS * figure.get_figwidth()))
            figure.suptitle(lines, fontsize=9, color=_LOUD, parse_math=False)
        return {form: rendered(figure, form) for form in forms}


def draw_notice(title: str, lines: Sequence[str], forms: Sequence[Format] = ("svg", "png")) -> dict[Format, bytes]:
    """A figure that says why there is none."""
    with drawing(7.0, 2.0) as figure:
        figure.text(0.5, 0.8, title, ha="center", fontsize=12, fontweight="bold", parse_math=False)
        wrapped = "\n".join(textwrap.fill(line, int(_NOTE_LETTERS * figure.get_figwidth())) for line in lines)
        figure.text(0.5, 0.7, wrapped, ha="center", va="top", color=_GREY, parse_math=False)
        figure.patch.set_edgecolor("#999999")
        figure.patch.set_linewidth(1.5)
        figure.patch.set_linestyle("--")
        return {form: rendered(figure, form) for form in forms}


def _draw_panel(ax: Axes, panel: Panel, labels: Sequence[str]) -> None:
    ax.set_title(panel.title, parse_math=False)
    ax.set_xlabel(panel.x_label, parse_math=False)
    ax.set_ylabel(panel.y_label, parse_math=False)
    if not panel.series:
        ax.text(0.5, 0.5, panel.missing, transform=ax.transAxes, ha="center", color=_GREY, parse_math=False)
        ax.set_xticks([])
        ax.set_yticks([])
        return
    if panel.logarithmic:
        ax.set_xscale("log")
        _tick_where_measured(ax, panel)
    for line in panel.series:
        _draw_series(ax, line, labels.index(line.label))
    for level in panel.levels:
        colour = style(labels.index(level.of)).colour if level.of in labels else _GREY
        ax.axhline(level.value, color=colour, linewidth=1.1, linestyle=_level_dashes(level), label=level.label)
    if panel.marked is not None:
        x, words = panel.marked
        ax.axvline(x, color="#999999", linewidth=0.9, linestyle=":", zorder=0)
        ax.annotate(
            words, (x, 1), (3, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
            va="top", fontsize=7, color=_GREY, parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.8},
        )  # fmt: skip


def _draw_series(ax: Axes, line: Series, number: int) -> None:
    look = style(number)
    points = sorted(line.points)
    x = np.array([point[0] for point in points])
    mean, low, high = (np.array([p[i] for p in points], float) for i in (1, 2, 3))  # None becomes NaN: no band there
    ax.plot(
        x, mean, color=look.colour, linestyle=look.dashes, marker=look.marker, markersize=4.5, linewidth=1.5,
        label=line.label,
    )  # fmt: skip
    if len(points) == 1:  # a band needs two
        ax.errorbar(x, mean, [mean - low, high - mean], color=look.colour, capsize=3, linestyle="none")
    else:
        ax.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)
        for edge in (low, high):  # where bands lie on each other, and in grey
            ax.plot(x, edge, color=look.colour, linewidth=0.5, alpha=0.6)


def _level_dashes(level: Level) -> tuple[int, tuple[int, ...]]:
    """Printed values have short dashes, floors dots and dashes, ours long ones: told apart without colour."""
    if "printed" in level.label:
        return (0, (3, 2))
    return (0, (6, 2, 1, 2)) if "floor" in level.label else (0, (9, 3))


def _tick_where_measured(ax: Axes, panel: Panel) -> None:
    """On a logarithmic axis the numbers that were tried, as far as they do not touch."""
    measured = sorted({point[0] for line in panel.series for point in line.points if point[0] > 0})
    kept: list[float] = []
    for x in measured:
        if not kept or x / kept[-1] > 1.45:
            kept.append(x)
    ax.set_xticks(kept, [f"{x:g}" for x in kept])
    ax.set_xticks([], minor=True)


def _draw_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    handles: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        widest = max(map(len, handles)) / _NOTE_LETTERS + _HANDLE
        legend = figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=max(1, min(4, len(handles), int(figure.get_figwidth() / widest))),
            handlelength=4,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
