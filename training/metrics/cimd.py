"""The scores of CIMD, for comparison with papers that print them."""

from __future__ import annotations

from dataclasses import dataclass

from training.metrics.counts import CaseCounts, SetCounts
from training.records import BoolArray


@dataclass(frozen=True)
class CimdScores:
    """What `cimd_scores` gives, each in [0, 1].

    Parameters
    ----------
    sc : combined sensitivity, S_c
    d_max : as `training.metrics.d_max`
    da : diversity agreement, D_a
    """

    sc: float
    d_max: float
    da: float

    @property
    def ci(self) -> float:
        """3 S_c D_max D_a / (S_c + D_max + D_a), 0 where all three are 0: the Collective Insight score."""
        total = self.sc + self.d_max + self.da
        return 3 * self.sc * self.d_max * self.da / total if total else 0.0


def cimd_scores(samples: BoolArray, annotations: BoolArray) -> CimdScores:
    """S_c, D_max, D_a and CI of CIMD.

    S_c = |U_i s_i & U_j y_j| / |U_j y_j|, 1 where no expert marks anything;
    D_a = 1 - (|Vmax_s - Vmax_y| + |Vmin_s - Vmin_y|) / 2, Vmax and Vmin the largest and the smallest distance
    1 - IoU of two masks of a set.  As in code in use, a mask is paired with itself too, so that Vmin = 0 and
    D_a, which says little for it, is never below 1/2.  S_c and D_max rise with N by
    themselves; D_a and CI may do either.

    Parameters
    ----------
    samples : (N, H, W) bool, the drawn masks
    annotations : (K, H, W) bool, the experts' masks

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.

    References
    ----------
    Rahman et al., "Ambiguous Medical Image Segmentation using Diffusion Models", CVPR 2023, arXiv:2304.04745.
    """
    return cimd_scores_of(CaseCounts.of_masks(samples, annotations).first())


def cimd_scores_of(sets: SetCounts) -> CimdScores:
    """`cimd_scores` of counted masks."""
    by_experts = sets.votes[:, 1:].sum(axis=1)
    marked = int(by_experts.sum())
    sensitivity = int(by_experts[1:].sum()) / marked if marked else 1.0
    widest_samples, widest_experts = 1 - sets.pairs.sample_iou.min(), 1 - sets.pairs.expert_iou.min()
    return CimdScores(sensitivity, sets.pairs.d_max, 1 - abs(float(widest_samples - widest_experts)) / 2)
