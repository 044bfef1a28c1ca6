"""The training loss (Eq. 3), in the network's own space.

A weighting w is stated for the error in x0.  Taking it there literally divides by alpha or sigma; weighting the
network's own squared error by ``w / ratio`` (`Prediction.log_error_ratio`) is the same loss without the division.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from training.diffusion.denoiser import Denoiser, signal_and_noise
from training.diffusion.prediction import Prediction
from training.diffusion.weighting import Weighting


@dataclass(frozen=True)
class Objective:
    """The weighted denoising loss.

    Parameters
    ----------
    weighting : the weight of each noise level, in x-space
    log_snr_limit : the weight is taken at log SNR clamped to plus and minus this, since E[w] diverges like
        1 / t_min for x-prediction with an SNR-like weight
    """

    weighting: Weighting
    log_snr_limit: float = 15.0

    def network_weight(self, prediction: Prediction, log_snr: Tensor) -> Tensor:
        """Weight of the network's own squared error; float64, the shape of ``log_snr``."""
        clamped = log_snr.clamp(-self.log_snr_limit, self.log_snr_limit)
        return (self.weighting.log_weight(clamped) - prediction.log_error_ratio(clamped)).exp()

    def __call__(self, denoiser: Denoiser, x0: Tensor, image: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """Loss per image, (B,) float32.

        Parameters
        ----------
        x0 : (B, 1, H, W) clean masks, -1 or +1
        image : (B, 1, H, W) grey images in [0, 1]
        t : (B,) times in [0, 1]
        eps : (B, 1, H, W) standard normal noise
        """
        alpha, sigma = signal_and_noise(denoiser.schedule, t)
        output = denoiser.output(alpha * x0 + sigma * eps, t, image)
        error = output - denoiser.prediction.target(x0, eps, alpha, sigma)
        weight = self.network_weight(denoiser.prediction, denoiser.schedule.log_snr(t)).float()
        return weight * error.square().mean(dim=(1, 2, 3))
