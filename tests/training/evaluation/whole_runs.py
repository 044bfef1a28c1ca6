"""Runs of whole evaluations, and what they leave."""

import shutil

from training.evaluation.cases import Plan
from training.evaluation.run import evaluate_run

QUICK = Plan((2, 5), (0.5,))
CASES = 31


def run(model, data, out, *, plan=QUICK, cases=CASES, stop_after=None, **options):
    """Summary, all that was yielded and all that was told; ``stop_after`` so many cases of this session."""
    told, progress = [], []

    def should_stop():
        return stop_after is not None and len(progress) >= stop_after

    steps = evaluate_run(
        str(model),
        data,
        out,
        plan=plan,
        cases=cases,
        device="cpu",
        should_stop=should_stop,
        tell=told.append,
        **options,
    )
    try:
        while True:
            progress.append(next(steps))
    except StopIteration as end:
        return end.value, progress, told


def result(out):
    """The bytes that must not depend on how they came about."""
    return out.read_bytes(), out.with_suffix(".csv").read_bytes()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def copied(model, folder):
    for path in (model, model.with_suffix(".json")):
        shutil.copy(path, folder / path.name)
    return folder / model.name
