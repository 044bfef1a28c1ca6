"""The numbers of one case: first the experts among themselves, then the samples against them.  Torch-free.

They are those of `training.metrics` on the same masks, so that the viewer, the command line and a table agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.metrics import Comparison, Tally, ged_interval, pairwise_distance
from training.metrics.comparison import Estimator, without_self_pairs
from training.metrics.diameter import equivalent_diameters, largest_diameters
from training.records import AnnotatedSlice, BoolArray

#: The scores of `training.metrics.glossary` that the viewer shows, but for `SampleMeasures.hm_iou`.
SCORES = (
    "ged_v",
    "ged_u",
    "ged_cross",
    "ged_samples",
    "ged_experts",
    "dice",
    "iou",
    "soft_dice",
    "consensus_dice",
    "diversity_model",
    "diversity_experts",
    "empty_model",
    "empty_experts",
    "presence_error",
)


@dataclass(frozen=True, eq=False)
class ExpertMeasures:
    """What the annotations alone say; no model is needed.

    Parameters
    ----------
    n_found, n_experts : "seen by k of K"
    distances : (K, K) float, 1 - IoU of each pair of experts; two empty masks are at distance 0
    disagreement : mean of all distances, self-pairs in: the experts' term E[d(y, y')] of the GED
    areas : (K,) float, in ``unit``
    unit : "mm²" where the pixel spacing is known, else "px"
    longest : (K,) float, largest diameter, see `training.metrics.diameter.largest_diameters`
    equivalent : (K,) float, diameter of the circle of the same area
    length_unit : "mm" where the pixel spacing is known, else "px"
    """

    n_found: int
    n_experts: int
    distances: NDArray[np.float64]
    disagreement: float
    areas: NDArray[np.float64]
    unit: str
    longest: NDArray[np.float64]
    equivalent: NDArray[np.float64]
    length_unit: str

    @property
    def diversity(self) -> float:
        """Mean distance between two different experts; NaN for a single one."""
        return without_self_pairs(self.disagreement, self.n_experts)

    @classmethod
    def of(cls, case: AnnotatedSlice) -> ExpertMeasures:
        """Measure a case."""
        distances = pairwise_distance(case.masks)
        spacing = case.spacing_mm or (1.0, 1.0)
        return cls(
            n_found=case.n_found,
            n_experts=case.n_experts,
            distances=distances,
            disagreement=float(distances.mean()),
            areas=_areas(case.masks, case),
            unit="px" if case.spacing_mm is None else "mm²",
            longest=largest_diameters(case.masks, spacing),
            equivalent=equivalent_diameters(case.masks, spacing),
            length_unit="px" if case.spacing_mm is None else "mm",
        )


@dataclass(frozen=True, eq=False)
class SampleMeasures:
    """How N samples stand to the K experts.

    Parameters
    ----------
    n, n_empty : samples, and how many of them are empty
    n_found, n_experts : the experts beside them: "seen by k of K" within what the model saw
    scores : by the names of `SCORES`; NaN where a score is undefined, see `training.metrics.Tally.scores`
    areas : (N,) float, in the unit of the experts' areas
    pairs : the overlaps of all pairs of samples and experts; None where nobody annotated the slice
    """

    n: int
    n_empty: int
    n_found: int
    n_experts: int
    scores: Mapping[str, float]
    areas: NDArray[np.float64]
    pairs: Comparison | None

    @classmethod
    def of(cls, masks: BoolArray, case: AnnotatedSlice) -> SampleMeasures:
        """Score (N, H, W) bool masks against the experts of a case."""
        areas = _areas(masks, case)
        n_empty = int((areas == 0).sum())
        if not len(case.masks):
            undefined = dict.fromkeys(SCORES, math.nan) | {"empty_model": n_empty / len(masks)}
            return cls(len(masks), n_empty, 0, 0, undefined, areas, None)
        counted = Tally.of_masks(masks, case.masks)
        scores = dict(zip(SCORES, counted.scores(names=SCORES).tolist(), strict=True))
        return cls(len(masks), n_empty, case.n_found, case.n_experts, scores, areas, counted.first().pairs)

    @property
    def ged_v(self) -> float:
        """Generalised energy distance, the samples' pairs with themselves in (Sec. 2)."""
        return self.scores["ged_v"]

    @property
    def ged_u(self) -> float:
        """The same without those; NaN for a single sample."""
        return self.scores["ged_u"]

    @property
    def cross(self) -> float:
        """Mean distance of a sample and an expert: GED = 2 cross - within_samples - within_experts."""
        return self.scores["ged_cross"]

    @property
    def within_samples(self) -> float:
        """Mean distance of two samples, self-pairs in."""
        return self.scores["ged_samples"]

    @property
    def within_experts(self) -> float:
        """Mean distance of two experts, self-pairs in."""
        return self.scores["ged_experts"]

    @cached_property
    def hm_iou(self) -> float:
        """Hungarian IoU, counted when it is first asked for: of many samples and experts it takes a slider's 50 ms."""
        return math.nan if self.pairs is None else self.pairs.hungarian_iou

    @cached_property
    def ranges(self) -> Mapping[Estimator, tuple[float, float]]:
        """95 % bootstrap range of either GED over the samples; NaN where there are too few, see `ged_interval`."""
        if self.pairs is None:
            return {"V": (math.nan, math.nan), "U": (math.nan, math.nan)}
        return {"V": ged_interval(self.pairs, "V"), "U": ged_interval(self.pairs, "U")}

    @property
    def floors(self) -> Mapping[Estimator, float]:
        """GED on average of n independent draws from what all experts would say, if these K are such draws too.

        D/K + D/n for V and D/K for U, with D the experts' diversity; NaN below two experts.  No bound for one case.
        """
        diversity = self.scores["diversity_experts"]
        if not self.n_experts or math.isnan(diversity):
            return {"V": math.nan, "U": math.nan}
        return {"V": diversity / self.n_experts + diversity / self.n, "U": diversity / self.n_experts}

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """(K + N, K + N) float, 1 - IoU of all pairs, the experts first; empty where nobody annotated the slice."""
        if self.pairs is None:
            return np.zeros((0, 0))
        pairs = self.pairs
        return 1 - np.block([[pairs.expert_iou, pairs.cross_iou.T], [pairs.cross_iou, pairs.sample_iou]])


def _areas(masks: BoolArray, case: AnnotatedSlice) -> NDArray[np.float64]:
    """(N,) areas, in mm² where the spacing of the case is known, else in pixels."""
    per_pixel = 1.0 if case.spacing_mm is None else case.spacing_mm[0] * case.spacing_mm[1]
    areas: NDArray[np.float64] = masks.sum(axis=(1, 2)) * per_pixel
    return areas
