"""The parts of the paper's U-Net (Sec. 3.2 and 8.3): residual block, attention, resampling, time embedding.

Shapes: ``B`` batch, ``C`` channels, ``H, W`` pixels, ``E`` size of the time embedding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALL_MAP = 1024  # pixels of a map that bfloat16 is too slow for, see `Norm`


def zero_init(layer: nn.Conv2d) -> nn.Conv2d:
    """Start a residual branch, or the network's output, at zero."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None  # noqa: S101 -- for the type checker: every convolution here has a bias
    nn.init.zeros_(layer.bias)
    return layer


class TimeEmbedding(nn.Module):
    """Diffusion time (B,) in [0, 1] to an embedding (B, E).

    Cosines then sines of ``t`` at frequencies ``10^(-k / half)``, k = 0 .. half - 1, through a two-layer MLP.
    The slowest period is 10 because ``t`` itself lies in [0, 1].
    """

    frequencies: Tensor

    def __init__(self, features: int, embedding: int) -> None:
        super().__init__()
        half = features // 2
        steps = torch.arange(half, dtype=torch.float64) / half
        self.register_buffer("frequencies", (10.0**-steps).float(), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(features, embedding), nn.SiLU(), nn.Linear(embedding, embedding))

    def forward(self, t: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        embedding: Tensor = self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))
        return embedding


class Norm(nn.GroupNorm):
    """Group normalisation, (B, C, H, W) -> (B, C, H, W).

    On a CPU, bfloat16 maps are normalised in float32 where that is faster: small ones, for which torch takes four times
    as long in bfloat16, and all in training, where its gradient of a channels_last map takes four times as long
    (``docs/adr/020-the-sampling-engine.md``).
    """

    def forward(self, x: Tensor) -> Tensor:
        small = x.shape[-2] * x.shape[-1] <= SMALL_MAP
        if x.dtype == torch.bfloat16 and x.device.type == "cpu" and (small or x.requires_grad):
            x = x.float()
        return super().forward(x)


def silu(x: Tensor) -> Tensor:
    """SiLU, in place where no gradient is wanted: for results that nothing else reads."""
    return F.silu(x, inplace=not x.requires_grad)


class ResBlock(nn.Module):
    """Norm, SiLU, conv; add the projected time embedding; norm, SiLU, conv from zero; residual.

    ``(B, C_in, H, W), (B or 1, C_out) -> (B, C_out, H, W)``; the second is the time embedding as this block's ``time``
    layer projects it, which `training.nets.unet.UNet.projections` does for all blocks at once.

    A group of one channel subtracts the very constant that the time embedding adds to it.  So the paper's levels of
    32 channels in 32 groups do not see the time; those of 64 and 128 do.
    """

    def __init__(self, c_in: int, c_out: int, embedding: int, groups: int) -> None:
        super().__init__()
        self.norm1 = Norm(groups, c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(embedding, c_out)
        self.norm2 = Norm(groups, c_out)
        self.conv2 = zero_init(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, projection: Tensor) -> Tensor:
        h: Tensor = silu(self.norm1(x))
        if len(projection) == 1:  # one time for all is part of the bias, and costs nothing
            assert self.conv1.bias is not None  # noqa: S101 -- for the type checker
            h = F.conv2d(h, self.conv1.weight, self.conv1.bias + projection[0], padding=1)
        else:
            h = self.conv1(h)
            h = h + projection.to(h.dtype)[:, :, None, None]
        h = self.conv2(silu(self.norm2(h)))
        h += self.skip(x)
        return h


class SelfAttention(nn.Module):
    """Every pixel attends to every pixel: (B, C, H, W) -> (B, C, H, W), residual, projection from zero.

    The channels of ``qkv`` are ordered head by head (q, k, v of head 1, then of head 2, ...), as in the
    authors' code, so that a network of several heads has their weight layout.
    """

    def __init__(self, channels: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = zero_init(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv: Tensor = self.qkv(self.norm(x))
        q, k, v = qkv.reshape(b, self.heads, 3 * c // self.heads, h * w).transpose(2, 3).chunk(3, dim=-1)
        attended = F.scaled_dot_product_attention(q, k, v, scale=1 / math.sqrt(c / self.heads))
        out: Tensor = x + self.project(attended.transpose(2, 3).reshape(b, c, h, w))
        return out


class Downsample(nn.Conv2d):
    """Halve the resolution: 3x3 convolution of stride 2, (B, C, H, W) -> (B, C, H / 2, W / 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, stride=2, padding=1)


class Upsample(nn.Module):
    """Double the resolution: nearest neighbour, then a 3x3 convolution, (B, C, H, W) -> (B, C, 2 H, 2 W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        up: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return up
