"""Scores of drawn masks: the package's counting beside the loop over pairs of masks that papers' code has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from training.bench.machine import describe_machine, peak_memory_mib
from training.bench.outcome import Gate, Group, Outcome, Row
from training.bench.rounds import Contender, chosen, interleave, require_rounds
from training.data.phantom import PANEL_SIZE, phantom_case
from training.metrics import compare
from training.records import BoolArray
from training.segmenters.experts import require_samples

CONTENDERS = ("ours", "pair-loop")
SCORES = ("GED", "dice", "IoU", "Hungarian IoU")

# The two sum the same integers' quotients in another order.
ROUNDING = 1e-12


def bench_metrics(
    *,
    samples: int = 16,
    cases: int = 20,
    size: int = 128,
    rounds: int = 5,
    only: Sequence[str] = (),
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Time GED, dice, IoU and the Hungarian matching of some phantoms' masks with their experts'.

    Parameters
    ----------
    samples : masks of each slice, drawn from its experts' distribution
    cases : slices scored in one call
    size : of a slice
    rounds, only, tick : as everywhere

    Raises
    ------
    ConfigError
        On an unknown contender or numbers that are not possible.
    """
    require_rounds(rounds)
    require_samples(samples)
    require_samples(cases)
    names = chosen(only, CONTENDERS, {})
    machine = describe_machine(torch.device("cpu"))
    sets = [_masks(index, samples, size) for index in range(cases)]
    calls = {name: _scoring(score, sets) for name, score in zip(CONTENDERS, (package_scores, loop_scores), strict=True)}
    reference = calls["pair-loop"]()
    errors = {name: float(np.abs(calls[name]() - reference).max()) for name in names}
    seconds = interleave([Contender(name, calls[name]) for name in names], rounds, None, tick)
    rows = tuple(
        Row(
            name,
            seconds[name],
            {"ms a slice": 1e3 * median(seconds[name]) / cases, "largest error of a score": errors[name]},
        )
        for name in names
    )
    return Outcome(
        title="Scoring masks",
        settings={"slices": cases, "masks": samples, "experts": PANEL_SIZE, "pixels": f"{size} x {size}"},
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=(Group(f"{', '.join(SCORES)} of {cases} slices", rows, ("ours",)),),
        gates=(Gate("ours: largest error of a score", errors["ours"], ROUNDING),) if "ours" in names else (),
    )


def package_scores(samples: BoolArray, annotations: BoolArray) -> list[float]:
    """`SCORES` by the package."""
    compared = compare(samples, annotations)
    return [compared.ged("V").value, compared.dice, compared.iou, compared.hungarian_iou]


def loop_scores(samples: BoolArray, annotations: BoolArray) -> list[float]:
    """`SCORES` by a loop over pairs of masks."""
    cross = np.array([[_iou(a, b) for b in annotations] for a in samples])
    within_samples = np.mean([1 - _iou(a, b) for a in samples for b in samples])
    within_experts = np.mean([1 - _iou(a, b) for a in annotations for b in annotations])
    dice = np.mean([_dice(a, b) for a in samples for b in annotations])
    common = math.lcm(len(samples), len(annotations))
    copies = np.array([[cross[i % len(samples), j % len(annotations)] for j in range(common)] for i in range(common)])
    matched = copies[linear_sum_assignment(-copies)].mean()
    return [2 * (1 - cross.mean()) - within_samples - within_experts, float(dice), cross.mean(), matched]


def _iou(a: BoolArray, b: BoolArray) -> float:
    union = np.logical_or(a, b).sum()
    return 1.0 if union == 0 else float(np.logical_and(a, b).sum() / union)


def _dice(a: BoolArray, b: BoolArray) -> float:
    total = a.sum() + b.sum()
    return 1.0 if total == 0 else float(2 * np.logical_and(a, b).sum() / total)


def _masks(index: int, samples: int, size: int) -> tuple[BoolArray, BoolArray]:
    case = phantom_case(index, 0, size)
    return case.draw_experts(samples, seed=0), case.slice.masks


def _scoring(
    score: Callable[[BoolArray, BoolArray], list[float]], sets: Sequence[tuple[BoolArray, BoolArray]]
) -> Callable[[], NDArray[np.float64]]:
    return lambda: np.array([score(samples, annotations) for samples, annotations in sets])
