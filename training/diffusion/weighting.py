"""How much each noise level counts in the loss (Sec. 3.4), as ln w(log SNR) in x-space.

The logarithm keeps both ends finite: at log SNR = 20 the SNR weight is 5e8.  `training.diffusion.objective`
turns it into the weight of the network's own squared error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Weighting(Protocol):
    """A loss weighting."""

    def log_weight(self, log_snr: Tensor) -> Tensor:
        """ln of the weight of ``|x0 - x0_hat|^2``; float64, the shape of ``log_snr``."""


@dataclass(frozen=True)
class SnrWeighting:
    """w = SNR: the plain error in epsilon."""

    def log_weight(self, log_snr: Tensor) -> Tensor:
        return log_snr


@dataclass(frozen=True)
class TruncatedSnrWeighting:
    """w = max(SNR, 1) (Salimans & Ho 2022): the noisy end never counts less than 1."""

    def log_weight(self, log_snr: Tensor) -> Tensor:
        return log_snr.clamp(min=0)


@dataclass(frozen=True)
class SnrPlusOneWeighting:
    """w = SNR + 1: the plain error in v."""

    def log_weight(self, log_snr: Tensor) -> Tensor:
        return F.softplus(log_snr)


@dataclass(frozen=True)
class UniformWeighting:
    """w = 1: the plain error in x0."""

    def log_weight(self, log_snr: Tensor) -> Tensor:
        return torch.zeros_like(log_snr)


@dataclass(frozen=True)
class SigmoidWeighting:
    """w = sigmoid(log SNR - bias); a bias of 2 is close to SNR, a smaller one favours the noisy end.

    The paper prints ``log SNR + bias``, which contradicts its own description and its optimum at -6
    (``docs/adr/002-corrected-equations.md``).
    """

    bias: float = -6.0

    def log_weight(self, log_snr: Tensor) -> Tensor:
        return F.logsigmoid(log_snr - self.bias)


@dataclass(frozen=True)
class SigmoidAsPrintedWeighting:
    """w = sigmoid(log SNR + bias), with the sign as the paper prints it: `SigmoidWeighting` of minus the bias."""

    bias: float = -6.0

    def log_weight(self, log_snr: Tensor) -> Tensor:
        return F.logsigmoid(log_snr + self.bias)
