"""From the outlines that an expert drew on one slice to the mask they mean.

LIDC's experts marked the first pixels *outside* the nodule, so an outline is not part of what it encloses.  Counting
it in makes masks about 28 % larger.  Armato et al., Med Phys 38 (2011), doi:10.1118/1.3528204, Sec. II.C.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.records import BoolArray

PointArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Outline:
    """One closed outline on one slice.

    Parameters
    ----------
    points : (P >= 1, 2) int32, (row, column) of its pixels in order, counted from 0
    inclusion : whether it encloses nodule; otherwise it is the edge of a hole in one
    """

    points: PointArray
    inclusion: bool = True


def inside_image(outline: Outline, shape: tuple[int, int]) -> bool:
    """Whether all points are pixels of an image of this (H, W)."""
    return bool((outline.points >= 0).all() and (outline.points < shape).all())


def encloses_nothing(outline: Outline) -> bool:
    """Whether no pixel lies strictly inside, as with an outline of a few points."""
    return not _interior(outline.points).any()


def nodule_mask(outlines: Iterable[Outline], shape: tuple[int, int]) -> BoolArray:
    """What one expert's outlines of a nodule mean on one slice.

    The interiors of all inclusions together, less the interiors and edges of all exclusions.

    Parameters
    ----------
    outlines : in any order, all `inside_image`
    shape : (H, W) of the slice

    Returns
    -------
    (H, W) bool.
    """
    mask, hole = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for outline in outlines:
        points = outline.points
        target, filled = (mask, _interior(points)) if outline.inclusion else (hole, _covered(points))
        (top, left), (height, width) = points.min(axis=0), filled.shape
        target[top : top + height, left : left + width] |= filled
    return mask & ~hole


def _interior(points: PointArray) -> BoolArray:
    """The enclosed pixels without the outline's, as (h, w) bool of the outline's bounding box."""
    from skimage.draw import polygon  # slow to import, and a look at a folder needs it not

    rows, columns = (points - points.min(axis=0)).T
    filled = np.zeros((rows.max() + 1, columns.max() + 1), np.bool_)
    filled[polygon(rows, columns, filled.shape)] = True  # type: ignore[no-untyped-call]
    filled[rows, columns] = False
    return filled


def _covered(points: PointArray) -> BoolArray:
    """The enclosed pixels with the outline's, as (h, w) bool of the outline's bounding box."""
    filled = _interior(points)
    filled[tuple((points - points.min(axis=0)).T)] = True
    return filled
