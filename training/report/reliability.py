"""What shares mean: whether the share of masks with a lesion, or that mark a pixel, is that of the experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.report.canvas import Format, drawing, rendered, style

Points = list[tuple[float, float, int]]


def presence_points(reliability: Mapping[str, Any]) -> Points:
    """(share of masks with a lesion, mean share of experts who see one, cases) for each share that occurs."""
    presence = reliability["presence"]
    n = len(presence) - 1
    return [
        (i / n, float(at["experts"]), int(at["cases"]))
        for i, at in enumerate(presence)
        if at["cases"] and at["experts"] is not None
    ]


def pixel_points(reliability: Mapping[str, Any]) -> Points:
    """(share of masks that mark a pixel, mean share of experts who do, pixels) for each share that occurs."""
    counts = np.asarray(reliability["pixels"], np.int64)
    n, k = counts.shape[0] - 1, counts.shape[1] - 1
    return [
        (i / n, float(row @ np.arange(k + 1)) / (k * int(row.sum())), int(row.sum()))
        for i, row in enumerate(counts)
        if row.sum()
    ]


def draw_reliability(
    reliability: Mapping[str, Any], n: int, forms: Sequence[Format] = ("svg", "png")
) -> dict[Format, bytes]:
    """Both diagrams; larger dots are of more cases or pixels, on the diagonal shares mean what they say."""
    with drawing(8.6, 3.9) as figure:
        axes = figure.subplots(1, 2)
        for number, (ax, title, points, what, marks) in enumerate(
            (
                (axes[0], "presence", presence_points(reliability), "cases", "see a lesion"),
                (axes[1], "pixels", pixel_points(reliability), "pixels", "mark the pixel"),
            )
        ):
            look = style(number)
            ax.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--", label="shares mean what they say")
            x, y, count = np.array(points, float).reshape(-1, 3).T
            size = 18 + 160 * np.sqrt(count / max(count, default=1))
            ax.plot(x, y, color=look.colour, linewidth=1.1)
            ax.scatter(x, y, s=size, color=look.colour, marker=look.marker, alpha=0.75, label=f"dot size: √ of {what}")
            ax.set(
                xlim=(-0.05, 1.05),
                ylim=(-0.05, 1.05),
                xlabel=f"share of n = {n} drawn masks that {marks}",
                ylabel=f"share of experts who {marks}",
                title=title,
                aspect="equal",
            )
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, fontsize=7.5, markerscale=0.45)
        return {form: rendered(figure, form) for form in forms}
