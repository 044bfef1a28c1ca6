"""Scores of one case as papers' code has them: loops over pairs of masks, and maps over all pixels.

Plain NumPy, written from the definitions and on purpose without the package's counting: what it is timed
against, and what it is checked with.  Nothing is slowed down: overlaps that several scores need are computed
once for a set, and the maps are whole-array operations.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from training.records import BoolArray

Map = NDArray[np.float64]

# A logarithm of equal numbers may differ in the last bit from one end of an array to the other.
_CONSTANT = 1e-9


def pair_scores(samples: BoolArray, annotations: BoolArray) -> dict[str, float]:
    """GED (V), dice, IoU and the Hungarian IoU of (N, H, W) and (K, H, W) bool masks."""
    cross = np.array([[_iou(a, b) for b in annotations] for a in samples])
    within_samples = np.mean([1 - _iou(a, b) for a in samples for b in samples])
    within_experts = np.mean([1 - _iou(a, b) for a in annotations for b in annotations])
    dice = np.mean([_dice(a, b) for a in samples for b in annotations])
    return {
        "ged_v": float(2 * (1 - cross.mean()) - within_samples - within_experts),
        "dice": float(dice),
        "iou": float(cross.mean()),
        "hm_iou": _matched(cross),
    }


def all_scores(samples: BoolArray, annotations: BoolArray) -> dict[str, float]:
    """Every score of `training.metrics.glossary.NAMES`, of masks as in `pair_scores`."""
    n, k = len(samples), len(annotations)
    cross = np.array([[_iou(a, b) for b in annotations] for a in samples])
    samples_apart = np.array([[1 - _iou(a, b) for b in samples] for a in samples])
    experts_apart = np.array([[1 - _iou(a, b) for b in annotations] for a in annotations])
    dice = np.array([[_dice(a, b) for b in annotations] for a in samples])
    distance = 2 * (1 - cross.mean()) - experts_apart.mean()
    diversity = samples_apart.sum() / (n * (n - 1)) if n > 1 else math.nan
    levels = [_dice(samples.mean(0) > tau, annotations.mean(0) > tau) for tau in (0.1, 0.3, 0.5, 0.7, 0.9)]
    seen, seen_by_experts = samples.any((1, 2)), annotations.any((1, 2))
    any_sample, any_expert = samples.any(0), annotations.any(0)
    sensitivity = (any_sample & any_expert).sum() / any_expert.sum() if any_expert.any() else 1.0
    d_max, agreement = dice.max(0).mean(), 1 - abs(samples_apart.max() - experts_apart.max()) / 2
    scores = {
        "ged_v": distance - samples_apart.mean(),
        "ged_u": distance - diversity,
        "ged_cross": 1 - cross.mean(),
        "ged_samples": samples_apart.mean(),
        "ged_experts": experts_apart.mean(),
        "dice": dice.mean(),
        "iou": cross.mean(),
        "soft_dice": np.mean(levels),
        "consensus_dice": levels[2],
        "hm_iou": _matched(cross),
        "d_max": d_max,
        "diversity_model": diversity,
        "diversity_experts": experts_apart.sum() / (k * (k - 1)) if k > 1 else math.nan,
        "empty_model": 1 - seen.mean(),
        "empty_experts": 1 - seen_by_experts.mean(),
        "presence_error": abs(seen.mean() - seen_by_experts.mean()),
        "presence_brier": np.mean((seen.mean() - seen_by_experts) ** 2),
        "area_crps": _area_crps(samples.sum((1, 2)), annotations.sum((1, 2))),
        "ncc": _ncc(samples, annotations),
        **_pixel_calibration(samples, annotations),
        "cimd_sc": sensitivity,
        "cimd_da": agreement,
        "cimd_ci": 3 * sensitivity * d_max * agreement / (sensitivity + d_max + agreement),
    }
    return {name: float(score) for name, score in scores.items()}


def relative_area(samples: BoolArray, r: float) -> BoolArray:
    """Empty the masks smaller than r times the largest."""
    areas = samples.sum((1, 2))
    kept: BoolArray = samples & (areas >= r * areas.max())[:, None, None]
    return kept


def _iou(a: BoolArray, b: BoolArray) -> float:
    union = np.logical_or(a, b).sum()
    return 1.0 if union == 0 else float(np.logical_and(a, b).sum() / union)


def _dice(a: BoolArray, b: BoolArray) -> float:
    total = a.sum() + b.sum()
    return 1.0 if total == 0 else float(2 * np.logical_and(a, b).sum() / total)


def _matched(cross: Map) -> float:
    n, k = cross.shape
    common = math.lcm(n, k)
    copies = np.array([[cross[i % n, j % k] for j in range(common)] for i in range(common)])
    return float(copies[linear_sum_assignment(-copies)].mean())


def _area_crps(areas: NDArray[np.int64], expert_areas: NDArray[np.int64]) -> float:
    error = np.abs(areas[:, None] - expert_areas).mean()
    return float(error - np.abs(areas[:, None] - areas).mean() / 2)


def _cross_entropy(a: Map, b: Map) -> Map:
    return -a * np.log(b + 1e-8) - (1 - a) * np.log(1 - b + 1e-8)


def _ncc(samples: BoolArray, annotations: BoolArray) -> float:
    share, drawn = samples.mean(0), samples.astype(float)
    within = np.mean([_cross_entropy(share, s) for s in drawn], axis=0)
    correlations = []
    for expert in annotations.astype(float):
        across = np.mean([_cross_entropy(expert, s) for s in drawn], axis=0)
        if np.ptp(within) < _CONSTANT or np.ptp(across) < _CONSTANT:
            return math.nan
        moment = ((within - within.mean()) * (across - across.mean())).mean()
        correlations.append(moment / (within.std() * across.std()))
    return float(np.mean(correlations))


def _pixel_calibration(samples: BoolArray, annotations: BoolArray) -> dict[str, float]:
    share, truth = samples.mean(0), annotations.mean(0)
    bins = np.minimum(10 * samples.sum(0) // len(samples), 9)
    errors = np.mean([(share - expert) ** 2 for expert in annotations], axis=0)
    union = samples.any(0) | annotations.any(0)
    scores = {}
    for suffix, region in (("", np.ones_like(union)), ("_union", union)):
        gaps = [abs((share - truth)[region & (bins == b)].sum()) for b in range(10)]
        scores[f"ece{suffix}"] = sum(gaps) / region.sum() if region.any() else 0.0
        scores[f"brier{suffix}"] = errors[region].mean() if region.any() else 0.0
    return scores
