"""Means with the uncertainty that comes from having seen only so many patients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.errors import DataFormatError


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval.

    Parameters
    ----------
    mean : over all defined values; NaN if there is none
    low, high : the 2.5th and 97.5th percentile of the mean over resampled patients; NaN below two patients,
        since one says nothing about others
    undefined : how many values were NaN and so are not in the mean
    """

    mean: float
    low: float
    high: float
    undefined: int

    def as_json(self) -> dict[str, float | int | None]:
        """Plain JSON values; JSON has no NaN, so an undefined number is null."""
        numbers = {"mean": self.mean, "low": self.low, "high": self.high}
        return {name: None if math.isnan(x) else x for name, x in numbers.items()} | {"undefined": self.undefined}


def bootstrap_mean(values: ArrayLike, groups: Sequence[str], seed: int, n_resamples: int = 1000) -> Interval:
    """Mean of per-case values, with a bootstrap interval over groups: patients, not slices.

    Slices of one patient resemble each other, so that resampling slices would promise too narrow an interval.
    Here whole patients are drawn with replacement, and each brings all of its slices.

    Parameters
    ----------
    values : (n,) float, one per case; NaN means undefined there, is left out and counted
    groups : (n,) the patient of each case
    seed : names the resamples; the same seed and patients give the same resamples whatever the values
    n_resamples : how many times the patients are drawn anew

    Raises
    ------
    DataFormatError
        If values and groups differ in length, or are empty.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or numbers.shape != (len(groups),) or numbers.size == 0:
        raise DataFormatError(
            f"bootstrap: expected one value per case and at least one case, "
            f"got values of shape {numbers.shape} and {len(groups)} patients' names"
        )
    defined = ~np.isnan(numbers)
    undefined = int(numbers.size - defined.sum())
    if undefined == numbers.size:
        return Interval(math.nan, math.nan, math.nan, undefined)
    # Only patients with a defined value take part: a resample of the others alone would have no mean.
    _, patient = np.unique(np.asarray(groups)[defined], return_inverse=True)
    total = np.bincount(patient, weights=numbers[defined])
    count = np.bincount(patient)
    mean = float(total.sum() / count.sum())
    n_patients = len(count)
    if n_patients < 2:
        return Interval(mean, math.nan, math.nan, undefined)
    times_drawn = np.random.default_rng(seed).multinomial(
        n_patients, np.full(n_patients, 1 / n_patients), size=n_resamples
    )
    low, high = np.percentile((times_drawn @ total) / (times_drawn @ count), [2.5, 97.5])
    return Interval(mean, float(low), float(high), undefined)
