"""Scores of drawn masks against the experts' masks.  Torch-free.

Masks are bool arrays (N, H, W); anything else is a `DataFormatError`.  Two empty masks have IoU and dice 1.
"""

from training.metrics.disagreement import empty_share, pixel_variance, vote_fraction
from training.metrics.distribution import (
    Comparison,
    GedTerms,
    compare,
    d_max,
    diversity,
    ged_terms,
    generalized_energy_distance,
    hungarian_iou,
)
from training.metrics.overlap import dice, iou, pairwise_dice, pairwise_distance, pairwise_iou

__all__ = [
    "Comparison",
    "GedTerms",
    "compare",
    "d_max",
    "dice",
    "diversity",
    "empty_share",
    "ged_terms",
    "generalized_energy_distance",
    "hungarian_iou",
    "iou",
    "pairwise_dice",
    "pairwise_distance",
    "pairwise_iou",
    "pixel_variance",
    "vote_fraction",
]
