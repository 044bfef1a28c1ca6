"""An evaluation from end to end: slices read, masks drawn, scored raw and post-processed, written."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from training.bench.counted_limit import sampling_operations, speeds_of
from training.bench.fresh import fresh_denoiser
from training.bench.machine import describe_machine
from training.bench.outcome import Group, Outcome, Row
from training.bench.targets import Finding
from training.config import Config
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.errors import ConfigError
from training.evaluation.cases import Plan
from training.evaluation.run import evaluate_run
from training.evaluation.work import EvaluationProgress
from training.fit.run import train_run
from training.machine import peak_memory_mib
from training.records import AnnotatedSlice
from training.segmenters.experts import require_samples

# The validation split of LIDC-IDRI, which the target is about.
SLICES = 2827
# Phantoms that differ: more take longer to make than to evaluate.
DISTINCT = 512
_TRAINED_ON = 64
_RELATIVE_AREA = 0.5


def bench_evaluation(
    config: Config,
    device: torch.device,
    *,
    data: Path | None = None,
    slices: int = SLICES,
    samples: int = 16,
    training_steps: int = 1500,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Train a network for a moment, so that its masks are masks, and evaluate it.

    Parameters
    ----------
    config : of the network, its training and its sampling
    device : where
    data : a file of annotated slices whose val split is evaluated; None makes phantoms
    slices : how many of them at most
    samples : masks of each slice
    training_steps : before it
    tick : told each stage

    Raises
    ------
    ConfigError
        On numbers that are not possible.
    DataFormatError
        If the file cannot be read, or has no val split.
    """
    require_samples(samples)
    if slices < 1 or training_steps < 1:
        raise ConfigError(f"at least 1 slice and 1 step are needed, got {slices} and {training_steps}")
    machine = describe_machine(device)
    with tempfile.TemporaryDirectory(prefix="ambiseg-") as name:
        folder = Path(name)
        own = folder / "phantoms.hdf5"
        splits = {"train": _phantoms("train", 0, _TRAINED_ON, config.image_size)}
        if data is None:
            splits["val"] = _phantoms("val", _TRAINED_ON, slices, config.image_size)
        write_dataset(own, splits, {}, image_type="uint8")
        tick("data")
        began = perf_counter()
        run = train_run(_short(config, training_steps), [own], folder / "run", str(device))
        deque(run, maxlen=0)
        trained = perf_counter() - began
        tick("training")
        evaluated = data or own
        with open_dataset(evaluated) as dataset:
            count = min(slices, len(dataset.split("val")))
        began = perf_counter()
        cost = _cost(
            evaluate_run(
                str(folder / "run"),
                evaluated,
                folder / "scores.json",
                plan=Plan((samples,), (_RELATIVE_AREA,)),
                device=str(device),
                cases=count,
            )
        )
        whole = perf_counter() - began
        tick("evaluation")
    drawing, scoring = float(cost["seconds_drawing"]), float(cost["seconds_scoring"])
    rows = [
        Row("evaluation", (whole,), {"slices/s": count / whole}),
        Row("of it drawing", (drawing,), {"slices/s": count / drawing}),
        Row("of it scoring", (scoring,), {"slices/s": count / scoring}),
        Row("training before it", (trained,), {}),
    ]
    operations = sampling_operations(fresh_denoiser(config).to(device), config.image_size, samples)
    limit = count * config.sampling.steps * speeds_of(device).counted_limit(operations)
    as_promised = device.type == "cuda" and (count, samples, config.sampling.steps, config.image_size) == (
        SLICES,
        16,
        10,
        128,
    )
    return Outcome(
        title="Evaluation",
        settings={
            "network": f"{config.preset}, trained for {training_steps} steps",
            "data": "phantoms" if data is None else data.name,
            "slices": count,
            "masks": samples,
            "steps": config.sampling.steps,
            "pixels": f"{config.image_size} x {config.image_size}",
        },
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=(Group(f"{count:,} slices x {samples} masks, raw and post-processed", tuple(rows), ()),),
        findings=(
            Finding("evaluation", whole, judged=as_promised, counted_limit=limit),
            Finding("scoring", 100 * (whole / drawing - 1), judged=as_promised),
        ),
    )


def _phantoms(split: str, first: int, count: int, size: int) -> Iterator[AnnotatedSlice]:
    """So many slices of as many patients; after `DISTINCT` they come again under other names."""
    made = [phantom_case(first + index, 0, size).slice for index in range(min(count, DISTINCT))]
    for index in range(count):
        name = f"{split}-{index}"
        yield replace(made[index % len(made)], key=name, patient=name)


def _short(config: Config, steps: int) -> Config:
    changes = {
        "steps": steps,
        "warmup_steps": min(config.fit.warmup_steps, steps // 10),
        "decay_steps": steps // 3,
        "checkpoint_every": steps,
        "validate_every": 0,
        "learning_rate": 1e-3,
    }
    return config.model_copy(update={"fit": config.fit.model_copy(update=changes)})


def _cost(run: Generator[EvaluationProgress, None, Any]) -> dict[str, Any]:
    """What a finished evaluation took."""
    *_, last = run
    if last.cost is None:
        raise ConfigError("the evaluation did not come to its end")
    return last.cost
