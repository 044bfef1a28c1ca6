"""The rule of one reverse step ``t -> s`` of each sampler, as a row of numbers (Sec. 3.1).

Given the predicted clean mask, every rule is linear in what it reads, so it is the few weights of an `Update`.  They
are computed in float64, once per step, and nothing else has to know which sampler is in use
(``docs/adr/018-samplers-are-rows-of-numbers.md``).

All deterministic rules integrate the probability flow in its data-prediction form: with k = alpha / sigma,

    d(x / sigma) = x0_hat dk,    so    x_s = sigma_s (x_t / sigma_t + integral of x0_hat dk from k_t to k_s),

and differ in what they take for x0_hat between the two times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from training.diffusion.schedule import Schedule


@dataclass(frozen=True)
class Update:
    """The weights of x_s = x x_t + x0 x0_hat + other x0_other + noise eps.

    Parameters
    ----------
    x : of the state at ``t``
    x0 : of the clean mask predicted from it
    other : of another predicted clean mask: of the state before, or, in a correction, of the state that it corrects
    noise : of fresh standard normal noise
    """

    x: float
    x0: float
    other: float = 0.0
    noise: float = 0.0

    def __call__(
        self, x_t: Tensor, x0_hat: Tensor, x0_other: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """x_s, shaped as ``x_t``; what has weight 0 is not read and may be None."""
        x_s = self.x * x_t + self.x0 * x0_hat
        if self.other:
            assert x0_other is not None  # noqa: S101 -- the walk remembers it
            x_s = x_s + self.other * x0_other
        if self.noise:
            assert noise is not None  # noqa: S101 -- the walk gives noise to every stochastic sampler
            x_s = x_s + self.noise * noise
        return x_s


class Sampler(ABC):
    """A rule for reverse steps.  Times are float64 tensors without dimensions, 1 >= t > s > 0."""

    @property
    def is_stochastic(self) -> bool:
        """Whether a step adds fresh noise."""
        return False

    @abstractmethod
    def update(self, schedule: Schedule, t: Tensor, s: Tensor, before: Tensor | None) -> Update:
        """Weights of the step from ``t`` to the cleaner ``s``.

        Parameters
        ----------
        schedule : of the noise
        t, s : times
        before : time of the state before that at ``t``; None at the first step
        """

    def correction(self, schedule: Schedule, t: Tensor, s: Tensor) -> Update | None:
        """Weights of the same step once the network was called at its end too; None for a rule that does not.

        `Update.other` is then the weight of the clean mask predicted there.
        """
        return None

    def calls(self, n_steps: int) -> int:
        """Network calls of a walk of ``n_steps``."""
        return n_steps


def fresh_share(schedule: Schedule, t: Tensor, s: Tensor) -> Tensor:
    """The paper's c = 1 - SNR(t) / SNR(s), in [0, 1]: the share of x_s that x_t does not determine."""
    return -torch.expm1(schedule.log_snr(t) - schedule.log_snr(s))


@dataclass(frozen=True)
class Ddpm(Sampler):
    """Ancestral sampling from q(x_s | x_t, x0_hat) (Eq. 2).

    As printed, Eq. 2 has the wrong sign before x0 and c inverted, which makes the variance negative; this is
    the posterior that follows from Bayes' rule (``docs/adr/002-corrected-equations.md``).

    Parameters
    ----------
    variance : "small" is c sigma_s^2, the posterior's own (Eq. 2); "large" is c sigma_t^2, an upper bound that
        the authors' code uses
    """

    variance: Literal["small", "large"] = "small"

    @property
    def is_stochastic(self) -> bool:
        return True

    def update(self, schedule: Schedule, t: Tensor, s: Tensor, before: Tensor | None) -> Update:
        c = fresh_share(schedule, t, s)
        alpha_s, sigma_s, sigma_t = schedule.alpha(s), schedule.sigma(s), schedule.sigma(t)
        return Update(
            # (1 - c) alpha_s / alpha_t without its 0 / 0 at t = 1
            x=float(schedule.alpha(t) * sigma_s**2 / (alpha_s * sigma_t**2)),
            x0=float(alpha_s * c),
            noise=float(c.sqrt() * (sigma_s if self.variance == "small" else sigma_t)),
        )


@dataclass(frozen=True)
class Ddim(Sampler):
    """Song et al. 2021: deterministic at eta = 0, ancestral (`Ddpm` with small variance) at eta = 1.

    The noise in x_t is taken from the clipped x0_hat, so that both belong to the same x_t.
    """

    eta: float = 0.0

    @property
    def is_stochastic(self) -> bool:
        return self.eta > 0

    def update(self, schedule: Schedule, t: Tensor, s: Tensor, before: Tensor | None) -> Update:
        sigma_s = schedule.sigma(s)
        fresh = self.eta * fresh_share(schedule, t, s).sqrt() * sigma_s
        kept = (sigma_s**2 - fresh**2).sqrt() / schedule.sigma(t)
        return Update(x=float(kept), x0=float(schedule.alpha(s) - kept * schedule.alpha(t)), noise=float(fresh))


@dataclass(frozen=True)
class DpmSolverPP2M(Sampler):
    """DPM-Solver++(2M) (Lu et al. 2022): x0_hat on the line through the last two, in log SNR; one call a step.

    The first step has no second point and is that of `Ddim`.
    """

    def update(self, schedule: Schedule, t: Tensor, s: Tensor, before: Tensor | None) -> Update:
        first_order = Ddim().update(schedule, t, s, before)
        if before is None:
            return first_order
        log_snr_t = schedule.log_snr(t)
        # 1 / (2 r) of the paper, whose half log SNR cancels in the ratio of two steps
        beyond = float((schedule.log_snr(s) - log_snr_t) / (2 * (log_snr_t - schedule.log_snr(before))))
        return Update(x=first_order.x, x0=(1 + beyond) * first_order.x0, other=-beyond * first_order.x0)


@dataclass(frozen=True)
class Heun(Sampler):
    """The trapezoid rule: a step of `Ddim`, then once more with the mean of the masks predicted at both ends.

    In d(x / sigma) = x0_hat d(alpha / sigma), and not in d(x / alpha) = eps_hat d(sigma / alpha) as Karras et al. 2022
    do.  Both are of second order, but there the mask predicted at s enters with (k_s / k_t - 1) alpha_s / 2:
    174 alpha_s in the paper's first step, from log SNR -20 to -8.3, against less than alpha_s / 2 here.
    """

    def update(self, schedule: Schedule, t: Tensor, s: Tensor, before: Tensor | None) -> Update:
        return Ddim().update(schedule, t, s, before)

    def correction(self, schedule: Schedule, t: Tensor, s: Tensor) -> Update:
        step = Ddim().update(schedule, t, s, None)
        return Update(x=step.x, x0=step.x0 / 2, other=step.x0 / 2)

    def calls(self, n_steps: int) -> int:
        return 2 * n_steps - 1
