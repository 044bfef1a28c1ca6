"""How the noise grows: signal ``alpha`` and noise ``sigma`` as functions of time (Sec. 3.1).

``x_t = alpha(t) x0 + sigma(t) eps`` with ``alpha^2 + sigma^2 = 1``; ``t = 0`` is data, ``t = 1`` is noise.
Everything follows from the logarithm of the signal-to-noise ratio ``SNR = alpha^2 / sigma^2``.  It is computed
in float64 from its closed form and cast last: ``1 - alpha^2`` in float32 is 1 % off at ``t = 1e-4``.

Input scaling is a shift of log SNR by ``2 ln b`` (Eqs. 6-7), so any schedule can be shifted; the shifted cosine of
Hoogeboom et al. 2023 (*simple diffusion*) for images of side d is ``b = 64 / d``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

# -d(log SNR)/dt is infinite at both ends of time; it is taken this far inside.
_MARGIN = 1e-4


@dataclass(frozen=True)
class Schedule(ABC):
    """A noise schedule; all results are float64 and of the argument's shape.

    Parameters
    ----------
    input_scale : b; smaller is noisier at the same t; x0 itself stays in [-1, 1]
    log_snr_limit : log SNR is clamped to plus and minus this, so that both ends stay finite
    """

    input_scale: float = 1.0
    log_snr_limit: float = 20.0

    @abstractmethod
    def _unscaled(self, t: Tensor) -> Tensor:
        """Log SNR at b = 1 of float64 times in [0, 1], falling from +inf to -inf."""

    @abstractmethod
    def _time_of_unscaled(self, log_snr: Tensor) -> Tensor:
        """The inverse of `_unscaled`."""

    @abstractmethod
    def _slope(self, t: Tensor) -> Tensor:
        """-d(log SNR)/dt inside (0, 1); a shift leaves it as it is."""

    def log_snr(self, t: Tensor) -> Tensor:
        """ln SNR, clamped."""
        shifted = self._unscaled(t.double()) + 2 * math.log(self.input_scale)
        return shifted.clamp(-self.log_snr_limit, self.log_snr_limit)

    def alpha(self, t: Tensor) -> Tensor:
        """Weight of the signal, ``sqrt(sigmoid(log SNR))``."""
        return self.log_snr(t).sigmoid().sqrt()

    def sigma(self, t: Tensor) -> Tensor:
        """Weight of the noise, ``sqrt(sigmoid(-log SNR))``."""
        return (-self.log_snr(t)).sigmoid().sqrt()

    def time(self, log_snr: Tensor) -> Tensor:
        """The time at which log SNR has this value: the inverse of `log_snr` between its limits."""
        return self._time_of_unscaled(log_snr.double() - 2 * math.log(self.input_scale))

    def slope(self, t: Tensor) -> Tensor:
        """-d(log SNR)/dt of the schedule without its clamp, which is infinite at 0 and 1 and taken 1e-4 inside."""
        return self._slope(t.double().clamp(_MARGIN, 1 - _MARGIN))


@dataclass(frozen=True)
class CosineSchedule(Schedule):
    """gamma = cos^2(pi t / 2) (Eq. 4), so log SNR = -2 ln tan(pi t / 2)."""

    def _unscaled(self, t: Tensor) -> Tensor:
        angle = t * (math.pi / 2)
        return 2 * (angle.cos().log() - angle.sin().log())

    def _time_of_unscaled(self, log_snr: Tensor) -> Tensor:
        return torch.atan((-log_snr / 2).exp()) * (2 / math.pi)

    def _slope(self, t: Tensor) -> Tensor:
        return 2 * math.pi / (math.pi * t).sin()


@dataclass(frozen=True)
class LinearSchedule(Schedule):
    """gamma = 1 - t (Chen 2023, *On the importance of noise scheduling*), so log SNR = -logit(t)."""

    def _unscaled(self, t: Tensor) -> Tensor:
        return (1 - t).log() - t.log()

    def _time_of_unscaled(self, log_snr: Tensor) -> Tensor:
        return (-log_snr).sigmoid()

    def _slope(self, t: Tensor) -> Tensor:
        return 1 / (t * (1 - t))


@dataclass(frozen=True)
class SigmoidSchedule(Schedule):
    """gamma falls as the sigmoid of k (1 - 2 t), stretched to reach 1 and 0 (Chen 2023; start -3 and end 3 is k = 3).

    The quotient of its two differences of sigmoids is log SNR = ln sinh(k (1 - t)) - ln sinh(k t), without
    cancellation; k towards 0 is `LinearSchedule`.

    Parameters
    ----------
    steepness : k > 0; the larger, the more of the noise comes in the middle of time
    """

    steepness: float = 3.0

    def _unscaled(self, t: Tensor) -> Tensor:
        return (self.steepness * (1 - t)).sinh().log() - (self.steepness * t).sinh().log()

    def _time_of_unscaled(self, log_snr: Tensor) -> Tensor:
        # atanh(sinh k / (cosh k + SNR)) / k, whose argument rounds to 1 for steep schedules
        k = self.steepness
        return torch.log1p(2 * math.sinh(k) / (math.exp(-k) + log_snr.exp())) / (2 * k)

    def _slope(self, t: Tensor) -> Tensor:
        k = self.steepness
        return k / (k * (1 - t)).tanh() + k / (k * t).tanh()
