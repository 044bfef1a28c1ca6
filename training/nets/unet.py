"""The paper's diffusion U-Net (Sec. 3.2 and 8.3): 6,891,905 parameters at its default settings.

The arrangement that gives exactly this count, and where it differs from the paper's text, is recorded in
``docs/adr/003-the-unet-to-the-parameter.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.nets.blocks import (
    Downsample,
    Norm,
    ResBlock,
    SelfAttention,
    TimeEmbedding,
    Upsample,
    silu,
    zero_init,
)


class UNet(nn.Module):
    """Predicts, for a noisy mask and its image, what the prediction type asks for.

    Parameters
    ----------
    image_channels : how often the grey image enters beside the mask: 3 in the paper, 1 in the lean variant
    base_channels : channels of the first level, and number of sinusoidal time features
    multipliers : channels of each level, as multiples of ``base_channels``
    res_blocks : residual blocks of each level of the encoder; the decoder has one more per level
    middle_blocks : residual blocks at the bottom, with attention between them
    heads : attention heads; attention acts at the lowest resolution only
    groups : groups of each group normalisation; must divide the channels of every level
    patch : side of the square of pixels that is folded into channels before the stem and unfolded at the end;
        1 in the paper, 2 makes a network for slow machines four times cheaper
    self_conditioned : one more channel, an earlier estimate of the clean mask (Chen et al. 2023, *Analog bits*)
    bounded : end in tanh, for networks that predict x0 in [-1, 1] itself

    Notes
    -----
    Every encoder output (stem, residual blocks, down convolutions) meets one residual block of the decoder.
    """

    def __init__(
        self,
        image_channels: int = 3,
        base_channels: int = 32,
        multipliers: Sequence[int] = (1, 1, 2, 4),
        res_blocks: Sequence[int] = (1, 2, 3, 4),
        middle_blocks: int = 4,
        heads: int = 1,
        groups: int = 32,
        patch: int = 1,
        *,
        self_conditioned: bool = False,
        bounded: bool = True,
    ) -> None:
        super().__init__()
        self.image_channels = image_channels
        self.self_conditioned = self_conditioned
        self.patch = patch
        self.bounded = bounded
        channels = [base_channels * m for m in multipliers]
        embedding = 4 * base_channels
        last = len(channels) - 1

        self.time = TimeEmbedding(base_channels, embedding)
        self.stem = nn.Conv2d((1 + self_conditioned + image_channels) * patch**2, base_channels, 3, padding=1)

        self.encoder = nn.ModuleList()
        skips = [base_channels]
        c = base_channels
        for level, (width, count) in enumerate(zip(channels, res_blocks, strict=True)):
            for _ in range(count):
                self.encoder.append(Stage(c, width, embedding, groups, heads if level == last else 0))
                c = width
                skips.append(c)
            if level != last:
                self.encoder.append(Downsample(c))
                skips.append(c)

        self.middle = nn.ModuleList(
            Stage(c, c, embedding, groups, heads if i < middle_blocks - 1 else 0) for i in range(middle_blocks)
        )

        self.decoder = nn.ModuleList()
        for level in reversed(range(len(channels))):
            width = channels[level]
            for i in range(res_blocks[level] + 1):
                up = level > 0 and i == res_blocks[level]
                attention = heads if level == last else 0
                self.decoder.append(Stage(c + skips.pop(), width, embedding, groups, attention, upsample=up))
                c = width

        self.norm = Norm(groups, c)
        self.out = zero_init(nn.Conv2d(c, patch**2, 3, padding=1))

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        halvings = sum(isinstance(layer, Downsample) for layer in self.encoder)
        return int(self.patch * 2**halvings)

    def projections(self, t: Tensor) -> list[Tensor]:
        """What each residual block adds for its time, first to last: (B, C_out of the block) each, for ``t`` (B,).

        They depend on the time alone, so a sampler makes those of its whole grid once.  Always float32, as the cosines
        of nearby times need it.
        """
        with torch.autocast(t.device.type, enabled=False):
            embedding = F.silu(self.time(t))
            return [stage.block.time(embedding) for stage in self._stages()]

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        image: Tensor,
        x0_before: Tensor | None = None,
        projections: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Run the network.

        Parameters
        ----------
        x_t : (B, 1, H, W) noisy mask; H and W multiples of `size_multiple`
        t : (B,), or (1,) where all share one time; in [0, 1], 1 is noise
        image : (B, 1, H, W) normalised grey image
        x0_before : (B, 1, H, W) earlier estimate of the clean mask for a self-conditioned network, 0 for none
        projections : those of ``t``, where they were made before

        Returns
        -------
        (B, 1, H, W)
        """
        added = iter(self.projections(t) if projections is None else projections)
        seen = [x_t, image.expand(-1, self.image_channels, -1, -1)]
        if self.self_conditioned:
            seen.insert(1, torch.zeros_like(x_t) if x0_before is None else x0_before)
        x = torch.cat(seen, dim=1)
        h: Tensor = self.stem(F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x)
        skips = [h]
        for layer in self.encoder:
            h = layer(h) if isinstance(layer, Downsample) else layer(h, next(added))
            skips.append(h)
        for layer in self.middle:
            h = layer(h, next(added))
        for layer in self.decoder:
            h = layer(torch.cat([h, skips.pop()], dim=1), next(added))
        out: Tensor = self.out(silu(self.norm(h)))
        if self.patch > 1:
            out = F.pixel_shuffle(out, self.patch)
        return out.tanh() if self.bounded else out

    def _stages(self) -> Iterator[Stage]:
        layers = (*self.encoder, *self.middle, *self.decoder)
        return (layer for layer in layers if isinstance(layer, Stage))


class Stage(nn.Module):
    """A residual block, with attention after it at the lowest level, and the way up at a level's end."""

    def __init__(
        self, c_in: int, c_out: int, embedding: int, groups: int, heads: int, *, upsample: bool = False
    ) -> None:
        super().__init__()
        self.block = ResBlock(c_in, c_out, embedding, groups)
        self.attention = SelfAttention(c_out, heads, groups) if heads else nn.Identity()
        self.up = Upsample(c_out) if upsample else nn.Identity()

    def forward(self, x: Tensor, projection: Tensor) -> Tensor:
        out: Tensor = self.up(self.attention(self.block(x, projection)))
        return out
