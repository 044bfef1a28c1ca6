"""Where masks mark anything: a lesion is small, and far from it there is nothing to count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.records import BoolArray

Counts = NDArray[np.unsignedinteger[Any]]


def marked_window(masks: BoolArray) -> tuple[slice, slice]:
    """The rows and columns between the first and the last one that any of the masks (N, H, W) marks."""
    rows = np.flatnonzero(masks.any(axis=(0, 2)))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(masks[:, top:bottom].any(axis=(0, 1)))
    return slice(top, bottom), slice(int(columns[0]), int(columns[-1]) + 1)


def within_marked(masks: BoolArray, value: Callable[[BoolArray], NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """A value of each pixel of masks (N, H, W) that is 0 where none of them marks it: (H, W)."""
    values = np.zeros(masks.shape[1:], dtype)
    rows, columns = marked_window(masks)
    if rows.stop:
        values[rows, columns] = value(masks[:, rows, columns])
    return values


def votes_of(masks: BoolArray) -> Counts:
    """How many of the masks (N, H, W) mark each pixel: (H, W) of the smallest unsigned integers that hold N."""
    dtype = np.min_scalar_type(len(masks))
    return within_marked(masks, lambda marked: marked.sum(axis=0, dtype=dtype), dtype)
