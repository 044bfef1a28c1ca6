"""How a reader's own outline would rank among those of the experts.  Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.metrics import pairwise_distance, pairwise_iou
from training.records import BoolArray


@dataclass(frozen=True)
class Standing:
    """How the reader would rank among the experts by mean distance to the others; 1 is nearest to all others.

    Parameters
    ----------
    rank, of : place, and how many readers there are, this one included
    mean : the reader's mean distance to the experts
    experts : mean distance of each expert to the other experts
    """

    rank: int
    of: int
    mean: float
    experts: tuple[float, ...]

    @classmethod
    def of_reader(cls, own: BoolArray, experts: BoolArray) -> Standing | None:
        """Rank an outline (H, W) among K experts (K, H, W); None for a single expert, who has no others."""
        count = len(experts)
        if count < 2:
            return None
        mean = float((1 - pairwise_iou(own[None], experts)).mean())
        # A mask is at distance 0 from itself, so that the sum over all is the sum over the others.
        others = pairwise_distance(experts).sum(axis=1) / (count - 1)
        return cls(1 + int(np.sum(others < mean - 1e-12)), count + 1, mean, tuple(float(value) for value in others))
