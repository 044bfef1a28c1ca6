"""Synthetic slices as a training reads them."""

from __future__ import annotations

import numpy as np

from training.data.dataset import SliceArrays
from training.data.phantom import phantom_case


def phantom_arrays(slices: int, size: int) -> SliceArrays:
    """The first so many phantoms of ``size`` x ``size`` pixels, 8 bits each."""
    cases = [phantom_case(index, 0, size).slice for index in range(slices)]
    images = np.stack([(case.image * 255).round().astype(np.uint8) for case in cases])
    return SliceArrays(images, np.stack([case.masks for case in cases]))
