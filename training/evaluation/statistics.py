"""Means with the uncertainty that comes from having seen only so many patients."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import DataFormatError

#: How often the patients are drawn anew.
N_RESAMPLES = 1000

FloatArray = NDArray[np.float64]
Indices = NDArray[np.intp]

# Draws of patients that are held at a time, in all resamples of a block together; 8 bytes each.
_BLOCK = 1 << 21
# Patients whose sums stay in the processor's cache while a block of resamples goes over them.
_TILE = 512


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


def bootstrap_mean(values: ArrayLike, groups: Sequence[str], seed: int, n_resamples: int = N_RESAMPLES) -> Interval:
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


class PatientSums:
    """Sums of a stream of cases by patient: all that the means and their intervals need, at any number of cases.

    What it gives equals `bootstrap_mean`, column by column, whatever is undefined where.  All memory is taken at birth:
    ``patients x width`` sums and counts.  The same cases in the same order give the same bytes, whatever the
    number of threads: the products below go through no threaded library.

    Parameters
    ----------
    patients : (n,) the patient of every case that will be added, in any order
    width : how many values a case has

    Raises
    ------
    DataFormatError
        If there is no patient.
    """

    def __init__(self, patients: Sequence[str], width: int) -> None:
        cases_of = Counter(patients)
        if not cases_of:
            raise DataFormatError("evaluation: there is no case to score; choose a split that is not empty")
        self._row = {patient: row for row, patient in enumerate(sorted(cases_of))}
        # Filled, not only reserved: memory that fails to come should fail now, not after hours.
        self._sums = np.full((len(cases_of), width), 0.0)
        self._undefined = np.full((len(cases_of), width), 0, np.min_scalar_type(max(cases_of.values())))
        self._cases = np.zeros(len(cases_of), np.int64)
        self._expected = np.array([cases_of[patient] for patient in self._row], np.int64)

    @property
    def n_patients(self) -> int:
        """How many patients there are."""
        return len(self._row)

    def add(self, patient: str, values: FloatArray) -> None:
        """Count one case.

        Parameters
        ----------
        patient : whose case it is
        values : (width,) float64; NaN means undefined there

        Raises
        ------
        DataFormatError
            On another number of values, an infinite one, an unknown patient, or more cases of it than announced.
        """
        row = self._row.get(patient)
        if row is None:
            raise DataFormatError(f"evaluation: a case of patient {patient!r}, who was not announced")
        if values.shape != self._sums.shape[1:] or np.isinf(values).any():
            raise DataFormatError(
                f"evaluation: a case of patient {patient!r} must have {self._sums.shape[1]} finite values "
                f"(NaN where undefined), got shape {values.shape} with {int(np.isinf(values).sum())} infinite ones"
            )
        if self._cases[row] == self._expected[row]:
            raise DataFormatError(
                f"evaluation: more than the announced {self._expected[row]} cases of patient {patient!r}; "
                f"is a case counted twice?"
            )
        undefined = np.isnan(values)
        self._cases[row] += 1
        self._undefined[row] += undefined
        self._sums[row] += np.where(undefined, 0.0, values)

    @property
    def missing(self) -> int:
        """How many of the announced cases have not been added."""
        return int((self._expected - self._cases).sum())

    def intervals(self, seed: int = 0, n_resamples: int = N_RESAMPLES) -> list[Interval]:
        """The mean of each column with its interval, as `bootstrap_mean` gives it.

        All columns share their resamples, but for one that has no defined value at all for some patients: there
        the others alone are resampled, from the same seed, and columns that miss the same patients share those.

        Parameters
        ----------
        seed : names the resamples
        n_resamples : how many times the patients are drawn anew

        Returns
        -------
        (width,) intervals, in the order of the values.
        """
        undefined = self._undefined.sum(axis=0, dtype=np.int64)
        low, high = np.full((2, len(undefined)), math.nan)
        for rows, columns in self._columns_by_patients():
            if len(rows) > 1:
                means = self._resampled(rows, columns, seed, n_resamples)
                low[columns], high[columns] = np.percentile(means, [2.5, 97.5], axis=0)
        defined = self._cases.sum() - undefined
        with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is defined: NaN, as it should be
            mean = self._sums.sum(axis=0) / defined
        return [
            Interval(float(m), float(lo), float(hi), int(n))
            for m, lo, hi, n in zip(mean, low, high, undefined, strict=True)
        ]

    def resampled(self, columns: Sequence[int], seed: int = 0, n_resamples: int = N_RESAMPLES) -> FloatArray:
        """Means (n_resamples, columns) over resampled patients, for what is no mean itself but follows from some.

        Parameters
        ----------
        columns : which; they must be undefined in the same cases
        seed, n_resamples : as in `intervals`, whose resamples these are
        """
        takes_part = self._undefined[:, columns[0]] < self._cases
        return self._resampled(np.flatnonzero(takes_part), np.array(columns), seed, n_resamples)

    def _columns_by_patients(self) -> Iterator[tuple[Indices, Indices]]:
        """Columns that share their patients: pairs of those patients' rows, ascending, and the columns."""
        by_patients: dict[bytes, list[int]] = {}
        for column in range(self._sums.shape[1]):
            takes_part = self._undefined[:, column] < self._cases
            by_patients.setdefault(np.packbits(takes_part).tobytes(), []).append(column)
        for bits, columns in by_patients.items():
            yield np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8), count=self.n_patients)), np.array(columns)

    def _resampled(self, rows: Indices, columns: Indices, seed: int, n_resamples: int) -> FloatArray:
        """(n_resamples, columns) the columns' means over patients drawn from ``rows`` with replacement."""
        rng = np.random.default_rng(seed)
        n_patients = len(rows)
        even = np.full(n_patients, 1 / n_patients)
        size = max(1, _BLOCK // n_patients)
        return np.concatenate(
            [
                self._means(rows, columns, rng.multinomial(n_patients, even, size=min(size, n_resamples - done)))
                for done in range(0, n_resamples, size)
            ]
        )

    def _means(self, rows: Indices, columns: Indices, times_drawn: NDArray[np.int64]) -> FloatArray:
        """(resamples, columns) means, given how often (resamples, rows) each patient was drawn."""
        total, count = np.zeros((2, len(times_drawn), len(columns)))
        for start in range(0, len(rows), _TILE):
            tile = rows[start : start + _TILE]
            drawn = times_drawn[:, start : start + _TILE].astype(np.float64)
            undefined = self._undefined[np.ix_(tile, columns)]
            total += np.einsum("rp,pc->rc", drawn, self._sums[np.ix_(tile, columns)])
            count += np.einsum("rp,p->r", drawn, self._cases[tile].astype(np.float64))[:, None]
            if undefined.any():
                count -= np.einsum("rp,pc->rc", drawn, undefined.astype(np.float64))
        return total / count
