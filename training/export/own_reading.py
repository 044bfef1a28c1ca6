"""What the reader of a case drew, and how far that is from the experts' outlines and a model's samples.  Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.export.colours import expert_letter
from training.metrics import pairwise_dice, pairwise_iou
from training.records import BoolArray

#: What the reader's own outline is called beside the experts' letters.
ME = "Me"
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


@dataclass(frozen=True, eq=False)
class OwnReading:
    """An outline of the reader's own, compared with the others.

    Parameters
    ----------
    mask : (H, W) bool, of the whole slice; all False is the answer that there is nothing
    blind : whether it was made before the experts' outlines were ever shown
    distances : see `distances`
    """

    mask: BoolArray
    blind: bool
    distances: tuple[Distance, ...] = ()

    @property
    def when(self) -> str:
        """Whether it was a blind read, in words."""
        return "read blind, before the experts were shown" if self.blind else "not blind: the experts had been shown"

    def area(self, spacing_mm: tuple[float, float] | None) -> str:
        """Its area in words, in mm² where the size of a pixel is known."""
        pixels = int(np.count_nonzero(self.mask))
        if not pixels:
            return "nothing there"
        return f"{pixels} px" if spacing_mm is None else f"{pixels * math.prod(spacing_mm):.1f} mm²"
