"""What a mask encloses without marking it: who outlines a lesion in place of painting it leaves its inside out."""

from __future__ import annotations

import numpy as np

from napari_ambiseg.layers.marked import within_marked
from training.postprocess import fill_holes
from training.records import BoolArray


class Enclosed:
    """Finds the enclosed pixels of a mask, once for each mask: it is asked at every note and flag too."""

    def __init__(self) -> None:
        self._mask = self._enclosed = np.zeros((0, 0), bool)

    def of(self, mask: BoolArray) -> BoolArray:
        """The background of a mask (H, W) with no way out to the border over pixel edges, (H, W)."""
        if mask is not self._mask:
            self._mask = mask
            self._enclosed = within_marked(mask[None], lambda part: fill_holes(part)[0] & ~part[0], bool)
        return self._enclosed
