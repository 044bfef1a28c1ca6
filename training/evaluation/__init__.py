"""Score segmenters on annotated slices.  Torch-free."""

from training.evaluation.evaluate import (
    CaseScores,
    Evaluation,
    Scores,
    case_seed,
    evaluate,
    evaluate_cases,
    summarize,
)
from training.evaluation.statistics import Interval, bootstrap_mean

__all__ = [
    "CaseScores",
    "Evaluation",
    "Interval",
    "Scores",
    "bootstrap_mean",
    "case_seed",
    "evaluate",
    "evaluate_cases",
    "summarize",
]
