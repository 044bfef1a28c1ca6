"""Score a segmenter on annotated slices: case by case, then on average.

Progress belongs to the caller: wrap the cases in a progress bar, or take the rows of `evaluate_cases` as they
come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from training.errors import ConfigError, DataFormatError
from training.evaluation.statistics import bootstrap_mean
from training.metrics import Comparison, compare, empty_share
from training.postprocess import relative_area
from training.records import AnnotatedSlice, BoolArray
from training.segmenters.interface import SegmentationSampler

# The resamples of every summary, so that intervals of two models on the same patients share them.
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Scores:
    """How n drawn masks compare with the experts' masks of one case.

    Parameters
    ----------
    ged_v, ged_u : squared generalized energy distance by both estimators; "U" is NaN for n = 1
    dice, iou : means over all pairs of a sample and an expert
    hm_iou : IoU under the best matching of samples and experts
    d_max : dice of the sample closest to each expert, averaged over the experts
    diversity_model, diversity_experts : mean 1 - IoU between two different masks; NaN for a single mask
    empty_model, empty_experts : share of masks without a single pixel
    """

    ged_v: float
    ged_u: float
    dice: float
    iou: float
    hm_iou: float
    d_max: float
    diversity_model: float
    diversity_experts: float
    empty_model: float
    empty_experts: float


@dataclass(frozen=True)
class CaseScores:
    """One case of an evaluation.

    Parameters
    ----------
    key, patient : which slice, and whose
    n_experts : K
    seed : what the segmenter was given here; drawing with it again gives the same masks
    raw, postprocessed : n -> scores of the first n masks; the second is empty if nothing was post-processed
    """

    key: str
    patient: str
    n_experts: int
    seed: int
    raw: Mapping[int, Scores]
    postprocessed: Mapping[int, Scores] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The scores of one segmenter on a set of cases, and how they came about.

    Parameters
    ----------
    segmenter : its name
    seed : what all the cases' own seeds follow from, see `case_seed`
    postprocess : r of the relative-area post-processing, None for none
    rows : one per case
    """

    segmenter: str
    seed: int
    postprocess: float | None
    rows: Sequence[CaseScores]

    def summary(self) -> dict[str, object]:
        """`summarize` of the rows under a heading that says how they came about; plain JSON values."""
        heading = {"segmenter": self.segmenter, "seed": self.seed, "postprocess": self.postprocess}
        return heading | summarize(self.rows)


def case_seed(seed: int, key: str) -> int:
    """The seed of one case, in [0, 2^63): a stable function of the evaluation's seed and the case's key.

    Different cases get independent noise, and a case keeps its own whatever else is evaluated beside it.
    """
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def evaluate(
    segmenter: SegmentationSampler,
    cases: Iterable[AnnotatedSlice],
    n: Sequence[int] = (4, 16),
    seed: int = 0,
    postprocess: float | None = 0.5,
) -> Evaluation:
    """Score a segmenter on all cases; parameters and errors as in `evaluate_cases`."""
    rows = tuple(evaluate_cases(segmenter, cases, n, seed, postprocess))
    return Evaluation(segmenter.name, seed, postprocess, rows)


def evaluate_cases(
    segmenter: SegmentationSampler,
    cases: Iterable[AnnotatedSlice],
    n: Sequence[int] = (4, 16),
    seed: int = 0,
    postprocess: float | None = 0.5,
) -> Iterator[CaseScores]:
    """Score a segmenter case by case, lazily: one case's masks are in memory at a time.

    Per case max(n) masks are drawn once; the scores for a smaller n are those of the first n of them.

    Parameters
    ----------
    segmenter : what draws the masks
    cases : the annotated slices
    n : numbers of samples to score
    seed : names the noise; every case gets its own, see `case_seed`
    postprocess : r of the relative-area post-processing, applied to each set of n samples; None leaves it out

    Raises
    ------
    ConfigError
        At once, on an impossible n or r.
    DataFormatError
        While iterating, naming the case, if the drawn masks do not fit the experts'.
    """
    if not n or min(n) < 1:
        raise ConfigError(f"numbers of samples {list(n)} are impossible; give one or more, each at least 1")
    if postprocess is not None and not 0 <= postprocess <= 1:
        raise ConfigError(f"relative area {postprocess} is impossible; choose a value in [0, 1]")
    return (_score_case(segmenter, case, sorted(set(n)), case_seed(seed, case.key), postprocess) for case in cases)


def _score_case(
    segmenter: SegmentationSampler,
    case: AnnotatedSlice,
    n: Sequence[int],
    seed: int,
    postprocess: float | None,
) -> CaseScores:
    drawn = segmenter.given(case).draw(case.image, n[-1], seed).masks
    try:
        whole = compare(drawn, case.masks)
        raw = {k: _score(whole.first(k), drawn[:k], case.masks) for k in n}
        postprocessed = {}
        if postprocess is not None:
            for k in n:
                kept = relative_area(drawn[:k], postprocess)
                postprocessed[k] = _score(compare(kept, case.masks), kept, case.masks)
    except DataFormatError as error:
        raise DataFormatError(f"case {case.key!r}: {error}") from error
    return CaseScores(case.key, case.patient, case.n_experts, seed, raw, postprocessed)


def _score(pairs: Comparison, samples: BoolArray, annotations: BoolArray) -> Scores:
    return Scores(
        ged_v=pairs.ged("V").value,
        ged_u=pairs.ged("U").value if len(samples) > 1 else np.nan,
        dice=pairs.dice,
        iou=pairs.iou,
        hm_iou=pairs.hungarian_iou,
        d_max=pairs.d_max,
        diversity_model=pairs.sample_diversity,
        diversity_experts=pairs.expert_diversity,
        empty_model=empty_share(samples),
        empty_experts=empty_share(annotations),
    )


def summarize(rows: Sequence[CaseScores]) -> dict[str, object]:
    """Average the rows of an evaluation, with 95 % bootstrap intervals over patients.

    Returns
    -------
    Plain JSON values: ``cases``, ``patients``, ``experts`` (the numbers of experts that occur), ``scores``;
    ``scores["16"]["raw"]["ged_v"]`` is ``{"mean", "low", "high", "undefined"}``; "undefined" counts the
    cases that the mean leaves out.  "postprocessed" stands beside "raw" where it was asked for.

    Raises
    ------
    DataFormatError
        If there is no row.
    """
    if not rows:
        raise DataFormatError("evaluation: there is no case to score; choose a split that is not empty")
    patients = [row.patient for row in rows]

    def means(of_case: Sequence[Scores]) -> dict[str, object]:
        return {
            name: bootstrap_mean([getattr(scores, name) for scores in of_case], patients, _BOOTSTRAP_SEED).as_json()
            for name in (field.name for field in fields(Scores))
        }

    scores = {}
    for n in rows[0].raw:
        scores[str(n)] = {"raw": means([row.raw[n] for row in rows])}
        if rows[0].postprocessed:
            scores[str(n)]["postprocessed"] = means([row.postprocessed[n] for row in rows])
    return {
        "cases": len(rows),
        "patients": len(set(patients)),
        "experts": sorted({row.n_experts for row in rows}),
        "scores": scores,
    }
