"""Parts of pictures of a case: image, experts' outlines, drawn masks, variance; and the row of them in a report."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from training.export.closeup import Window, window_of
from training.export.colours import OWN, SAMPLE, expert_colour, expert_letter
from training.export.own_reading import ME
from training.metrics.disagreement import pixel_variance
from training.records import AnnotatedSlice, BoolArray, FloatArray
from training.report.canvas import drawing, rendered

#: Largest variance of masks at a pixel: half of them mark it.
MOST_VARIANCE = 0.25
SHOWN = 16  # of the drawn masks
_OWN_DASHES = (0, (4, 1.2, 1, 1.2))  # of the reader's own outline: dash and dot
# Of the experts, in turn: a print in grey tells them apart too.
_DASHES = ("-", (0, (3, 1)), (0, (1, 1)), (0, (6, 1.2)))
_LETTER_BOX = {"facecolor": "black", "alpha": 0.55, "pad": 1.2, "linewidth": 0}


def draw_case(case: AnnotatedSlice, masks: BoolArray) -> bytes:
    """A PNG of one case with the masks (N, H, W) that a model drew for it; up to 16 of them are shown."""
    window = window_of(np.concatenate([case.masks, masks]))
    picture = window.of(case.image)
    shown = masks[:SHOWN]
    columns = 4 if len(shown) > 4 else 2
    rows = -(-len(shown) // columns)
    with drawing(11.5, 3.1) as figure:
        panels = np.asarray(figure.subfigures(1, 4, width_ratios=(1, 1, 1.05, 1.25), wspace=0.01))
        whole, experts = (panel.subplots() for panel in panels[:2])
        show_image(whole, case.image, f"image, {case.image.shape[0]} × {case.image.shape[1]} pixels")
        mark_window(whole, window)
        show_image(experts, picture, f"{case.n_experts} experts, {case.n_found} saw something")
        outline_experts(experts, window.of(case.masks))
        panels[2].suptitle(f"drawn masks 1 to {len(shown)}", fontsize=9)
        tiles = panels[2].subplots(rows, columns, squeeze=False).ravel()
        for tile in tiles:
            tile.axis("off")
        for tile, mask in zip(tiles, window.of(shown), strict=False):
            show_image(tile, picture, "")
            tile.axis("on")
            outline(tile, mask, SAMPLE, 0.9)
        variance = panels[3].subplots()
        shades = show_variance(variance, window.of(pixel_variance(masks)), f"variance of {len(masks)} masks")
        panels[3].colorbar(shades, ax=variance, ticks=[0, 0.05, 0.1, 0.15, 0.2, 0.25], shrink=0.85)
        return rendered(figure, "png")


def show_image(ax: Axes, image: FloatArray, title: str) -> None:
    """A slice in grey, black at 0 and white at 1, pixels as squares, without axes."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _only_title(ax, title)


def show_variance(ax: Axes, variance: FloatArray, title: str) -> Any:
    """A map of variance on its fixed scale, 0 to 0.25; returns what a colour bar needs."""
    shades = ax.imshow(variance, cmap="magma", vmin=0, vmax=MOST_VARIANCE, interpolation="nearest")
    _only_title(ax, title)
    return shades


def _only_title(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def mark_window(ax: Axes, window: Window) -> None:
    """The square that is shown enlarged elsewhere."""
    ax.add_patch(
        Rectangle((window.left - 0.5, window.top - 0.5), window.side, window.side, fill=False, edgecolor=SAMPLE)
    )


def outline_experts(ax: Axes, masks: BoolArray, width: float = 1.6) -> None:
    """The experts' outlines (K, H, W) with their letters; who drew nothing is said in words."""
    drew = [number for number, mask in enumerate(masks, start=1) if mask.any()]
    for line, number in enumerate(drew):
        colour = expert_colour(number)
        ax.text(
            0.02, 0.94 - 0.085 * line, expert_letter(number), transform=ax.transAxes, color=colour, fontsize=8.5,
            fontweight="bold", va="center", bbox=_LETTER_BOX,
        )  # fmt: skip
        dashes: Any = _DASHES[(number - 1) % len(_DASHES)]
        ax.plot([0.08, 0.19], [0.94 - 0.085 * line] * 2, transform=ax.transAxes, color=colour, linewidth=width,
                linestyle=dashes)  # fmt: skip
        outline(ax, masks[number - 1], colour, width, dashes)
    if rest := [expert_letter(number) for number in range(1, len(masks) + 1) if number not in drew]:
        words = f"{', '.join(rest)}: nothing"
        ax.text(0.98, 0.94, words, transform=ax.transAxes, color="white", fontsize=7.5, ha="right", va="center",
                bbox=_LETTER_BOX)  # fmt: skip


def outline_own(ax: Axes, mask: BoolArray, width: float = 1.6) -> None:
    """The reader's own outline (H, W), dash and dot, with what it is called."""
    words = f"{ME} – · –" if mask.any() else f"{ME}: nothing"
    ax.text(0.02, 0.06, words, transform=ax.transAxes, color=OWN, fontsize=8, fontweight="bold", va="center",
            bbox=_LETTER_BOX)  # fmt: skip
    outline(ax, mask, "black", 1.7 * width)
    outline(ax, mask, OWN, width, _OWN_DASHES)


def outline(ax: Axes, mask: BoolArray, colour: str, width: float, dashes: Any = "-") -> None:
    """The border of a mask along the edges of its pixels; nothing for an empty one."""
    if mask.any():
        ax.plot(*_edges(mask), color=colour, linewidth=width, linestyle=dashes, solid_capstyle="round")


def _edges(mask: BoolArray) -> tuple[list[float], list[float]]:
    """The sides of pixels between marked and unmarked ones, as closed lines (x, y) with a NaN after each.

    Where two marked pixels touch by a corner alone, their lines touch there too.
    """
    padded = np.pad(mask, 1).astype(np.int8)
    ahead: dict[tuple[int, int], list[tuple[int, int]]] = {}  # from each corner (y, x) to the next, lesion on the right
    for axis in (0, 1):
        change = np.diff(padded, axis=axis)
        for row, column in zip(*change.nonzero(), strict=True):
            ends = [(row, column - 1), (row, column)] if axis == 0 else [(row, column), (row - 1, column)]
            begin, end = ends if change[row, column] > 0 else ends[::-1]
            ahead.setdefault(begin, []).append(end)
    x: list[float] = []
    y: list[float] = []
    while ahead:
        first = at = next(iter(ahead))
        corners = [first]
        while at in ahead:
            at = ahead[at].pop() if len(ahead[at]) > 1 else ahead.pop(at)[0]
            corners.append(at)
        y += [*(row - 0.5 for row, _ in corners), np.nan]
        x += [*(column - 0.5 for _, column in corners), np.nan]
    return x, y
