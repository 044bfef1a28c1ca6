"""Scores of drawn masks: the package's counting beside the loop over pairs of masks that papers' code has."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from training.bench.machine import describe_machine
from training.bench.outcome import Fact, Gate, Group, Outcome, Row
from training.bench.pair_loop import all_scores, pair_scores, relative_area
from training.bench.rounds import Contender, chosen, interleave, require_rounds
from training.data.phantom import PANEL_SIZE, phantom_case
from training.machine import peak_memory_mib
from training.metrics.glossary import NAMES
from training.metrics.tally import tally
from training.postprocess import survivors
from training.records import BoolArray
from training.segmenters.experts import require_samples

CONTENDERS = ("ours", "pair-loop")

#: Which scores of a case, and the loop that computes just these.
Scoring = Callable[[BoolArray, BoolArray], Mapping[str, float]]
SCORES: Mapping[str, tuple[Sequence[str], Scoring]] = {
    "GED, dice, IoU, Hungarian IoU": (("ged_v", "dice", "iou", "hm_iou"), pair_scores),
    f"all {len(NAMES)} scores": (NAMES, all_scores),
}

RELATIVE_AREA = 0.5

# The two sum the same integers' quotients in another order; relative to 1, or to a larger score.
ROUNDING = 1e-12

Sets = Sequence[tuple[BoolArray, BoolArray]]


def bench_metrics(
    *,
    samples: int = 16,
    cases: int = 20,
    size: int = 128,
    rounds: int = 5,
    only: Sequence[str] = (),
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Time the scores of some phantoms' masks, and of random ones, raw and post-processed.

    Everything runs on one core where the system lets a program choose it (Linux).

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
    of_masks = {
        "phantoms": [_phantom(index, samples, size) for index in range(cases)],
        "random masks of every second pixel": [_noise(index, samples, size) for index in range(cases)],
    }
    groups, gates = [], []
    with _one_core() as pinned:
        for what, (scores, loop) in SCORES.items():
            for kind, sets in of_masks.items():
                title = f"{what} of {cases} slices, {kind}"
                group, error = _group(title, scores, loop, sets, names, rounds, tick)
                groups.append(group)
                if "ours" in names:
                    gates.append(Gate(f"ours: largest error, {what}, {kind}", error, ROUNDING))
    settings: dict[str, Fact] = {
        "slices": cases,
        "masks": samples,
        "experts": PANEL_SIZE,
        "pixels": f"{size} x {size}",
        "post-processing": f"raw, and relative area {RELATIVE_AREA}",
    }
    return Outcome(
        title="Scoring masks",
        settings=settings,
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=tuple(groups),
        gates=tuple(gates),
        notes=("all on one core" if pinned else "not bound to one core: this system does not let a program choose",),
    )


def _group(
    title: str,
    scores: Sequence[str],
    loop: Scoring,
    sets: Sets,
    contenders: Sequence[str],
    rounds: int,
    tick: Callable[[str], None],
) -> tuple[Group, float]:
    """One set of scores of one kind of masks, and our largest error."""
    calls = {
        "ours": lambda: np.array([package_scores(*both, scores) for both in sets]),
        "pair-loop": lambda: np.array([loop_scores(*both, scores, loop) for both in sets]),
    }
    reference = calls["pair-loop"]()
    errors = {name: _largest_error(calls[name](), reference) for name in contenders}
    seconds = interleave([Contender(name, calls[name]) for name in contenders], rounds, None, tick)
    rows = tuple(
        Row(
            name,
            seconds[name],
            {"ms a slice": 1e3 * median(seconds[name]) / len(sets), "largest error of a score": errors[name]},
        )
        for name in contenders
    )
    return Group(title, rows, ("ours",)), errors.get("ours", math.nan)


def _largest_error(scores: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """1 where one of the two is undefined and the other is not, and 0 where both are."""
    error = np.abs(scores - reference) / np.maximum(1, np.abs(reference))
    undefined, expected = np.isnan(scores), np.isnan(reference)
    return float(np.where(undefined | expected, undefined != expected, error).max())


def package_scores(
    samples: BoolArray, annotations: BoolArray, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Those scores by the package, raw and post-processed."""
    counted = tally(samples, annotations)
    kept = survivors(counted.areas, RELATIVE_AREA)
    return counted.scores(names=names), counted.scores(kept=kept, names=names)


def loop_scores(samples: BoolArray, annotations: BoolArray, names: Sequence[str], loop: Scoring) -> NDArray[np.float64]:
    """Those scores by a loop over pairs of masks, (2, names): raw and post-processed."""
    both = loop(samples, annotations), loop(relative_area(samples, RELATIVE_AREA), annotations)
    return np.array([[scores[name] for name in names] for scores in both])


def _phantom(index: int, samples: int, size: int) -> tuple[BoolArray, BoolArray]:
    case = phantom_case(index, 0, size)
    return case.draw_experts(samples, seed=0), case.slice.masks


def _noise(index: int, samples: int, size: int) -> tuple[BoolArray, BoolArray]:
    """Masks of which no two pixels are alike, the most there is to count."""
    masks = np.random.default_rng(index).random((samples + PANEL_SIZE, size, size)) < 0.5
    return masks[:samples], masks[samples:]


@contextmanager
def _one_core() -> Iterator[bool]:
    """All threads of this process on one core meanwhile, those of the libraries too; False where that cannot be."""
    threads = Path("/proc/self/task")
    if not hasattr(os, "sched_setaffinity") or not threads.is_dir():
        yield False
        return
    before = {int(thread.name): os.sched_getaffinity(int(thread.name)) for thread in threads.iterdir()}
    core = {min(before[os.getpid()])}
    for thread in before:
        os.sched_setaffinity(thread, core)
    try:
        yield True
    finally:
        for thread, cores in before.items():
            os.sched_setaffinity(thread, cores)
