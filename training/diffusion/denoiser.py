"""A network that always answers "the mean clean mask", whatever it was trained to predict."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.diffusion.prediction import Prediction
from training.diffusion.schedule import Schedule

# Grey level and spread that images are normalised by: the means over colours of ImageNet's channel statistics,
# which the authors use.  Grey images need one pair only.
IMAGE_MEAN, IMAGE_STD = 0.449, 0.226

# What stands for "no image" in classifier-free guidance: 0 everywhere once it is normalised.
NO_IMAGE = IMAGE_MEAN


class Denoiser(nn.Module):
    """Backbone, schedule and prediction type in one: (x_t, t, image) -> x0_hat.

    Parameters
    ----------
    backbone : network (x_t (B, 1, H, W), t (B,), image (B, 1, H, W), x0_before, projections) -> (B, 1, H, W),
        see `training.nets.unet.UNet.forward`
    schedule, prediction : what it was, or will be, trained with
    """

    def __init__(self, backbone: nn.Module, schedule: Schedule, prediction: Prediction) -> None:
        super().__init__()
        self.backbone = backbone
        self.schedule = schedule
        self.prediction = prediction

    def output(
        self,
        x_t: Tensor,
        t: Tensor,
        image: Tensor,
        x0_before: Tensor | None = None,
        projections: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The network's raw answer in float32, (B, 1, H, W).

        Parameters
        ----------
        x_t : (B, 1, H, W) noisy masks
        t : (B,), or (1,) where all share one time
        image : (B, 1, H, W) grey images in [0, 1], or `NO_IMAGE`
        x0_before : (B, 1, H, W) earlier estimate of the clean masks, for a self-conditioned network; None is none
        projections : the backbone's for ``t``, where they were made before
        """
        out: Tensor = self.backbone(x_t, t.float(), (image - IMAGE_MEAN) / IMAGE_STD, x0_before, projections)
        return out.float()

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        image: Tensor,
        x0_before: Tensor | None = None,
        projections: Sequence[Tensor] | None = None,
        guidance: float = 1.0,
    ) -> Tensor:
        """The predicted clean mask, clipped to [-1, 1]: (B, 1, H, W) float32.  Arguments as in `output`.

        With ``guidance`` w the estimate is moved from the one without the image to the one with it, and beyond for w
        above 1: x0 = x0(no image) + w (x0(image) - x0(no image)).  In eps it is the same formula, as x0 is affine in
        eps; the w of Ho & Salimans 2022 is ours minus 1.  Both take a network call.
        """
        alpha, sigma = signal_and_noise(self.schedule, t)

        def estimate(seen: Tensor) -> Tensor:
            return self.prediction.to_x0(self.output(x_t, t, seen, x0_before, projections), x_t, alpha, sigma)

        x0 = estimate(image)
        if guidance != 1:
            x0 = torch.lerp(estimate(torch.full_like(image, NO_IMAGE)), x0, guidance)
        return x0.clamp(-1, 1)


def signal_and_noise(schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
    """``alpha`` and ``sigma`` of times (B,) as float32 (B, 1, 1, 1), ready to scale masks."""
    alpha, sigma = schedule.alpha(t).float(), schedule.sigma(t).float()
    return alpha[:, None, None, None], sigma[:, None, None, None]
