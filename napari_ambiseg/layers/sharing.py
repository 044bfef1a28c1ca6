"""Outlines that coincide: each stretch that several of them share is drawn by all in turns, so that none hides another.

Nothing is moved for that: masks of pixels have outlines that either coincide exactly or are apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.records import BoolArray

Path = NDArray[np.float64]


def shared_out(outlines: Sequence[Sequence[Path]], dash: int) -> list[list[Path]]:
    """The pieces of each outline that it draws itself.

    Parameters
    ----------
    outlines : the closed paths (P, 2) of each outline, on the half pixels, as `layers.outlines.outlines` gives them
    dash : points of a path to the next turn, where there are enough of them

    Returns
    -------
    For each outline the paths left to it.  Together they draw every segment exactly once; an outline that shares
    nothing keeps its paths whole.
    """
    if not any(outlines):
        return [[] for _ in outlines]
    keys = [[_keys(path) for path in paths] for paths in outlines]
    flat = [np.concatenate(of) if of else np.empty(0, np.int64) for of in keys]
    segments, at = np.unique(np.concatenate(flat), return_inverse=True)
    owners = np.repeat(np.arange(len(flat)), [len(of) for of in flat])
    owned = np.zeros((len(segments), len(flat)), bool)
    owned[at, owners] = True
    turn = _turns(owned, at, owners, dash)
    pieces: list[list[Path]] = []
    start = 0
    for number, paths in enumerate(outlines):
        pieces.append([])
        for path in paths:
            here = at[start : start + len(path) - 1]
            start += len(path) - 1
            pieces[-1] += _pieces(path, turn[here] == number)
    return pieces


def _keys(path: Path) -> NDArray[np.int64]:
    """A number for each segment of a path, the same one in either direction."""
    ends = np.rint(2 * path).astype(np.int64) + 4  # an outline begins half a pixel before the slice
    codes = ends[:, 0] << 15 | ends[:, 1]
    keys: NDArray[np.int64] = np.minimum(codes[:-1], codes[1:]) << 31 | np.maximum(codes[:-1], codes[1:])
    return keys


def _turns(owned: BoolArray, at: NDArray[np.intp], owners: NDArray[np.intp], dash: int) -> NDArray[np.intp]:
    """Which outline draws each segment, (S,), of those that own it, (S, K): along the first of them, in turns."""
    turn: NDArray[np.intp] = owned.argmax(axis=1)
    count = owned.sum(axis=1)
    walk = at[owners == turn[at]]  # every segment once, along the paths
    same = (owned[walk[1:]] == owned[walk[:-1]]).all(axis=1)
    breaks = np.flatnonzero(~same) + 1
    for run in np.split(walk, breaks):
        n = int(count[run[0]])
        if n > 1:
            length = max(1, min(dash, len(run) // n))
            turn[run] = np.flatnonzero(owned[run[0]])[np.arange(len(run)) // length % n]
    return turn


def _pieces(path: Path, drawn: BoolArray) -> list[Path]:
    """The stretches of a path whose segments are drawn."""
    if drawn.all():
        return [path]
    edges = np.flatnonzero(np.diff(drawn, prepend=False, append=False))
    return [path[first : last + 1] for first, last in edges.reshape(-1, 2)]
