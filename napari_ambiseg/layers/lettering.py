"""Where the names of outlines stand: outside of all that is marked, near their own outline, and not on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.records import BoolArray

TEXT_SIZE = 11  # points
_LINE = 15.0  # pixels of the screen, of a line of text of this size
_CHARACTER = 11.5  # of one character, at most
_GAP = 3.0  # between a text and what is marked
_DIRECTIONS = 16
_LEAST_WALK = 4.0  # pixels of the slice

Pair = tuple[float, float]
Box = tuple[float, float, float, float]  # first row, first column, last row, last column


@dataclass(frozen=True, eq=False)
class Name:
    """Some texts side by side that belong to one outline.

    Parameters
    ----------
    texts : from left to right
    path : (P, 2), the outline
    turn : direction in which it stands rather than in another, in turns clockwise from the upper left
    """

    texts: tuple[str, ...]
    path: NDArray[np.float64]
    turn: float


def placed(names: Sequence[Name], marked: BoolArray, screen_pixel: float) -> list[list[Pair]]:
    """The middle of each text of each name, in (row, column) of the slice.

    The nearest place around its outline at which a name covers nothing that is marked and no other name; where there
    is none, as of a lesion that fills the slice, a name stands outside of its own outline alone.

    Parameters
    ----------
    names : the first of them is placed first
    marked : (H, W) bool, what must not be covered
    screen_pixel : size of a pixel of the screen, in pixels of the slice
    """
    taken: list[Box] = []
    found = []
    for name in names:
        widths = [max(len(text), 1) * _CHARACTER * screen_pixel for text in name.texts]
        row, column = _place(name, (_LINE * screen_pixel, sum(widths)), marked, taken, _GAP * screen_pixel)
        taken.append(_box((row, column), (_LINE * screen_pixel, sum(widths))))
        starts = np.cumsum([0.0, *widths])[:-1] - sum(widths) / 2
        found.append([(row, column + start + width / 2) for start, width in zip(starts, widths, strict=True)])
    return found


def _place(name: Name, size: Pair, marked: BoolArray, taken: Sequence[Box], gap: float) -> Pair:
    """The middle of a name of this height and width."""
    best, nearest = None, math.inf
    step = max(size[0] / 4, 0.5)
    farthest_walk = max(np.ptp(name.path, axis=0).max(), *marked.shape) / 2 + _LEAST_WALK * step
    for rank in range(_DIRECTIONS):
        aside = (rank + 1) // 2 * (1 if rank % 2 else -1) / _DIRECTIONS
        direction = _direction(name.turn + aside)
        edge = name.path[np.argmax(name.path @ direction)]
        reach = gap + float(np.abs(direction) @ size) / 2  # from the edge to the middle of the name
        walk = 0.0
        while (cost := walk + rank * step / 8) < nearest and walk <= farthest_walk:
            at = edge + (reach + walk) * direction
            middle = float(at[0]), float(at[1])
            if _is_free(_box(middle, size), marked, taken, gap):
                best, nearest = middle, cost
                break
            walk += step
    if best is not None:
        return best
    direction = _direction(name.turn)
    at = name.path[np.argmax(name.path @ direction)] + (gap + float(np.abs(direction) @ size) / 2) * direction
    return float(at[0]), float(at[1])


def _direction(turn: float) -> NDArray[np.float64]:
    """(row, column) of length 1; 0 is the upper left, then clockwise."""
    angle = 2 * math.pi * (turn - 0.375)
    return np.array([math.sin(angle), math.cos(angle)])


def _box(middle: Pair, size: Pair) -> Box:
    return (
        middle[0] - size[0] / 2,
        middle[1] - size[1] / 2,
        middle[0] + size[0] / 2,
        middle[1] + size[1] / 2,
    )


def _is_free(box: Box, marked: BoolArray, taken: Sequence[Box], gap: float) -> bool:
    """Whether a name may stand there: within the slice, on no other name and, with a gap, on nothing marked."""
    top, left, bottom, right = box
    if top < -0.5 or left < -0.5 or bottom > marked.shape[0] - 0.5 or right > marked.shape[1] - 0.5:
        return False
    if any(top < other[2] and other[0] < bottom and left < other[3] and other[1] < right for other in taken):
        return False
    # An outline is half a pixel from the middle of the pixels that it encloses.
    near = 0.5 + gap / 2
    rows = slice(max(math.ceil(top - near), 0), math.floor(bottom + near) + 1)
    columns = slice(max(math.ceil(left - near), 0), math.floor(right + near) + 1)
    return not marked[rows, columns].any()
