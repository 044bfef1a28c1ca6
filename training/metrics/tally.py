"""A case is counted once; all its scores, of all its samples or the first few, raw or post-processed, follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError
from training.metrics.calibration import area_crps_of, brier_of, ece_of, presence_brier_of, presence_error_of
from training.metrics.cimd import cimd_scores_of
from training.metrics.consensus import consensus_dice_of, level_dice, soft_dice_of
from training.metrics.counts import CaseCounts, SetCounts
from training.metrics.disagreement import ncc_of
from training.metrics.glossary import NAMES
from training.metrics.overlap import Counts
from training.records import BoolArray, require_masks


def _distances(sets: SetCounts) -> tuple[float, ...]:
    v = sets.pairs.ged("V")
    return v.value, v.cross, v.within_samples, v.within_experts


def _unbiased(sets: SetCounts) -> tuple[float, ...]:
    return (sets.pairs.ged("U").value if sets.n > 1 else math.nan,)


def _maps_overlap(sets: SetCounts) -> tuple[float, ...]:
    levels = level_dice(sets)
    return soft_dice_of(levels), consensus_dice_of(levels)


def _emptiness(sets: SetCounts) -> tuple[float, ...]:
    return tuple(1 - int(np.count_nonzero(areas)) / areas.size for areas in (sets.areas, sets.expert_areas))


def _cimd(sets: SetCounts) -> tuple[float, ...]:
    scores = cimd_scores_of(sets)
    return scores.sc, scores.da, scores.ci


#: What is computed together, so that only what is asked for takes time.
_SCORES: Sequence[tuple[tuple[str, ...], Callable[[SetCounts], tuple[float, ...]]]] = (
    (("ged_v", "ged_cross", "ged_samples", "ged_experts"), _distances),
    (("ged_u",), _unbiased),
    (("dice", "iou"), lambda sets: (sets.pairs.dice, sets.pairs.iou)),
    (("soft_dice", "consensus_dice"), _maps_overlap),
    (("hm_iou",), lambda sets: (sets.pairs.hungarian_iou,)),
    (("d_max",), lambda sets: (sets.pairs.d_max,)),
    (
        ("diversity_model", "diversity_experts"),
        lambda sets: (sets.pairs.sample_diversity, sets.pairs.expert_diversity),
    ),
    (("empty_model", "empty_experts"), _emptiness),
    (("presence_error", "presence_brier"), lambda sets: (presence_error_of(sets), presence_brier_of(sets))),
    (("area_crps",), lambda sets: (area_crps_of(sets),)),
    (("ncc",), lambda sets: (ncc_of(sets),)),
    (("ece", "ece_union"), lambda sets: (ece_of(sets, "image"), ece_of(sets, "union"))),
    (("brier", "brier_union"), lambda sets: (brier_of(sets, "image"), brier_of(sets, "union"))),
    (("cimd_sc", "cimd_da", "cimd_ci"), _cimd),
)


@cache
def _steps(names: tuple[str, ...]) -> tuple[list[Callable[[SetCounts], tuple[float, ...]]], list[int]]:
    """What has to be computed for these scores, and at which place of the results each of them stands."""
    if unknown := [name for name in names if name not in NAMES]:
        raise ConfigError(f"unknown score {unknown[0]!r}; choose from: {', '.join(NAMES)}")
    asked = [(together, step) for together, step in _SCORES if not set(names).isdisjoint(together)]
    given = [name for together, _ in asked for name in together]
    return [step for _, step in asked], [given.index(name) for name in names]


class Tally(CaseCounts):
    """The counts of one case, and the scores in the order of `training.metrics.glossary.NAMES`."""

    def scores(
        self, n: int | None = None, kept: BoolArray | None = None, names: Sequence[str] = NAMES
    ) -> NDArray[np.float64]:
        """Scores of the first ``n`` samples.

        Parameters
        ----------
        n : 1 to N; all samples if left out
        kept : (n,) bool, False for a sample to be replaced by an empty mask, as post-processing does, see
            `training.postprocess.survivors`
        names : which scores; all of the glossary if left out

        Returns
        -------
        (len(names),) float64, NaN exactly where a score is undefined: "ged_u" and "diversity_model" of a
        single sample, "diversity_experts" of a single expert, "ncc" where a map is constant

        Raises
        ------
        ConfigError
            On another ``n``, or a name that is no score.
        DataFormatError
            On another ``kept``.
        """
        sets = self.first(n, kept)
        # Where post-processing empties nothing, the scores are the raw ones, which are there already.
        asked = (sets.n, tuple(names))
        if sets.kept is None and asked in self._as_drawn:
            return self._as_drawn[asked].copy()
        steps, places = _steps(asked[1])
        values = [value for step in steps for value in step(sets)]
        scores = np.array([values[place] for place in places])
        if sets.kept is None:
            self._as_drawn[asked] = scores.copy()
        return scores

    @cached_property
    def _as_drawn(self) -> dict[tuple[int, tuple[str, ...]], NDArray[np.float64]]:
        """By n and names, the scores of samples of which none is emptied."""
        return {}

    def votes(self, n: int | None = None, kept: BoolArray | None = None) -> Counts:
        """(n + 1, K + 1) int64, the pixels that i of the first n samples and j of the K experts mark.

        Parameters and errors as in `scores`.
        """
        return self.first(n, kept).votes


def tally(samples: BoolArray, annotations: BoolArray) -> Tally:
    """Count one case.

    Parameters
    ----------
    samples : (N, H, W) bool, the drawn masks
    annotations : (K, H, W) bool, the experts' masks

    Raises
    ------
    DataFormatError
        On an empty set, another dtype or dimension, or different H, W.
    """
    return Tally.of_masks(samples, annotations)


def leave_one_out(annotations: BoolArray) -> NDArray[np.float64]:
    """The human row: each expert in turn as the only sample beside the others, averaged over the experts.

    Parameters
    ----------
    annotations : (K, H, W) bool, the experts' masks

    Returns
    -------
    (len(NAMES),) float64; what a single sample does not have is NaN ("ged_u", "diversity_model", "ncc"), and
    for K = 2, with one expert left over, "diversity_experts".  All are NaN for K = 1.

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(annotations, "annotations")
    if len(annotations) == 1:
        return np.full(len(NAMES), math.nan)
    rows = [tally(annotations[j : j + 1], np.delete(annotations, j, axis=0)).scores() for j in range(len(annotations))]
    mean: NDArray[np.float64] = np.mean(rows, axis=0)
    return mean
