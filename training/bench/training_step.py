"""Training steps: our engine beside a plain loop of the same network, and that loop with the peers' networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from training.bench.counted_limit import Speeds, bytes_per_second, training_operations
from training.bench.entrants import OURS, PLAIN, Entrant, compete, entrants_asked_for
from training.bench.fresh import fresh_denoiser
from training.bench.machine import describe_machine
from training.bench.outcome import Gate, Group, Outcome
from training.bench.rounds import require_rounds
from training.bench.targets import Finding
from training.bench.trainers import COMPARED, LOSS_ERROR, Training
from training.build import build_objective
from training.config import AugmentConfig, Config, NetworkConfig
from training.errors import ConfigError
from training.machine import peak_memory_mib
from training.precision import Precision

# How far the losses of the first steps may be from the plain loop's.
LOSS_LIMITS: Mapping[Precision, float] = {"fp32": 1e-4, "bf16": 2e-2}

# Timed together where nobody says how many, by the kind of device: a GPU's host works in advance.
STEPS_TOGETHER: Mapping[str, int] = {"cpu": 1, "cuda": 50}

SLICES = 64
MAX_STEPS = 1000
_ENDLESS = 10**9


def bench_training(
    config: Config,
    device: torch.device,
    *,
    steps: int | None = None,
    rounds: int = 5,
    only: Sequence[str] = (),
    peak_tflops: float | None = None,
    slices: int = SLICES,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Time training steps on phantoms, batches included, and compare the first losses with the plain loop's.

    Augmentation, moving averages, self-conditioning and image dropout are left out, as the plain loop has none.

    Parameters
    ----------
    config : what to train
    device : where
    steps : that are timed together; None takes `STEPS_TOGETHER`
    rounds : how often each contender runs
    only : of `training.bench.entrants.ENTRANTS`; none is all that can run here
    peak_tflops : of the device in bfloat16, for the share of it
    slices : to train on
    tick : told the name of each contender when it has run

    Raises
    ------
    ConfigError
        On an unknown contender, one that cannot run here, or numbers that are not possible.
    """
    require_rounds(rounds)
    steps = STEPS_TOGETHER[device.type] if steps is None else steps
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"at least 1 step and at most {MAX_STEPS} can be timed together, got {steps}")
    config = _without_extras(config)
    asked, notes = entrants_asked_for(only, config)
    machine = describe_machine(device)
    training = Training(config, fresh_denoiser(config), steps, device, slices)
    entrants = [*_entrants(training, asked)]
    batch = config.fit.batch_size
    title = f"{steps} training step{'s' * (steps != 1)} of {batch} slices"
    groups = compete(title, entrants, training.images, rounds, device, peak_tflops, tick)
    return Outcome(
        title="Training",
        settings={
            "network": config.preset,
            "batch": batch,
            "steps timed together": steps,
            "pixels": f"{config.image_size} x {config.image_size}",
            "augmentation": "none",
        },
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=groups,
        gates=tuple(
            Gate(
                f"{entrant.name}: {LOSS_ERROR} in {COMPARED} steps",
                float(str(entrant.facts[LOSS_ERROR])),
                LOSS_LIMITS[entrant.precision],
            )
            for entrant in entrants
            if entrant.name.startswith(OURS)
        ),
        notes=notes,
        findings=_findings(groups, config, steps, device),
    )


def _findings(groups: tuple[Group, Group], config: Config, steps: int, device: torch.device) -> tuple[Finding, ...]:
    """What was promised of our own step."""
    own = [row for row in groups[0].rows if row.name == f"{OURS}-bf16"]
    if not own:
        return ()
    flop = 1e9 * float(str(groups[1].row("product-bf16").facts["GFLOP/s"]))
    denoiser, batch = fresh_denoiser(config).to(device), config.fit.batch_size
    operations = training_operations(denoiser, build_objective(config), config.image_size, batch)
    limit = Speeds(flop, bytes_per_second(device)).counted_limit(operations)
    judged = device.type == "cuda" and config.network == NetworkConfig() and (config.image_size, batch) == (128, 8)
    return (Finding("training-step", 1e3 * own[0].median / steps, judged, 1e3 * limit),)


def _without_extras(config: Config) -> Config:
    extras = {"augment": AugmentConfig(), "ema_decay": 0.0}
    # "fast", as the plain loop leaves torch's switches alone; and no end, however many rounds there are.
    fit = config.fit.model_copy(update=extras | {"determinism": "fast", "steps": _ENDLESS})
    diffusion = config.diffusion.model_copy(update={"self_conditioning": False, "image_dropout": 0.0})
    return config.model_copy(update={"fit": fit, "diffusion": diffusion})


def _entrants(training: Training, asked: Mapping[str, Sequence[Precision]]) -> Iterator[Entrant]:
    for owner, precisions in asked.items():
        if owner == OURS:
            yield from map(training.own_entrant, precisions)
        elif owner == PLAIN:
            yield training.plain_entrant()
        else:
            yield from (training.peer_entrant(owner, precision) for precision in precisions)
