"""Lines that are told apart by more than their colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DASH_DOT = ((True, 3.0), (False, 1.0), (True, 0.8), (False, 1.0))  # whether drawn, and how long in pixels
_MOST_DASHES = 40  # of a line, with as many dots; a longer line has longer ones

Path = NDArray[np.float64]


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
