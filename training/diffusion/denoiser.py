"""A network that always answers "the mean clean mask", whatever it was trained to predict."""

from __future__ import annotations

from torch import Tensor, nn

from training.diffusion.prediction import Prediction
from training.diffusion.schedule import CosineSchedule

# Grey level and spread that images are normalised by: the means over colours of ImageNet's channel statistics,
# which the authors use.  Grey images need one pair only.
IMAGE_MEAN, IMAGE_STD = 0.449, 0.226


class Denoiser(nn.Module):
    """Backbone, schedule and prediction type in one: (x_t, t, image) -> x0_hat.

    Parameters
    ----------
    backbone : network (x_t (B, 1, H, W), t (B,), image (B, 1, H, W)) -> (B, 1, H, W)
    schedule, prediction : what it was, or will be, trained with
    """

    def __init__(self, backbone: nn.Module, schedule: CosineSchedule, prediction: Prediction) -> None:
        super().__init__()
        self.backbone = backbone
        self.schedule = schedule
        self.prediction = prediction

    def output(self, x_t: Tensor, t: Tensor, image: Tensor) -> Tensor:
        """The network's raw answer in float32, (B, 1, H, W).

        Parameters
        ----------
        x_t : (B, 1, H, W) noisy masks
        t : (B,), or (1,) where all share one time
        image : (B, 1, H, W) grey images in [0, 1]
        """
        out: Tensor = self.backbone(x_t, t.float(), (image - IMAGE_MEAN) / IMAGE_STD)
        return out.float()

    def forward(self, x_t: Tensor, t: Tensor, image: Tensor) -> Tensor:
        """The predicted clean mask, clipped to [-1, 1]: (B, 1, H, W) float32.  Arguments as in `output`."""
        alpha, sigma = signal_and_noise(self.schedule, t)
        return self.prediction.to_x0(self.output(x_t, t, image), x_t, alpha, sigma).clamp(-1, 1)


def signal_and_noise(schedule: CosineSchedule, t: Tensor) -> tuple[Tensor, Tensor]:
    """``alpha`` and ``sigma`` of times (B,) as float32 (B, 1, 1, 1), ready to scale masks."""
    alpha, sigma = schedule.alpha(t).float(), schedule.sigma(t).float()
    return alpha[:, None, None, None], sigma[:, None, None, None]
