"""The loops that papers' code is made of, run on our own network: no batching tricks, no memory formats, no autocast.

They are references twice: for the time, and for what the fast paths must compute.  So no sampler, no segmenter and no
engine of ours is in them; what they share is the network, the loss and the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from training import rng
from training.config import Config, FitConfig
from training.data.dataset import SliceArrays, intensity
from training.diffusion.denoiser import Denoiser
from training.fit.step import learning_rate

BATCH = 8


@torch.no_grad()
def plain_sampling(denoiser: Denoiser, noise: Tensor, image: Tensor, times: Sequence[float]) -> Tensor:
    """Draw masks by DDIM, `BATCH` at a time.

    Parameters
    ----------
    denoiser : in its usual memory order
    noise : (N, 1, H, W) where the masks start
    image : (1, 1, H, W) in [0, 1], the same for all
    times : (T + 1,) falling from 1 to 0

    Returns
    -------
    (N, 1, H, W) predicted clean masks of the last network call
    """
    drawn: list[Tensor] = []
    for x in noise.split(BATCH):
        images = image.repeat(len(x), 1, 1, 1)
        x0_hat: Tensor | None = None
        for t, s in pairwise(times):
            batch_t = torch.full((len(x),), t, dtype=torch.float64, device=x.device)
            x0_hat = denoiser(x, batch_t, images, x0_hat)
            alpha_t, sigma_t = (part.float().view(-1, 1, 1, 1) for part in _coefficients(denoiser, batch_t))
            alpha_s, sigma_s = (
                part.float().view(-1, 1, 1, 1) for part in _coefficients(denoiser, torch.full_like(batch_t, s))
            )
            x = alpha_s * x0_hat + sigma_s * (x - alpha_t * x0_hat) / sigma_t
        drawn.append(x if x0_hat is None else x0_hat)
    return torch.cat(drawn)


class PlainStep:
    """One training step: AdamW as it comes, clipping, and the loss fetched every time.

    Parameters
    ----------
    network : trained where it is
    loss : (x0, image, t, eps) -> mean loss
    fit : learning rate, weight decay and clipping
    """

    def __init__(self, network: nn.Module, loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], fit: FitConfig):
        self.network, self._loss, self._fit = network.train(), loss, fit
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay)

    def __call__(self, step: int, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> float:
        """The loss before the step."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._fit, step)
        loss = self._loss(*batch)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._fit.clip_norm)
        self._optimizer.step()
        return loss.item()


def host_batches(
    slices: SliceArrays, config: Config, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless batches (x0, image, t, eps), made slice by slice on the host and sent to the device.

    Each is a random slice with one of its experts, cropped at a random place, as `training.fit.batches` makes them.
    """
    draw = rng.generator(config.fit.seed, rng.Purpose.TRAINING_ORDER)
    size, batch = config.image_size, config.fit.batch_size
    while True:
        images, masks = [], []
        for _ in range(batch):
            index, expert = draw.integers(len(slices)), draw.integers(slices.masks.shape[1])
            top, left = (draw.integers(side - size + 1) for side in slices.images.shape[1:])
            images.append(intensity(slices.images[index, top : top + size, left : left + size]))
            masks.append(slices.masks[index, expert, top : top + size, left : left + size].astype(np.float32) * 2 - 1)
        eps = draw.standard_normal((batch, 1, size, size), np.float32)
        arrays = np.stack(masks)[:, None], np.stack(images)[:, None], draw.random(batch), eps
        x0, image, t, noise = (torch.from_numpy(array).to(device) for array in arrays)
        yield x0, image, t, noise


def _coefficients(denoiser: Denoiser, t: Tensor) -> tuple[Tensor, Tensor]:
    return denoiser.schedule.alpha(t), denoiser.schedule.sigma(t)
