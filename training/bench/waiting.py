"""Whether a training ever waits for its batches: steps that make them beside steps on one that is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import torch

from training.bench.device_profile import profiled
from training.bench.fresh import fresh_denoiser
from training.bench.machine import describe_machine
from training.bench.outcome import Fact, Group, Outcome, Row
from training.bench.phantoms import phantom_arrays
from training.bench.rounds import Contender, interleave, require_rounds
from training.bench.targets import Finding
from training.build import build_objective
from training.config import Config
from training.errors import ConfigError
from training.fit.batches import Batches
from training.fit.graph import WARM_UP
from training.fit.numerics import numerics
from training.fit.step import TrainingStep
from training.machine import peak_memory_mib
from training.processes import Processes

_ENDLESS = 10**9


def bench_waiting(
    config: Config,
    device: torch.device,
    *,
    steps: int = 200,
    rounds: int = 5,
    slices: int = 64,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Time steps as a training takes them, augmentation included, beside the same steps on one batch.

    Parameters
    ----------
    config : what to train, as users do
    device : where
    steps : that are timed together
    rounds : how often
    slices : phantoms to train on
    tick : told what was timed

    Raises
    ------
    ConfigError
        On numbers that are not possible.
    """
    require_rounds(rounds)
    if steps < 1:
        raise ConfigError(f"at least 1 step must be timed, got {steps}")
    machine = describe_machine(device)
    steady = _Steady(config, device, steps, slices)
    contenders = [Contender("with its batches", steady.with_batches), Contender("one batch", steady.on_one_batch)]
    with numerics(steady.config.fit):
        for contender in contenders:
            contender.call()
        seconds = interleave(contenders, rounds, device, tick)
        seen = {contender.name: profiled(contender.call, device) for contender in contenders}
    idle: dict[str, Fact] = {name: one.idle_percent for name, one in seen.items()}
    rows = tuple(
        Row(name, times, {"ms/step": 1e3 * min(times) / steps, "% idle, under the profiler": idle[name]})
        for name, times in seconds.items()
    )
    added = np.median(np.array(seconds["with its batches"]) / np.array(seconds["one batch"])) - 1
    return Outcome(
        title="What a training waits for",
        settings={
            "network": config.preset,
            "pixels": f"{config.image_size} x {config.image_size}",
            "batch": config.fit.batch_size,
            "steps timed together": steps,
        },
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=(
            Group(f"{steps} training steps", rows, ()),
            Group("Where the time goes, with its batches", seen["with its batches"].rows(), ()),
        ),
        findings=(Finding("waiting", 100 * float(added), judged=device.type == "cuda"),),
    )


class _Steady:
    """A training under way, past its capture; arguments as of `bench_waiting`."""

    def __init__(self, config: Config, device: torch.device, steps: int, slices: int) -> None:
        fit = config.fit.model_copy(update={"steps": _ENDLESS, "determinism": "fast"})
        self.config = config.model_copy(update={"fit": fit})
        self._batches = Batches([phantom_arrays(slices, config.image_size)], self.config, device)
        self._step = TrainingStep(
            fresh_denoiser(self.config), build_objective(self.config), fit, Processes(device=device)
        )
        self._steps, self._next = steps, 0
        with numerics(fit):
            for _ in range(WARM_UP + 1):
                self._step(self._next, self._batches.at(self._next))
                self._next += 1
        self._one = self._batches.at(self._next)

    def with_batches(self) -> None:
        """Steps on batches that are made meanwhile."""
        numbers = range(self._next, self._next + self._steps)
        with closing(self._batches.ahead(numbers)) as batches:
            for number, batch in zip(numbers, batches, strict=True):
                self._step(number, batch)
        self._next += self._steps

    def on_one_batch(self) -> None:
        """The same steps on a batch that is there."""
        for number in range(self._next, self._next + self._steps):
            self._step(number, self._one)
        self._next += self._steps
