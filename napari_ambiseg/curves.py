"""What is drawn as a curve: a number of the samples against the steps of their walk, and the GED against r."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from training.metrics import tally
from training.metrics.glossary import SCORES
from training.postprocess import survivors
from training.records import BoolArray

RELATIVE_AREAS = tuple(step / 20 for step in range(21))


@dataclass(frozen=True)
class Curve:
    """A number of the masks that each state of a walk would give.

    Parameters
    ----------
    name : what `Playback.metric` calls it
    label : what the user calls it; "{unit}" stands for the unit of areas
    meaning : one line more
    of_samples : the number, of the state's measures and of what is new in its masks
    of_experts : the same number of the experts, NaN where it has no sense
    whole : the largest value that it can have; None where there is none
    """

    name: str
    label: str
    meaning: str
    of_samples: Callable[[SampleMeasures, float], float]
    of_experts: Callable[[ExpertMeasures], float] = lambda _: math.nan
    whole: float | None = None


def _dice_of_experts(experts: ExpertMeasures) -> float:
    """Mean dice of two different experts, from their distances 1 - IoU: dice = 2 IoU / (1 + IoU)."""
    n = experts.n_experts
    if n < 2:
        return math.nan
    iou = 1 - experts.distances
    return float(((2 * iou / (1 + iou)).sum() - n) / (n * n - n))


def _of_glossary(name: str) -> Curve:
    """A score, in the words of the glossary."""
    return Curve(name, SCORES[name].heading, SCORES[name].about, lambda at, _: at.scores[name])


CURVES = (
    *(_of_glossary(name) for name in ("ged_v", "ged_u")),
    Curve(
        "area",
        "mean area ({unit})",
        "of all samples, empty ones in; the line is the experts' mean",
        lambda at, _: float(at.areas.mean()),
        lambda experts: float(experts.areas.mean()),
    ),
    Curve(
        "empty",
        "share empty",
        "of the samples; the line is the share of the experts who drew nothing",
        lambda at, _: at.n_empty / at.n,
        lambda experts: 1 - experts.n_found / experts.n_experts,
        whole=1.0,
    ),
    replace(
        _of_glossary("dice"),
        meaning=f"{SCORES['dice'].about} The line is the mean over pairs of experts.",
        of_experts=_dice_of_experts,
        whole=1.0,
    ),
    Curve(
        "change",
        "change from step to step",
        "mean of 1 − IoU between a sample's mask and its own one state before",
        lambda _, change: change,
        whole=1.0,
    ),
)


def curve_of(name: str) -> Curve:
    """The curve of this name."""
    return next(curve for curve in CURVES if curve.name == name)


def ged_by_relative_area(masks: BoolArray, experts: BoolArray, r: tuple[float, ...]) -> NDArray[np.float64]:
    """GED (V) of drawn masks when those are emptied whose area is below r times the largest one's.

    Parameters
    ----------
    masks : (N, H, W) bool
    experts : (K, H, W) bool
    r : each in [0, 1]

    Returns
    -------
    (len(r),) float64; NaN where there is no expert
    """
    if not len(experts):
        return np.full(len(r), math.nan)
    counts, areas = tally(masks, experts), masks.sum(axis=(1, 2))
    scores = [counts.scores(kept=survivors(areas, at), names=("ged_v",)) for at in r]
    return np.concatenate(scores)
