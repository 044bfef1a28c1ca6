"""At which times the network is called: grids of reverse steps.

Each is n + 1 times that fall from 1 to 0; the network is called at all but the last.  The names are the field's where
it has them (``docs/adr/018-samplers-are-rows-of-numbers.md``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.config import GridName
from training.diffusion.schedule import Schedule
from training.errors import ConfigError

MAX_STEPS = 100_000  # far beyond use; a slip of the finger should not take the memory

# Where masks are decided, in log SNR.  Below LOW the state says next to nothing: a mask of 100 pixels differs from the
# empty one by 2 sqrt(100 SNR) = 0.6 standard deviations.  Above HIGH it says all: the sign of x_t is that of x0 but for
# Phi(-sqrt SNR) = 4 pixels of a million.
LOW, HIGH = -7.0, 3.0


def grid_times(grid: GridName, n_steps: int, schedule: Schedule) -> Tensor:
    """Times of a grid: (n_steps + 1,) float64, falling strictly from 1 to 0.

    Parameters
    ----------
    grid : "trailing" is the paper's, 1, 1 - 1/n, ..., 1/n, 0 (Lin et al. 2024's word); "uniform" calls at n times
        evenly from 1 down to where log SNR is `HIGH`, both included; "log-snr" calls at 1 and then at the middles of
        n - 1 equal parts of the log SNRs from `LOW` to `HIGH`
    n_steps : n
    schedule : its clamp is minded too: where a grid would put two calls at one clamped log SNR, all but the first are
        spread over the times that the clamp leaves alone

    Raises
    ------
    ConfigError
        If there is no step at all, or more than `MAX_STEPS`.
    """
    if not 1 <= n_steps <= MAX_STEPS:
        raise ConfigError(f"sampling needs at least 1 step and at most {MAX_STEPS}, got {n_steps}")
    limit = schedule.log_snr_limit
    high = min(HIGH, limit)
    share = torch.arange(n_steps - 1, 0, -1, dtype=torch.float64)  # of the calls after the first: n - 1, ..., 1
    if grid == "log-snr":
        low = max(LOW, -limit)
        calls = schedule.time(high - (high - low) * (share - 0.5) / max(n_steps - 1, 1))
    elif grid == "uniform":
        calls = _between(_time(schedule, high), 1.0, (share - 1) / max(n_steps - 1, 1), schedule)
    else:
        calls = _between(0.0, 1.0, share / n_steps, schedule)
    return torch.cat([torch.ones(1, dtype=torch.float64), calls, torch.zeros(1, dtype=torch.float64)])


def _between(clean: float, noisy: float, share: Tensor, schedule: Schedule) -> Tensor:
    """Times at these shares of the way from ``clean`` to ``noisy``, both moved inside the clamp if a time is not."""
    limit = schedule.log_snr_limit
    times = clean + (noisy - clean) * share
    if bool((schedule.log_snr(times).abs() >= limit).any()):
        clean, noisy = max(clean, _time(schedule, limit)), min(noisy, _time(schedule, -limit))
        times = clean + (noisy - clean) * share
    return times


def _time(schedule: Schedule, log_snr: float) -> float:
    return float(schedule.time(torch.tensor(log_snr)))
