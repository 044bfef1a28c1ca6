"""Scores of drawn masks against the experts' masks.  Torch-free, but for `training.metrics.on_device`.

Masks are bool arrays (N, H, W); anything else is a `DataFormatError`.  Two empty masks have IoU and dice 1.
A function answers one question about one case; `tally` counts a case once and gives all scores of it, in the
order of `training.metrics.glossary.NAMES`.
"""

from training.metrics.calibration import (
    area_crps,
    brier_score,
    expected_calibration_error,
    presence_brier,
    presence_error,
)
from training.metrics.cimd import CimdScores, cimd_scores
from training.metrics.comparison import Comparison, GedTerms
from training.metrics.consensus import consensus_dice, soft_dice
from training.metrics.disagreement import empty_share, normalized_cross_correlation, pixel_variance, vote_fraction
from training.metrics.distribution import (
    compare,
    d_max,
    diversity,
    ged_terms,
    generalized_energy_distance,
    hungarian_iou,
)
from training.metrics.overlap import dice, iou, pairwise_dice, pairwise_distance, pairwise_iou
from training.metrics.resampling import ged_interval
from training.metrics.tally import Tally, leave_one_out, tally

__all__ = [
    "CimdScores",
    "Comparison",
    "GedTerms",
    "Tally",
    "area_crps",
    "brier_score",
    "cimd_scores",
    "compare",
    "consensus_dice",
    "d_max",
    "dice",
    "diversity",
    "empty_share",
    "expected_calibration_error",
    "ged_interval",
    "ged_terms",
    "generalized_energy_distance",
    "hungarian_iou",
    "iou",
    "leave_one_out",
    "normalized_cross_correlation",
    "pairwise_dice",
    "pairwise_distance",
    "pairwise_iou",
    "pixel_variance",
    "presence_brier",
    "presence_error",
    "soft_dice",
    "tally",
    "vote_fraction",
]
