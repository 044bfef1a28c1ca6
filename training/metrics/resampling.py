"""How far the GED of one case would move with other samples of the same model."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError
from training.metrics.comparison import Comparison, Estimator, require_estimator

#: How often the samples are drawn anew.
N_RESAMPLES = 1000

#: Samples without which there is no range: of 2 it would hold the truth in at most a quarter of all cases, of 3 in
#: three quarters, and from 4 on in 83 to 100 % (docs/adr/027-one-case-from-the-command-line.md).
FEWEST = 4


def ged_interval(
    pairs: Comparison, estimator: Estimator = "U", *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap range of the GED of one case, over its N samples; the K experts stay as they are.

    Parameters
    ----------
    pairs : all overlaps of the case, as `training.metrics.compare` counts them
    estimator : which GED the range belongs to, see `training.metrics.ged_terms`
    n_resamples : how often N samples are drawn, with replacement, from the N that there are
    seed : names the resamples

    Returns
    -------
    low, high : the 2.5th and 97.5th percentile; both NaN below `FEWEST` samples, which say too little about others

    Raises
    ------
    ConfigError
        On another estimator, or fewer than one resample.

    Notes
    -----
    In a resample sample i occurs w_i times, so that the mean distance to the experts is ``w c / N``, with c_i that of
    sample i.  Two occurrences of one sample are at distance 0, which two samples of the model need not be, so that
    only pairs of different samples count: ``E d(s, s') = w' D w / (N^2 - sum w^2)``.  The weights of the N (N - 1)
    pairs add up to 1 and are exchangeable: the resamples lie about the U estimate, without a bias.  With repetitions
    counted as pairs they would lie too high by ``E d(s, s') / N``.

    V is ``U + E d(s, s') / N`` on the samples themselves; the same is added in every resample.  So its range lies
    about V, the share of few samples in it and all, and belongs to V at this N.

    A resample of one sample N times, one in 64 for N = 4, has no pair; it takes the ``E d(s, s')`` of all samples.
    """
    require_estimator(estimator)
    if n_resamples < 1:
        raise ConfigError(f"at least 1 resample is needed, got {n_resamples}")
    n = len(pairs.sample_iou)
    if n < FEWEST:
        return math.nan, math.nan
    times = _times_drawn(n, n_resamples, seed)
    cross = times @ (1 - pairs.cross_iou).mean(axis=1) / n
    distances = 1 - pairs.sample_iou
    n_pairs = n * n - np.einsum("bi,bi->b", times, times)
    summed = np.einsum("bi,bi->b", times @ distances, times)
    within = np.where(n_pairs > 0, summed / np.maximum(n_pairs, 1), pairs.sample_diversity)
    if estimator == "V":
        within *= 1 - 1 / n
    low, high = np.percentile(2 * cross - within - pairs.expert_distance, [2.5, 97.5])
    return float(low), float(high)


@lru_cache(maxsize=2)
def _times_drawn(n: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """(B, N), how often each of N samples occurs in each resample; the same for all cases."""
    drawn = np.random.default_rng(seed).integers(n, size=(n_resamples, n))
    places = drawn + n * np.arange(n_resamples)[:, None]
    times = np.bincount(places.ravel(), minlength=n * n_resamples).reshape(n_resamples, n).astype(np.float64)
    times.flags.writeable = False
    return times
