"""The reverse diffusion, written once: a lazy loop that yields every state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from training.diffusion.samplers import Sampler
from training.diffusion.schedule import Schedule

# (x_t, t, latest estimate of the clean masks or None) -> x0_hat
Denoise = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True, eq=False)
class WalkStep:
    """A state of the walk: time (float64, no dimensions), noisy masks and the clean masks predicted from them."""

    t: Tensor
    x_t: Tensor
    x0_hat: Tensor


@torch.no_grad()
def walk(
    denoise: Denoise,
    sampler: Sampler,
    schedule: Schedule,
    times: Tensor,
    noise: Callable[[int], Tensor],
) -> Iterator[WalkStep]:
    """Walk from noise to masks.  To stop early, do not ask for the next state.

    Parameters
    ----------
    denoise : (x_t, t, x0_before) -> x0_hat, where ``x0_before`` is the walk's newest prediction so far, for networks
        that are conditioned on it, and None at the first call
    sampler, schedule : how to take a step
    times : (T + 1,) float64, falling, from 1 to 0; see `training.diffusion.grids`
    noise : index of the step -> standard normal field; index 0 is the start, index i the i-th step's fresh noise

    Yields
    ------
    T states with the network's prediction at ``times[:-1]``, then the drawn masks at time 0.  The step to time 0
    returns the prediction itself, without fresh noise: what remains of it there is only the clamp of the schedule.
    """
    x = noise(0)
    newest: Tensor | None = None
    t_before: Tensor | None = None
    x0_before: Tensor | None = None
    for index, (t, s) in enumerate(pairwise(times), start=1):
        newest = x0_hat = denoise(x, t, newest)
        yield WalkStep(t, x, x0_hat)
        if s == 0:
            x = x0_hat
            break
        fresh = noise(index) if sampler.is_stochastic else None
        x_s = sampler.update(schedule, t, s, t_before)(x, x0_hat, x0_before, fresh)
        if correction := sampler.correction(schedule, t, s):
            newest = denoise(x_s, s, x0_hat)
            x_s = correction(x, x0_hat, newest, fresh)
        x, t_before, x0_before = x_s, t, x0_hat
    yield WalkStep(times[-1], x, x)
