"""Lines that are told apart by more than their colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Pixels of the slice from a point of an outline to the next, about.
POINTS_APART = 0.7
_DASH = 2  # pixels of the slice; as long as the gap behind it
_DASH_DOT = ((True, 3.0), (False, 1.0), (True, 0.8), (False, 1.0))  # whether drawn, and how long in pixels
_MOST_DASHES = 40  # of a line, with as many dots; a longer line has longer ones

Path = NDArray[np.float64]


def dashes(path: Path) -> list[Path]:
    """Pieces of an outline (P, 2), with gaps as long as they are."""
    step = max(2, round(_DASH / POINTS_APART))
    return [path[at : at + step + 1] for at in range(0, len(path) - 1, 2 * step)]


def dash_dots(path: Path) -> list[Path]:
    """Pieces of a line (P, 2): a dash, a gap, a dot and a gap, in turn from its beginning to its end."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    period = sum(length for _, length in _DASH_DOT)
    stretch = max(1.0, along[-1] / (_MOST_DASHES * period))
    pieces: list[Path] = []
    begin = 0.0
    while begin < along[-1]:
        for drawn, length in _DASH_DOT:
            end = min(begin + stretch * length, along[-1])
            if drawn and end > begin:
                at = np.concatenate([[begin], along[(along > begin) & (along < end)], [end]])
                pieces.append(np.stack([np.interp(at, along, values) for values in path.T], axis=1))
            begin = end
    return pieces
