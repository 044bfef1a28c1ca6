"""One reverse step ``t -> s`` of each sampler, given the predicted clean mask (Sec. 3.1).

Times are float64 tensors without dimensions, so that the coefficients are exact and scale masks of any shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from training.diffusion.schedule import CosineSchedule


class Sampler(Protocol):
    """A rule for one reverse step."""

    @property
    def is_stochastic(self) -> bool:
        """Whether `step` reads its noise."""

    def step(
        self,
        schedule: CosineSchedule,
        x_t: Tensor,
        x0_hat: Tensor,
        t: Tensor,
        s: Tensor,
        noise: Tensor | None,
    ) -> Tensor:
        """Go from time ``t`` to the cleaner time ``s < t``.

        Parameters
        ----------
        x_t, x0_hat : states and predicted clean masks, any one shape
        t, s : times, tensors without dimensions
        noise : standard normal, shaped as ``x_t``; None for a sampler that is not stochastic

        Returns
        -------
        x_s, shaped as ``x_t``
        """


def fresh_share(schedule: CosineSchedule, t: Tensor, s: Tensor) -> Tensor:
    """The paper's c = 1 - SNR(t) / SNR(s), in [0, 1]: the share of x_s that x_t does not determine."""
    return -torch.expm1(schedule.log_snr(t) - schedule.log_snr(s))


@dataclass(frozen=True)
class Ddpm:
    """Ancestral sampling from q(x_s | x_t, x0_hat) (Eq. 2).

    As printed, Eq. 2 has the wrong sign before x0 and c inverted, which makes the variance negative; this is
    the posterior that follows from Bayes' rule (``docs/adr/002-corrected-equations.md``).

    Parameters
    ----------
    variance : "small" is c sigma_s^2, the posterior's own (Eq. 2); "large" is c sigma_t^2, an upper bound that
        the authors' code uses
    """

    variance: Literal["small", "large"] = "small"

    is_stochastic = True

    def step(
        self,
        schedule: CosineSchedule,
        x_t: Tensor,
        x0_hat: Tensor,
        t: Tensor,
        s: Tensor,
        noise: Tensor | None,
    ) -> Tensor:
        assert noise is not None  # noqa: S101 -- the walk gives noise to every stochastic sampler
        c = fresh_share(schedule, t, s)
        # (1 - c) alpha_s / alpha_t without its 0 / 0 at t = 1
        carry = schedule.alpha(t) * schedule.sigma(s) ** 2 / (schedule.alpha(s) * schedule.sigma(t) ** 2)
        spread = schedule.sigma(s if self.variance == "small" else t)
        return carry * x_t + schedule.alpha(s) * c * x0_hat + c.sqrt() * spread * noise


@dataclass(frozen=True)
class Ddim:
    """Deterministic at eta = 0, ancestral (`Ddpm` with small variance) at eta = 1 (Song et al. 2021)."""

    eta: float = 0.0

    @property
    def is_stochastic(self) -> bool:
        return self.eta > 0

    def step(
        self,
        schedule: CosineSchedule,
        x_t: Tensor,
        x0_hat: Tensor,
        t: Tensor,
        s: Tensor,
        noise: Tensor | None,
    ) -> Tensor:
        # From the clipped x0_hat, so that the noise and the mask belong to the same x_t.
        eps_hat = (x_t - schedule.alpha(t) * x0_hat) / schedule.sigma(t)
        if not self.is_stochastic:
            return schedule.alpha(s) * x0_hat + schedule.sigma(s) * eps_hat
        assert noise is not None  # noqa: S101 -- the walk gives noise to every stochastic sampler
        fresh = self.eta * fresh_share(schedule, t, s).sqrt() * schedule.sigma(s)
        kept = (schedule.sigma(s) ** 2 - fresh**2).sqrt()
        return schedule.alpha(s) * x0_hat + kept * eps_hat + fresh * noise
