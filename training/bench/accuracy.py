"""What speed costs: how far the masks are from those of the plain float32 computation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.errors import DataFormatError
from training.precision import Precision
from training.records import BoolArray, FloatArray

# Flipped pixels of a million that are allowed, by precision.
FLIP_LIMITS: Mapping[Precision, float] = {"fp32": 10.0, "bf16": 500.0}


def flip_limit(precision: Precision, pixels: int) -> float:
    """Flipped pixels of a million that are allowed; of few pixels in all, a single one is."""
    return max(FLIP_LIMITS[precision], 1e6 / pixels)


@dataclass(frozen=True)
class Cost:
    """The distance of predicted clean masks from a reference.

    Parameters
    ----------
    max_delta : largest difference of x0_hat, which lies in [-1, 1]
    flips_per_million : pixels of a million that lie on the other side of 0, and so of the mask's border
    pixels : how many were compared
    """

    max_delta: float
    flips_per_million: float
    pixels: int


def cost_against(masks: BoolArray, x0_hat: FloatArray, reference: FloatArray) -> Cost:
    """Compare what was drawn with what the reference predicts.

    Parameters
    ----------
    masks : (..., H, W) the drawn masks
    x0_hat : (..., H, W) the clean masks predicted by the last network call
    reference : (..., H, W) those of the reference, whose masks are what is above 0

    Raises
    ------
    DataFormatError
        On different shapes, nothing to compare, or a value that is not finite, which no comparison would notice.
    """
    if not masks.shape == x0_hat.shape == reference.shape or not masks.size:
        raise DataFormatError(
            f"masks to compare must have one shape, got {masks.shape}, {x0_hat.shape} and {reference.shape}"
        )
    if not (np.isfinite(x0_hat).all() and np.isfinite(reference).all()):
        raise DataFormatError("masks to compare must be finite; one of the two computations overflowed")
    flips = int((masks != (reference > 0)).sum())
    delta = np.abs(x0_hat.astype(np.float64) - reference).max()
    return Cost(float(delta), 1e6 * flips / masks.size, masks.size)
