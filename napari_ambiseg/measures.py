"""The numbers of one case: first the experts among themselves, then the samples against them.  Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics import compare, pairwise_distance
from training.records import AnnotatedSlice, BoolArray


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
    """

    n_found: int
    n_experts: int
    distances: NDArray[np.float64]
    disagreement: float
    areas: NDArray[np.float64]
    unit: str

    @classmethod
    def of(cls, case: AnnotatedSlice) -> ExpertMeasures:
        """Measure a case."""
        distances = pairwise_distance(case.masks)
        return cls(
            n_found=case.n_found,
            n_experts=case.n_experts,
            distances=distances,
            disagreement=float(distances.mean()),
            areas=case.masks.sum(axis=(1, 2)) * _pixel_area(case),
            unit="px" if case.spacing_mm is None else "mm²",
        )


@dataclass(frozen=True, eq=False)
class SampleMeasures:
    """How N samples stand to the K experts (GED: Sec. 2; V keeps self-pairs, U leaves the samples' out).

    Parameters
    ----------
    n, n_empty : samples, and how many of them are empty
    ged_v, ged_u : generalised energy distance with either estimator; U is NaN for a single sample
    cross, within_samples, within_experts : the three terms of V: GED = 2 cross - within_samples - within_experts
    areas : (N,) float, in the unit of the experts' areas
    """

    n: int
    n_empty: int
    ged_v: float
    ged_u: float
    cross: float
    within_samples: float
    within_experts: float
    areas: NDArray[np.float64]

    @classmethod
    def of(cls, masks: BoolArray, case: AnnotatedSlice) -> SampleMeasures:
        """Score (N, H, W) bool masks against the experts of a case."""
        comparison = compare(masks, case.masks)
        v = comparison.ged("V")
        areas = masks.sum(axis=(1, 2))
        return cls(
            n=len(masks),
            n_empty=int((areas == 0).sum()),
            ged_v=v.value,
            ged_u=comparison.ged("U").value if len(masks) > 1 else float("nan"),
            cross=v.cross,
            within_samples=v.within_samples,
            within_experts=v.within_experts,
            areas=areas * _pixel_area(case),
        )


def _pixel_area(case: AnnotatedSlice) -> float:
    """Area of a pixel in mm² where the spacing is known, else 1: areas are then in pixels."""
    return 1.0 if case.spacing_mm is None else case.spacing_mm[0] * case.spacing_mm[1]
