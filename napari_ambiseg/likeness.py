"""How near a reader's own outline is to those of the experts, and of a model's samples.  Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.export.colours import expert_letter
from training.metrics import pairwise_dice, pairwise_distance, pairwise_iou
from training.records import BoolArray

SAMPLES = "samples"  # name of the line of all samples together


@dataclass(frozen=True)
class Distance:
    """From the reader's outline to one other, or, as a mean, to a set of others.

    Parameters
    ----------
    name : "A", "B", ... for an expert; `SAMPLES` for the mean over the samples
    distance : 1 - IoU; two empty masks are at distance 0
    dice : 1 for two empty masks
    area : of the other, in pixels
    """

    name: str
    distance: float
    dice: float
    area: float


def distances(own: BoolArray, experts: BoolArray, samples: BoolArray | None) -> tuple[Distance, ...]:
    """One `Distance` for each expert, and one for the samples where there are any.

    Parameters
    ----------
    own : (H, W) bool
    experts, samples : (K, H, W) and (N, H, W) bool
    """
    found = []
    if len(experts):  # else nobody annotated the slice
        far, like = 1 - pairwise_iou(own[None], experts)[0], pairwise_dice(own[None], experts)[0]
        found = [
            Distance(expert_letter(at + 1), float(far[at]), float(like[at]), float(mask.sum()))
            for at, mask in enumerate(experts)
        ]
    if samples is not None:
        far, like = 1 - pairwise_iou(own[None], samples)[0], pairwise_dice(own[None], samples)[0]
        found.append(Distance(SAMPLES, float(far.mean()), float(like.mean()), float(samples.sum((1, 2)).mean())))
    return tuple(found)


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
