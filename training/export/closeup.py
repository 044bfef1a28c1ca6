"""The part of a slice that pictures show enlarged: around everything that anyone marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.records import BoolArray

_LEAST_SIDE = 32  # pixels of the window that is shown enlarged
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Window:
    """A square of a slice, in pixels."""

    top: int
    left: int
    side: int

    def of(self, image: NDArray[_T]) -> NDArray[_T]:
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
