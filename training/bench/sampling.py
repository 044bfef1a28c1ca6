"""Drawing masks: our segmenter beside the plain loop on the same network, MONAI and diffusers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from training.bench.accuracy import flip_limit
from training.bench.counted_limit import Speeds, bytes_per_second, sampling_operations
from training.bench.drawers import FLIPS, Task
from training.bench.entrants import OURS, PLAIN, Entrant, compete, entrants_asked_for
from training.bench.fresh import fresh_denoiser
from training.bench.machine import describe_machine
from training.bench.outcome import Gate, Group, Outcome
from training.bench.rounds import require_rounds
from training.bench.targets import Finding
from training.build import ModelCache
from training.config import Config, NetworkConfig
from training.data.phantom import phantom_case
from training.machine import peak_memory_mib
from training.precision import Precision
from training.segmenters.experts import require_samples

# Slices on which the masks of a trained model are compared.
TRAINED_CASES = 4
# From so many masks on, the device is full.
_MANY = 256
_ABOUT_RANDOM = ("random weights leave many pixels near 0, where bfloat16 flips them: it is judged on a trained model",)


def bench_sampling(
    config: Config,
    device: torch.device,
    *,
    model: str | None = None,
    trained: str | None = "demo",
    samples: int = 16,
    steps: int = 10,
    rounds: int = 5,
    only: Sequence[str] = (),
    peak_tflops: float | None = None,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Time the masks of one slice, and compare them with the plain loop's in float32.

    Parameters
    ----------
    config : of the network; the slice is a phantom of its image size
    device : where
    model : a trained model of that configuration; None gives the network random weights
    trained : another model, whose masks are compared but not timed: random weights leave many pixels near 0
    samples, steps : masks, and network calls for each
    rounds : how often each contender runs
    only : of `training.bench.entrants.ENTRANTS`; none is all that can run here
    peak_tflops : of the device in bfloat16, for the share of it
    tick : told the name of each contender when it has run

    Raises
    ------
    ConfigError
        On an unknown contender, one that cannot run here, or numbers that are not possible.
    CheckpointError
        If there is no such model.
    """
    require_rounds(rounds)
    require_samples(samples)
    asked, notes = entrants_asked_for(only, config)
    machine = describe_machine(device)  # now, since the load is to be that of others
    denoiser = fresh_denoiser(config) if model is None else ModelCache().load(model, torch.device("cpu"))[0]
    task = Task(denoiser, phantom_case(0, 0, config.image_size).slice.image, samples, steps, device)
    entrants = [*_entrants(task, config, asked)]
    groups = compete(f"{samples} masks of one slice", entrants, samples * steps, rounds, device, peak_tflops, tick)
    gates = [
        *_gates(entrants, model, samples * config.image_size**2),
        *(_trained_gates(trained, asked.get(OURS, ()), samples, steps, device) if trained not in (None, model) else ()),
    ]
    return Outcome(
        title="Drawing masks",
        settings={
            "network": model or f"{config.preset} with random weights",
            "masks": samples,
            "steps": steps,
            "sampler": "ddim",
            "pixels": f"{config.image_size} x {config.image_size}",
        },
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=groups,
        gates=tuple(gates),
        notes=(*notes, *(_ABOUT_RANDOM if model is None else ())),
        findings=_findings(groups, task, config),
    )


def _findings(groups: tuple[Group, Group], task: Task, config: Config) -> tuple[Finding, ...]:
    """What was promised of our own drawing: its time for few masks, its share of the counted limit for many."""
    own = [row for row in groups[0].rows if row.name == f"{OURS}-bf16"]
    if not own:
        return ()
    flop = 1e9 * float(str(groups[1].row("product-bf16").facts["GFLOP/s"]))
    operations = sampling_operations(task.denoiser, config.image_size, task.samples)
    limit = task.steps * Speeds(flop, bytes_per_second(task.device)).counted_limit(operations)
    is_papers = task.device.type == "cuda" and config.network == NetworkConfig() and config.image_size == 128
    if task.samples < _MANY:
        judged = is_papers and (task.samples, task.steps) == (16, 10)
        return (Finding("sampling-16", 1e3 * own[0].median, judged, 1e3 * limit),)
    return (Finding("sampling-256", 100 * limit / own[0].median, is_papers and task.steps == 10),)


def _entrants(task: Task, config: Config, asked: Mapping[str, Sequence[Precision]]) -> Iterator[Entrant]:
    for owner, precisions in asked.items():
        if owner == OURS:
            yield from map(task.own_entrant, precisions)
        elif owner == PLAIN:
            yield task.plain_entrant()
        else:
            yield from task.peer_entrants(owner, config, precisions)


def _gates(entrants: Sequence[Entrant], model: str | None, pixels: int) -> Iterator[Gate]:
    """Random weights answer nothing clearly: how many pixels then lie so near to 0 says nothing about bfloat16."""
    for entrant in entrants:
        if entrant.name.startswith(OURS) and (model is not None or entrant.precision == "fp32"):
            flips = float(str(entrant.facts[FLIPS]))
            name = f"{entrant.name}, {model or 'random weights'}: {FLIPS}"
            yield Gate(name, flips, flip_limit(entrant.precision, pixels))


def _trained_gates(
    model: str, precisions: Sequence[Precision], samples: int, steps: int, device: torch.device
) -> Iterator[Gate]:
    """The same of a trained model, over some slices."""
    denoiser, card = ModelCache().load(model, torch.device("cpu"))
    pictures = [phantom_case(index, 0, card.image_size).slice.image for index in range(TRAINED_CASES)]
    tasks = [Task(denoiser, picture, samples, steps, device) for picture in pictures]
    for precision in precisions:
        costs = [task.own_cost(task.segmenter(precision)) for task in tasks]
        flips, pixels = sum(cost.flips_per_million for cost in costs), sum(cost.pixels for cost in costs)
        name = f"{OURS}-{precision}, {model} on {len(tasks)} slices: {FLIPS}"
        yield Gate(name, flips / len(costs), flip_limit(precision, pixels))
