"""The picture of one case: image, experts, drawn masks, variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from training.metrics.disagreement import pixel_variance
from training.records import AnnotatedSlice, BoolArray, FloatArray
from training.report.canvas import drawing, rendered

#: Largest variance of masks at a pixel: half of them mark it.
MOST_VARIANCE = 0.25
SHOWN = 16  # of the drawn masks

# As in the viewer: Okabe and Ito's that are seen on grey, then Tol's; always with a number.
_EXPERT_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#DDCC77", "#88CCEE", "#AA4499", "#44AA99")
_SAMPLE_COLOUR = "#F0E442"
_LEAST_SIDE = 32  # pixels of the window that is shown enlarged


@dataclass(frozen=True)
class Window:
    """A square of a slice, in pixels."""

    top: int
    left: int
    side: int

    def of(self, image: FloatArray | BoolArray) -> FloatArray | BoolArray:
        """What of the last two axes lies in it."""
        return image[..., self.top : self.top + self.side, self.left : self.left + self.side]


def window_of(masks: BoolArray) -> Window:
    """The square around all masks (M, H, W) with a margin, within the slice; the largest one if all are empty."""
    height, width = masks.shape[1:]
    rows, columns = np.nonzero(masks.any(axis=0))
    if not len(rows):
        return Window(0, 0, min(height, width))
    extent = int(max(np.ptp(rows), np.ptp(columns))) + 1
    side = min(max(_LEAST_SIDE, extent + max(8, extent // 3)), height, width)
    top, left = (
        int(np.clip((at.min() + at.max() + 1 - side) // 2, 0, size - side))
        for at, size in ((rows, height), (columns, width))
    )
    return Window(top, left, side)


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
        _show(whole, case.image, f"image, {case.image.shape[0]} × {case.image.shape[1]} pixels")
        whole.add_patch(
            Rectangle((window.left - 0.5, window.top - 0.5), window.side, window.side, fill=False, edgecolor="#F0E442")
        )
        _show(experts, picture, f"{case.n_experts} experts, {case.n_found} saw something")
        for number, mask in enumerate(window.of(case.masks), start=1):
            _outline_expert(experts, np.asarray(mask, bool), number)
        panels[2].suptitle(f"drawn masks 1 to {len(shown)}", fontsize=9)
        tiles = panels[2].subplots(rows, columns, squeeze=False).ravel()
        for tile in tiles:
            tile.axis("off")
        for tile, mask in zip(tiles, window.of(shown), strict=False):
            _show(tile, picture, "")
            tile.axis("on")
            tile.contourf(np.asarray(mask, float), levels=[0.5, 1.5], colors=[_SAMPLE_COLOUR], alpha=0.55)
        variance = panels[3].subplots()
        shades = variance.imshow(
            window.of(pixel_variance(masks)), cmap="magma", vmin=0, vmax=MOST_VARIANCE, interpolation="nearest"
        )
        variance.set_title(f"variance of {len(masks)} masks", fontsize=9)
        variance.set(xticks=[], yticks=[])
        panels[3].colorbar(shades, ax=variance, ticks=[0, 0.05, 0.1, 0.15, 0.2, 0.25], shrink=0.85)
        return rendered(figure, "png")


def _show(ax: Axes, image: FloatArray | BoolArray, title: str) -> None:
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def _outline_expert(ax: Axes, mask: BoolArray, number: int) -> None:
    """An expert's outline along the edges of the pixels, and the number; experts who saw nothing are listed below."""
    colour = _EXPERT_COLOURS[(number - 1) % len(_EXPERT_COLOURS)]
    words = f"{number}" if mask.any() else f"{number}: nothing"
    ax.text(
        0.02, 1 - 0.075 * (number - 0.3), words, transform=ax.transAxes, color=colour, fontsize=8.5,
        fontweight="bold", va="center", bbox={"facecolor": "black", "alpha": 0.55, "pad": 1.2, "linewidth": 0},
    )  # fmt: skip
    if not mask.any():
        return
    for edge in _edges(mask):
        ax.plot(*edge, color=colour, linewidth=1.6, solid_capstyle="round")


def _edges(mask: BoolArray) -> list[tuple[list[float], list[float]]]:
    """The sides of pixels between marked and unmarked ones, as lines (x, y) joined by NaN: one pixel has four."""
    padded = np.pad(mask, 1)
    x: list[float] = []
    y: list[float] = []
    for row, column in zip(*(padded[1:] != padded[:-1]).nonzero(), strict=True):
        x += [column - 1.5, column - 0.5, np.nan]
        y += [row - 0.5, row - 0.5, np.nan]
    for row, column in zip(*(padded[:, 1:] != padded[:, :-1]).nonzero(), strict=True):
        x += [column - 0.5, column - 0.5, np.nan]
        y += [row - 1.5, row - 0.5, np.nan]
    return [(x, y)]
