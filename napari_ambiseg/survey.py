"""The model-free numbers of every case of a split, gathered a little at a time.  Torch-free."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from training.errors import AmbisegError, ConfigError
from training.metrics import pairwise_distance
from training.records import AnnotatedSlice


class Cases(Protocol):
    """The cases of one split, read one by one; `training.data.dataset.SliceDataset` is of this kind."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Identifier of each case."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Patient of each case."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> AnnotatedSlice: ...


@runtime_checkable
class Summarised(Protocol):
    """Cases whose summaries can be had without their pixels."""

    def summary(self, index: int) -> CaseSummary:
        """The summary of a case."""


class CaseSet(Protocol):
    """An opened file, or the demo set; `training.data.dataset.Dataset` is of this kind."""

    @property
    def splits(self) -> Mapping[str, Cases]:
        """At least one split, by name."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True)
class CaseSummary:
    """One row of the case table.

    ``n_found`` of ``n_experts`` drew something; ``disagreement`` is the mean of 1 - IoU over all pairs of experts,
    self-pairs in: the experts' term of the GED.  ``fault`` says why a case could not be read, else "".
    """

    n_found: int = 0
    n_experts: int = 0
    disagreement: float = 0.0
    fault: str = ""

    @classmethod
    def of(cls, case: AnnotatedSlice) -> CaseSummary:
        """Summarise a case."""
        distance = float(pairwise_distance(case.masks).mean()) if case.n_experts else math.nan
        return cls(case.n_found, case.n_experts, distance)


class Survey:
    """Summaries of a split, known from the first case on as far as it has come.

    Reading nine thousand slices takes seconds, so the viewer calls `advance` with a small budget again and again.
    """

    def __init__(self, cases: Cases) -> None:
        self._cases = cases
        self.summaries: list[CaseSummary] = []

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def done(self) -> bool:
        """Whether every case has its summary."""
        return len(self.summaries) == len(self._cases)

    def advance(self, budget_s: float) -> int:
        """Summarise the next cases for about ``budget_s`` seconds; returns how many are known now."""
        until = time.perf_counter() + budget_s
        while not self.done and time.perf_counter() < until:
            try:
                summary = self._summary(len(self.summaries))
            except AmbisegError as error:
                summary = CaseSummary(fault=str(error))
            self.summaries.append(summary)
        return len(self.summaries)

    def _summary(self, index: int) -> CaseSummary:
        if isinstance(self._cases, Summarised):
            return self._cases.summary(index)
        return CaseSummary.of(self._cases[index])

    def rows(self) -> Iterator[tuple[str, str, CaseSummary | None]]:
        """Key, patient and summary (None where it is not known yet) of each case."""
        for index, (key, patient) in enumerate(zip(self._cases.keys, self._cases.patients, strict=True)):
            yield key, patient, self.summaries[index] if index < len(self.summaries) else None


def require_split(cases: CaseSet, split: str) -> None:
    """Refuse a split that there is not.

    Raises
    ------
    ConfigError
        With those that there are.
    """
    if split not in cases.splits:
        raise ConfigError(f"no split {split!r}; choose one of: {', '.join(cases.splits)}")


def require_case(cases: CaseSet, split: str, index: int) -> None:
    """Refuse a case that there is not.

    Raises
    ------
    ConfigError
        With the splits that there are, or the number of cases of this one.
    """
    require_split(cases, split)
    count = len(cases.splits[split])
    if not 0 <= index < count:
        raise ConfigError(f"no case {index} in split {split!r}; it has {count} cases, counted from 0")
