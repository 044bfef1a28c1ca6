"""How large a mask is across: what a reader measures with a ruler.  Torch-free."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from training.metrics.overlap import Scores
from training.records import BoolArray, require_masks

_EDGES_AND_CORNERS = np.ones((3, 3), bool)
# From a pixel's middle to the middles of its four edges, through which its outline runs.
_TO_EDGES = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])


def largest_diameters(masks: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> Scores:
    """The longest straight line between two points of one object's outline, for each mask.

    The outline runs half-way between marked and unmarked pixels, as it is drawn in the viewer: a single pixel is one
    pixel across.  Pixels that touch by an edge or a corner belong to one object; of several objects of a mask the one
    with the longest line counts.

    Parameters
    ----------
    masks : (N, H, W) bool
    spacing : (row, column) size of a pixel, both 1 for a result in pixels

    Returns
    -------
    (N,) float64 in the unit of ``spacing``, 0 for an empty mask

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "masks to measure")
    return np.array([_largest(mask, np.asarray(spacing, np.float64)) for mask in masks])


def equivalent_diameters(masks: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> Scores:
    """Diameter of the circle of each mask's area, ``2 sqrt(area / pi)``; parameters and errors as in the other one."""
    require_masks(masks, "masks to measure")
    diameters: Scores = 2 * np.sqrt(masks.sum(axis=(1, 2)) * (spacing[0] * spacing[1] / math.pi))
    return diameters


def _largest(mask: BoolArray, spacing: NDArray[np.float64]) -> float:
    labels, _ = ndimage.label(mask, _EDGES_AND_CORNERS)
    found = ndimage.find_objects(labels)
    return max((_across(labels[box] == number, spacing) for number, box in enumerate(found, start=1)), default=0.0)


def _across(mask: BoolArray, spacing: NDArray[np.float64]) -> float:
    """Of one object: the two points that are farthest apart are corners of its convex hull."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    ends = [
        (rows, mask[rows].argmax(axis=1)),
        (rows, mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)),
        (mask[:, columns].argmax(axis=0), columns),
        (mask.shape[0] - 1 - mask[::-1, columns].argmax(axis=0), columns),
    ]
    pixels = np.concatenate([np.stack(pair, axis=1) for pair in ends]).astype(np.float64)
    points = (pixels[:, None] + _TO_EDGES).reshape(-1, 2) * spacing
    corners = points[ConvexHull(points).vertices]
    steps = corners[:, None] - corners
    return float(np.sqrt((steps**2).sum(axis=-1).max()))
