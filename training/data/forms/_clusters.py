"""Which annotations of a scan mean the same nodule.

LIDC's experts numbered their nodules each for themselves.  As in pylidc, annotations belong together when their
outlines come close: single linkage of the smallest distance between points, at first up to the slice thickness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHRINK = 0.9
MIN_TOLERANCE_MM = 0.1

PositionArray = NDArray[np.float64]


def group_annotations(annotations: Sequence[PositionArray], tolerance_mm: float, largest: int) -> list[list[int]]:
    """Group annotations into nodules.

    Two annotations are linked where any of their points are at most the tolerance apart, and a group is whatever
    links connect.  While a group has more than ``largest`` members, the tolerance of all is multiplied by 0.9, as
    long as it stays above 0.1 mm; groups may be larger in the end.

    Parameters
    ----------
    annotations : each (P >= 1, 3) float64, (z, row, column) positions of its outlines in millimetres
    tolerance_mm : the first tolerance, usually the slice thickness
    largest : number of experts

    Returns
    -------
    Indices into ``annotations``, rising in each group; groups by their mean position, z first.
    """
    if not annotations:
        return []
    distances = _near_distances(annotations, tolerance_mm)
    labels = _linked(distances, tolerance_mm)
    while np.bincount(labels).max() > largest:
        tolerance_mm *= SHRINK
        if tolerance_mm < MIN_TOLERANCE_MM:
            break
        labels = _linked(distances, tolerance_mm)
    groups = [np.flatnonzero(labels == label).tolist() for label in range(labels.max() + 1)]
    centres = [points.mean(axis=0) for points in annotations]
    return sorted(groups, key=lambda group: tuple(np.mean([centres[index] for index in group], axis=0)))


def _linked(distances: NDArray[np.float64], tolerance_mm: float) -> NDArray[np.intp]:
    """The number of the connected component that each annotation is in."""
    from scipy.sparse.csgraph import connected_components  # slow to import, and a look at a folder needs it not

    labels: NDArray[np.intp] = connected_components(distances <= tolerance_mm, directed=False)[1]
    return labels


def _near_distances(annotations: Sequence[PositionArray], reach_mm: float) -> NDArray[np.float64]:
    """(A, A) smallest distances between the points of two annotations; infinite where they are clearly beyond reach."""
    from scipy.spatial import cKDTree

    count = len(annotations)
    low = np.array([points.min(axis=0) for points in annotations])
    high = np.array([points.max(axis=0) for points in annotations])
    # Bounding boxes are never further apart than the points in them, and most nodules are far from each other.
    gaps = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).clip(min=0)
    close = np.linalg.norm(gaps, axis=2) <= reach_mm * (1 + 1e-9)
    distances = np.full((count, count), np.inf)
    np.fill_diagonal(close, False)
    for first in np.flatnonzero(close.any(axis=1)).tolist():
        tree = cKDTree(annotations[first])
        for second in np.flatnonzero(close[first, :first]).tolist():
            nearest = tree.query(annotations[second])[0].min()
            distances[first, second] = distances[second, first] = nearest
    return distances
