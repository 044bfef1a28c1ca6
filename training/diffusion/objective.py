"""The training loss (Eq. 3), in the network's own space.

A weighting w is stated for the error in x0.  Taking it there literally divides by alpha or sigma; weighting the
network's own squared error by ``w / ratio`` (`Prediction.log_error_ratio`) is the same loss without the division.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.diffusion.denoiser import Denoiser, signal_and_noise
from training.diffusion.prediction import Prediction
from training.diffusion.schedule import Schedule
from training.diffusion.weighting import Weighting


@dataclass(frozen=True)
class Objective:
    """The weighted denoising loss.

    Parameters
    ----------
    weighting : the weight of each noise level, in x-space
    log_snr_limit : the weight is taken at log SNR clamped to plus and minus this, since E[w] diverges like
        1 / t_min for x-prediction with an SNR-like weight
    derivative : multiply the weight by -d(log SNR)/dt, so that it counts per unit of log SNR and not of time
    """

    weighting: Weighting
    log_snr_limit: float = 15.0
    derivative: bool = False

    def network_weight(self, prediction: Prediction, schedule: Schedule, t: Tensor) -> Tensor:
        """Weight of the network's own squared error at times ``t``; float64, of their shape."""
        log_snr = schedule.log_snr(t).clamp(-self.log_snr_limit, self.log_snr_limit)
        weight = (self.weighting.log_weight(log_snr) - prediction.log_error_ratio(log_snr)).exp()
        return weight * schedule.slope(t) if self.derivative else weight

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Tensor,
        image: Tensor,
        t: Tensor,
        eps: Tensor,
        self_conditioned: Tensor | None = None,
    ) -> Tensor:
        """Loss per image, (B,) float32.

        Parameters
        ----------
        x0 : (B, 1, H, W) clean masks, -1 or +1
        image : (B, 1, H, W) grey images in [0, 1]
        t : (B,) times in [0, 1]
        eps : (B, 1, H, W) standard normal noise
        self_conditioned : (B,) bool, which items see the network's own first estimate of the clean mask, made without
            one and held constant for the gradient; the others see zeros.  None is a network without self-conditioning
        """
        alpha, sigma = signal_and_noise(denoiser.schedule, t)
        x_t = alpha * x0 + sigma * eps
        x0_before = None if self_conditioned is None else _first_estimate(denoiser, x_t, t, image, self_conditioned)
        output = denoiser.output(x_t, t, image, x0_before)
        error = output - denoiser.prediction.target(x0, eps, alpha, sigma)
        weight = self.network_weight(denoiser.prediction, denoiser.schedule, t).float()
        return weight * error.square().mean(dim=(1, 2, 3))


def _first_estimate(denoiser: Denoiser, x_t: Tensor, t: Tensor, image: Tensor, self_conditioned: Tensor) -> Tensor:
    # For all items, since a shape that depends on the coins would not go into a CUDA graph.
    with torch.no_grad():
        estimate: Tensor = denoiser(x_t, t, image)
    # Older torch would use the weights that autocast made here, without gradient, for the second call (pytorch#112583).
    torch.clear_autocast_cache()
    return torch.where(self_conditioned[:, None, None, None], estimate, 0.0)
