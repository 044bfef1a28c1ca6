"""The reverse diffusion, written once: a lazy loop that yields every state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from training.diffusion.samplers import Sampler
from training.diffusion.schedule import CosineSchedule
from training.errors import ConfigError

MAX_STEPS = 100_000  # far beyond use; a slip of the finger should not take the memory


@dataclass(frozen=True, eq=False)
class WalkStep:
    """A state of the walk: time (float64, no dimensions), noisy masks and the clean masks predicted from them."""

    t: Tensor
    x_t: Tensor
    x0_hat: Tensor


def uniform_times(n_steps: int) -> Tensor:
    """The paper's grid 1, 1 - 1/n, ..., 1/n, 0: (n + 1,) float64.  The network is called at all but the last.

    Raises
    ------
    ConfigError
        If there is no step at all, or more than `MAX_STEPS`.
    """
    if not 1 <= n_steps <= MAX_STEPS:
        raise ConfigError(f"sampling needs at least 1 step and at most {MAX_STEPS}, got {n_steps}")
    return torch.arange(n_steps, -1, -1, dtype=torch.float64) / n_steps


@torch.no_grad()
def walk(
    denoise: Callable[[Tensor, Tensor], Tensor],
    sampler: Sampler,
    schedule: CosineSchedule,
    times: Tensor,
    noise: Callable[[int], Tensor],
) -> Iterator[WalkStep]:
    """Walk from noise to masks.  To stop early, do not ask for the next state.

    Parameters
    ----------
    denoise : (x_t, t) -> x0_hat
    sampler, schedule : how to take a step
    times : (T + 1,) float64, falling, from 1 to 0
    noise : index of the step -> standard normal field; index 0 is the start, index i the i-th step's fresh noise

    Yields
    ------
    T states with the network's prediction at ``times[:-1]``, then the drawn masks at time 0.  The step to time 0
    returns the prediction itself, without fresh noise: what remains of it there is only the clamp of the schedule.
    """
    x = noise(0)
    for index, (t, s) in enumerate(pairwise(times), start=1):
        x0_hat = denoise(x, t)
        yield WalkStep(t, x, x0_hat)
        if s == 0:
            x = x0_hat
        else:
            x = sampler.step(schedule, x, x0_hat, t, s, noise(index) if sampler.is_stochastic else None)
    yield WalkStep(times[-1], x, x)
