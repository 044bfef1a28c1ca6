"""Where a set of masks disagrees, pixel by pixel, and how often it says "nothing here"."""

from __future__ import annotations

import numpy as np

from training.records import BoolArray, FloatArray, require_masks


def vote_fraction(masks: BoolArray) -> FloatArray:
    """Share of the masks (M, H, W) that mark each pixel: (H, W) float32 in [0, 1].

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "masks")
    fraction: FloatArray = masks.mean(axis=0, dtype=np.float32)
    return fraction


def pixel_variance(masks: BoolArray) -> FloatArray:
    """Variance of the masks (M, H, W) at each pixel: (H, W) float32 in [0, 0.25].

    The variance of these M masks as they are, f (1 - f) with f the `vote_fraction`: 0 where all agree, 0.25
    where half of them mark the pixel.

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    fraction = vote_fraction(masks)
    return fraction * (1 - fraction)


def empty_share(masks: BoolArray) -> float:
    """Share of the masks (M, H, W) without a single pixel, in [0, 1]: how often "no lesion here" was said.

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "masks")
    return float((~masks.any(axis=(1, 2))).mean())
