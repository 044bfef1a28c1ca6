"""Score a segmenter case by case: masks are drawn once, counted once, and every score follows from the counts.

Torch-free: what draws and what counts is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError, DataFormatError
from training.metrics.tally import Tally, leave_one_out, tally
from training.postprocess import survivors
from training.records import AnnotatedSlice, BoolArray, FloatArray, SampleSet, require_masks
from training.rng import case_seed
from training.segmenters.experts import require_samples
from training.segmenters.interface import SegmentationSampler

#: The reference that draws nothing: each expert in turn beside the others.
HUMAN = "human"

IndexedCase = tuple[int, AnnotatedSlice]


@dataclass(frozen=True)
class Variant:
    """One way to score a case: its first n samples, raw or post-processed.

    Parameters
    ----------
    n : number of samples
    r : of the relative-area post-processing; None for the samples as they were drawn
    """

    n: int
    r: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is scored of each case.

    Parameters
    ----------
    samples : numbers of samples; the largest is drawn, the others are its first ones
    postprocess : r's of the relative-area post-processing, in [0, 1]; none for raw scores alone
    seed : names the noise; every case gets its own, see `training.rng.case_seed`

    Raises
    ------
    ConfigError
        On numbers that are not possible.
    """

    samples: tuple[int, ...] = (4, 16)
    postprocess: tuple[float, ...] = (0.5,)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.samples:
            raise ConfigError("no number of samples is given; give one or more, each at least 1")
        for n in self.samples:
            require_samples(n)
        for r in self.postprocess:
            if not 0 <= r <= 1:
                raise ConfigError(f"relative area {r} is impossible; choose a value in [0, 1]")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be between 0 and 2**63 - 1, got {self.seed}")
        object.__setattr__(self, "samples", tuple(sorted(set(self.samples))))
        object.__setattr__(self, "postprocess", tuple(sorted(set(self.postprocess))))
        if len({f"{r:g}" for r in self.postprocess}) < len(self.postprocess):
            raise ConfigError(f"relative areas {self.postprocess} differ by less than can be named; leave some out")

    @property
    def most(self) -> int:
        """How many samples are drawn for each case."""
        return self.samples[-1]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """By n, raw first."""
        return tuple(Variant(n, r) for n in self.samples for r in (None, *self.postprocess))

    def key(self, variant: Variant) -> str:
        """What a variant is called beside the others of its n: "raw", "postprocessed", "postprocessed 0.3"."""
        if variant.r is None:
            return "raw"
        return "postprocessed" if len(self.postprocess) == 1 else f"postprocessed {variant.r:g}"


#: What is scored of `HUMAN`: one expert at a time, and nothing is random.
HUMAN_PLAN = Plan((1,), ())


@dataclass(frozen=True, eq=False)
class CaseScores:
    """One case of an evaluation.

    Parameters
    ----------
    index, key, patient : its place in the split, which slice, and whose
    n_experts, n_found : K, and how many of them drew a mask that is not empty
    seed : what the segmenter was given here; drawing with it again gives the same masks
    scores : (V, S) float64, variants x `training.metrics.glossary.NAMES`; NaN where undefined
    votes : for each variant (n + 1, K + 1) int64, the pixels that i samples and j experts mark
    """

    index: int
    key: str
    patient: str
    n_experts: int
    n_found: int
    seed: int
    scores: NDArray[np.float64]
    votes: tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, eq=False)
class ScoredBlock:
    """Some cases that were drawn and scored together, and the seconds that each took for all of them."""

    cases: Sequence[CaseScores]
    drawing: float
    scoring: float


Count = Callable[[Sequence[BoolArray], Sequence[BoolArray]], list[Tally]]
Scorer = Callable[[Sequence[IndexedCase]], ScoredBlock]


@runtime_checkable
class BatchSampler(SegmentationSampler, Protocol):
    """A segmenter that draws for several images of one shape together."""

    def draw_many(self, images: Sequence[FloatArray], n: int, seeds: Sequence[int]) -> list[SampleSet]:
        """Draw ``n`` masks for each image, with a seed for each."""


def tallies(samples: Sequence[BoolArray], annotations: Sequence[BoolArray]) -> list[Tally]:
    """Count some cases, one after the other, on the CPU."""
    return [tally(drawn, masks) for drawn, masks in zip(samples, annotations, strict=True)]


