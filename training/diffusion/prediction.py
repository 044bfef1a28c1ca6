"""What the network's output means (Sec. 3.3): the clean mask, the noise, or a blend of both.

Convert at the border, speak x0 inside: no other module asks which prediction type is in use.  Each type also
says what its own squared error is worth in terms of the error in x0 (`log_error_ratio`), so that a weighting
stated once, in x-space, applies to all of them:

    |eps - eps_hat|^2 = SNR |x0 - x0_hat|^2,    |v - v_hat|^2 = (SNR + 1) |x0 - x0_hat|^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Prediction(Protocol):
    """A prediction type.  ``alpha`` and ``sigma`` broadcast against ``x_t``."""

    @property
    def bounded(self) -> bool:
        """Whether the output lies in [-1, 1], so that the network may end in tanh."""

    def to_x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The clean mask that an output implies."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the output should be."""

    def log_error_ratio(self, log_snr: Tensor) -> Tensor:
        """ln of (squared error of the output) / (squared error in x0)."""


@dataclass(frozen=True)
class XPrediction:
    """The network predicts x0 itself."""

    bounded = True

    def to_x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return output

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return x0

    def log_error_ratio(self, log_snr: Tensor) -> Tensor:
        return torch.zeros_like(log_snr)


@dataclass(frozen=True)
class EpsPrediction:
    """The network predicts the noise.  Towards t = 1, x0 is an error divided by a vanishing alpha."""

    bounded = False

    def to_x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return (x_t - sigma * output) / alpha

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return eps

    def log_error_ratio(self, log_snr: Tensor) -> Tensor:
        return log_snr


@dataclass(frozen=True)
class VPrediction:
    """v = alpha eps - sigma x0; well-conditioned at both ends of time."""

    bounded = False

    def to_x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return alpha * x_t - sigma * output

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return alpha * eps - sigma * x0

    def log_error_ratio(self, log_snr: Tensor) -> Tensor:
        return F.softplus(log_snr)
