"""Training on a GPU beside training on the CPU: the same batches, and how far the losses come apart.

Two computations that round differently drift apart, however right both are.  How fast is measured on the CPU itself:
it trains twice, the second time from weights that one rounding has moved.  Each step of another device rounds about as
much anew.  Such moves are independent, so they add up as the root of their number; and the largest of some means may be
three standard deviations off.  So float32 is allowed 3 sqrt(steps) times the CPU's own drift.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from training.bench.fresh import fresh_denoiser
from training.bench.machine import describe_machine
from training.bench.outcome import Group, Outcome, Row
from training.bench.phantoms import phantom_arrays
from training.bench.targets import Finding
from training.build import build_objective
from training.config import Config
from training.data.dataset import SliceArrays
from training.diffusion.denoiser import Denoiser
from training.errors import ConfigError
from training.fit.batches import Batches
from training.fit.numerics import numerics
from training.fit.step import TrainingStep
from training.machine import peak_memory_mib
from training.processes import Processes

CPU = torch.device("cpu")
# Losses are compared as means of so many steps: a single one depends on a few times that were drawn.
WINDOW = 20
# Float32 is allowed no less and no more than this share of the loss, whatever the CPU's own drift is.
LEAST, MOST = 1e-4, 2e-2
DRIFT = "difference from the CPU's, %"

Losses = NDArray[np.float64]


def bench_losses(
    config: Config,
    device: torch.device,
    *,
    steps: int = 200,
    slices: int = 64,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Train the same model twice on the CPU and twice on the device, and compare the losses.

    Parameters
    ----------
    config : what to train; precision and determinism are set here
    device : what is compared with the CPU
    steps : of training, a multiple of `WINDOW`
    slices : phantoms to train on
    tick : told the name of each run when it is done

    Raises
    ------
    ConfigError
        If the steps are no multiple of `WINDOW`.
    """
    if steps < WINDOW or steps % WINDOW:
        raise ConfigError(f"losses are compared as means of {WINDOW} steps, got {steps}; take a multiple of it")
    machine = describe_machine(device)
    pictures = phantom_arrays(slices, config.image_size)
    exact, fast = _set(config, "portable", "fp32"), _set(config, "fast", "auto")
    runs: dict[str, tuple[Config, torch.device, bool]] = {
        "cpu": (exact, CPU, False),
        "cpu-one-rounding": (exact, CPU, True),
        "device": (exact, device, False),
        "device-as-users-train": (fast, device, False),
    }
    losses, seconds = {}, {}
    for name, (chosen, where, moved) in runs.items():
        began = perf_counter()
        losses[name] = _train(chosen, pictures, where, steps, moved=moved)
        seconds[name] = perf_counter() - began
        tick(name)
    drift = {name: difference(curve, losses["cpu"]) for name, curve in losses.items()}
    allowed = min(max(3 * math.sqrt(steps) * drift["cpu-one-rounding"], LEAST), MOST)
    rows = tuple(
        Row(name, (seconds[name],), {DRIFT: 100 * drift[name], "loss at the end": float(losses[name][-WINDOW:].mean())})
        for name in runs
    )
    return Outcome(
        title="The same training",
        settings={
            "network": config.preset,
            "pixels": f"{config.image_size} x {config.image_size}",
            "batch": config.fit.batch_size,
            "steps": steps,
            "allowed in float32, %": 100 * allowed,
        },
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=(Group(f"{steps} steps", rows, ()),),
        notes=(f"allowed are 3 sqrt({steps}) times what one rounding makes on the CPU, but {LEAST:.2%} to {MOST:.2%}",),
        findings=(
            Finding("losses-fp32", drift["device"] / allowed),
            Finding("losses-bf16", 100 * drift["device-as-users-train"]),
        ),
    )


def difference(curve: Losses, reference: Losses) -> float:
    """The largest relative difference of the means of `WINDOW` steps; infinite where a loss is not finite."""
    means, expected = (one.reshape(-1, WINDOW).mean(axis=1) for one in (curve, reference))
    share = np.abs(means - expected) / np.abs(expected)
    return float(share.max()) if np.isfinite(share).all() else float("inf")


def _train(config: Config, pictures: SliceArrays, device: torch.device, steps: int, *, moved: bool) -> Losses:
    """The loss of each step, (T,)."""
    denoiser = fresh_denoiser(config)
    if moved:
        _round_once(denoiser)
    step = TrainingStep(denoiser, build_objective(config), config.fit, Processes(device=device))
    batches = Batches([pictures], config, device)
    losses = np.empty(steps)
    with numerics(config.fit):
        for number in range(steps):
            step.forget_loss()
            step(number, batches.at(number))
            losses[number] = float(step.counters["loss_sum"]) / max(float(step.counters["loss_steps"]), 1)
    return losses


@torch.no_grad()
def _round_once(denoiser: Denoiser) -> None:
    """Move each weight to the next number or the one before, as a rounding does."""
    made = torch.Generator().manual_seed(0)
    for parameter in denoiser.parameters():
        up = torch.rand(parameter.shape, generator=made) < 0.5
        parameter.copy_(torch.nextafter(parameter, torch.where(up, torch.inf, -torch.inf)))


def _set(config: Config, determinism: str, precision: str) -> Config:
    fit = config.fit.model_copy(update={"determinism": determinism, "precision": precision})
    return config.model_copy(update={"fit": fit})