def evaluate_cases(
    segmenter: SegmentationSampler,
    cases: Iterable[IndexedCase],
    plan: Plan,
    *,
    together: int = 1,
    count: Count = tallies,
) -> Iterator[CaseScores]:
    """Score a segmenter on some cases, lazily: one block of cases is in memory at a time.

    Parameters
    ----------
    segmenter : what draws the masks
    cases : places in the split, rising, and the slices there
    plan : what to score
    together : cases of one block; which cases are drawn together depends on their places alone
    count : counts the masks of some cases of one shape

    Raises
    ------
    DataFormatError, ConfigError
        While iterating, naming the case: an image that is not finite, experts' or drawn masks that are none, or
        are of another shape or number.
    """
    for _, block in groupby(cases, key=lambda case: case[0] // together):
        yield from score_block(segmenter, list(block), plan, count).cases


def score_block(
    segmenter: SegmentationSampler, cases: Sequence[IndexedCase], plan: Plan, count: Count = tallies
) -> ScoredBlock:
    """Draw and score some cases together; parameters and errors as in `evaluate_cases`."""
    began = perf_counter()
    scored: dict[int, CaseScores] = {}
    drawing = 0.0
    for _, case in cases:
        _require_case(case)
    for _, group in groupby(sorted(cases, key=_shape), key=_shape):
        alike = list(group)
        start = perf_counter()
        drawn = _draw(segmenter, [case for _, case in alike], plan)
        drawing += perf_counter() - start
        counted = count(drawn, [case.masks for _, case in alike])
        for (index, case), counts in zip(alike, counted, strict=True):
            scored[index] = _scores(index, case, counts, plan)
    return ScoredBlock([scored[index] for index, _ in cases], drawing, perf_counter() - began - drawing)


def score_experts(cases: Sequence[IndexedCase]) -> ScoredBlock:
    """The reference `HUMAN`: each expert in turn as the only sample, beside the others; by `HUMAN_PLAN`.

    Errors as in `evaluate_cases`.  The votes are all 0: no sample was drawn.
    """
    began = perf_counter()
    scored = []
    for index, case in cases:
        _require_case(case)
        k = case.n_experts
        scores, votes = leave_one_out(case.masks)[None], (np.zeros((2, k + 1), np.int64),)
        scored.append(CaseScores(index, case.key, case.patient, k, case.n_found, HUMAN_PLAN.seed, scores, votes))
    return ScoredBlock(scored, 0.0, perf_counter() - began)


def _draw(segmenter: SegmentationSampler, cases: Sequence[AnnotatedSlice], plan: Plan) -> list[BoolArray]:
    """(n, H, W) masks of each of some cases of one shape."""
    seeds = [case_seed(plan.seed, case.key) for case in cases]
    if isinstance(segmenter, BatchSampler) and len(cases) > 1:
        with _naming(*cases):
            sets = segmenter.draw_many([case.image for case in cases], plan.most, seeds)
    else:
        sets = []
        for case, seed in zip(cases, seeds, strict=True):
            with _naming(case):
                sets.append(segmenter.given(case).draw(case.image, plan.most, seed))
    for case, drawn in zip(cases, sets, strict=True):
        _require_drawn(drawn.masks, case, plan.most)
    return [drawn.masks for drawn in sets]


def _scores(index: int, case: AnnotatedSlice, counts: Tally, plan: Plan) -> CaseScores:
    kept = [None if v.r is None else survivors(counts.areas[: v.n], v.r) for v in plan.variants]
    pairs = list(zip(plan.variants, kept, strict=True))
    return CaseScores(
        index,
        case.key,
        case.patient,
        case.n_experts,
        case.n_found,
        case_seed(plan.seed, case.key),
        np.array([counts.scores(variant.n, survive) for variant, survive in pairs]),
        tuple(counts.votes(variant.n, survive) for variant, survive in pairs),
    )


def _shape(case: IndexedCase) -> tuple[int, ...]:
    return case[1].masks.shape


@contextmanager
def _naming(first: AnnotatedSlice, *others: AnnotatedSlice) -> Iterator[None]:
    """Say in which case, or cases, something was wrong."""
    try:
        yield
    except (DataFormatError, ConfigError) as error:
        what = f"cases {first.key!r} to {others[-1].key!r}" if others else f"case {first.key!r}"
        raise type(error)(f"{what}: {error}") from error


def _require_case(case: AnnotatedSlice) -> None:
    """What the record checked when it was made: its arrays may be changed by whoever has them too."""
    require_masks(case.masks, f"case {case.key!r}, experts")
    if case.masks.shape[1:] != case.image.shape:
        raise DataFormatError(
            f"case {case.key!r}: the experts' masks have shape {case.masks.shape}, the image {case.image.shape}; "
            f"they must show the same pixels"
        )
    if not np.isfinite(case.image).all():
        raise DataFormatError(f"case {case.key!r}: the image has NaN or infinite pixels; every pixel must be finite")


def _require_drawn(masks: BoolArray, case: AnnotatedSlice, n: int) -> None:
    require_masks(masks, f"case {case.key!r}, drawn masks")
    if masks.shape != (n, *case.image.shape):
        raise DataFormatError(
            f"case {case.key!r}: {n} masks of {case.image.shape} pixels were asked for, got {masks.shape}; "
            f"the segmenter must draw them on the image's own pixels"
        )
