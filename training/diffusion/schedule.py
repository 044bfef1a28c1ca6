"""How the noise grows: signal ``alpha`` and noise ``sigma`` as functions of time (Sec. 3.1).

``x_t = alpha(t) x0 + sigma(t) eps`` with ``alpha^2 + sigma^2 = 1``; ``t = 0`` is data, ``t = 1`` is noise.
Everything follows from the logarithm of the signal-to-noise ratio ``SNR = alpha^2 / sigma^2``.  It is computed
in float64 from its closed form and cast last: ``1 - alpha^2`` in float32 is 1 % off at ``t = 1e-4``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class CosineSchedule:
    """Eq. 4 with input scale ``b`` (Eqs. 6-7): gamma_b = sigmoid(log SNR + 2 ln b), gamma = alpha^2.

    Parameters
    ----------
    input_scale : b; smaller is noisier at the same t; x0 itself stays in [-1, 1]
    log_snr_limit : log SNR is clamped to plus and minus this, so that both ends stay finite
    """

    input_scale: float = 1.0
    log_snr_limit: float = 20.0

    def log_snr(self, t: Tensor) -> Tensor:
        """``2 ln b - 2 ln tan(pi t / 2)``, clamped; float64, the shape of ``t``."""
        angle = t.double() * (math.pi / 2)
        log_snr = 2 * (angle.cos().log() - angle.sin().log() + math.log(self.input_scale))
        return log_snr.clamp(-self.log_snr_limit, self.log_snr_limit)

    def alpha(self, t: Tensor) -> Tensor:
        """Weight of the signal, ``sqrt(sigmoid(log SNR))``."""
        return self.log_snr(t).sigmoid().sqrt()

    def sigma(self, t: Tensor) -> Tensor:
        """Weight of the noise, ``sqrt(sigmoid(-log SNR))``."""
        return (-self.log_snr(t)).sigmoid().sqrt()
