"""Varying training slices: flips and turns, small rotations, scales and shifts, gamma, brightness and contrast.

Conventions.  A pixel is a point at its centre: row 0 and column 0 are the centres of the first row and column.  The
centre of an (H, W) slice is ``c = ((H - 1) / 2, (W - 1) / 2)``.  Angles are positive counter-clockwise on the
screen, rows counted downwards.  What is done to a slice, in this order:

1. one of the 8 symmetries of the square, by moving pixels and nothing else;
2. gamma: ``image <- image ** gamma``;
3. contrast and brightness: ``image <- clip(contrast * image + brightness, 0, 1)``;
4. rotation, scale and shift in one resampling.  A point ``p`` = (row, column) goes to

       p' = c + scale * R (p - c) + shift * (H, W),    R = [[cos, -sin], [sin, cos]],

   so that each pixel ``p'`` of the result is read at ``c + R^T (p' - c - shift * (H, W)) / scale``: the image by
   bilinear interpolation, the mask at the nearest pixel.  Outside of the slice both are 0.

The image is changed in steps 2 and 3 before it is moved, so the border that moves in stays 0, as the air around a body.
Each visit's numbers are a function of (seed, visit), and each item of a batch is computed by itself: neither depends
on the rest of the batch.  Double precision between the ends leaves the rounding to float32 as the only one
that counts, so that devices and batch sizes agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import rng
from training.config import AugmentConfig
from training.fit.resident import upload
from training.rng import Purpose

DoubleArray = NDArray[np.float64]

# Bits of `Augmentation.symmetry`: the slice is transposed first, then flipped.
_FLIP_ROWS, _FLIP_COLUMNS, _TRANSPOSE = 1, 2, 4


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What is done to each of B slices; the order and the equations are the module's.

    Parameters
    ----------
    symmetry : (B,) int in 0..7, bits of: flip rows (1), flip columns (2), transpose before that (4); 0 is none
    angle : (B,) degrees, counter-clockwise
    scale : (B,) magnification
    shift : (B, 2) down and right, as shares of H and W
    gamma : (B,) exponent
    contrast, brightness : (B,) factor and summand
    """

    symmetry: NDArray[np.int64]
    angle: DoubleArray
    scale: DoubleArray
    shift: DoubleArray
    gamma: DoubleArray
    contrast: DoubleArray
    brightness: DoubleArray

    @classmethod
    def identity(cls, count: int) -> Augmentation:
        """Nothing is done to any of ``count`` slices."""
        zero, one = np.zeros(count), np.ones(count)
        return cls(np.zeros(count, np.int64), zero, one, np.zeros((count, 2)), one, one, zero)

    @classmethod
    def draw(cls, config: AugmentConfig, seed: int, visits: Sequence[int]) -> Augmentation:
        """What ``config`` does at each of these visits: a pure function of (seed, visit).

        Every number has its own place in its visit's stream, so a changed range changes nothing else.
        """
        streams = [rng.generator(seed, Purpose.TRAINING_AUGMENTATION, id_=visit) for visit in visits]
        u = np.stack([stream.random(11) for stream in streams])  # (B, 11) in [0, 1)
        moves, gammas, lights = (u[:, place] < config.probability for place in (1, 2, 3))

        def spread(place: int, width: float, drawn: NDArray[np.bool_]) -> DoubleArray:
            """Uniform in [-width, width), and 0 where it was not drawn."""
            return np.where(drawn, width * (2 * u[:, place] - 1), 0.0)

        return cls(
            symmetry=(8 * u[:, 0]).astype(np.int64) * config.dihedral,
            angle=spread(4, config.degrees, moves),
            scale=1 + spread(5, config.scale, moves),
            shift=np.stack([spread(6, config.shift, moves), spread(7, config.shift, moves)], axis=1),
            gamma=1 + spread(8, config.gamma, gammas),
            contrast=1 + spread(9, config.contrast, lights),
            brightness=spread(10, config.brightness, lights),
        )

    def __len__(self) -> int:
        return len(self.symmetry)

    def of(self, items: Sequence[int] | NDArray[np.int64]) -> Augmentation:
        """What is done to some of the slices."""
        return Augmentation(*(getattr(self, field.name)[np.asarray(items)] for field in fields(self)))

    def apply(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """The changed slices.

        On slices that are not square the transposition is left out, which keeps their shape.

        Parameters
        ----------
        images : (B, H, W) float32 in [0, 1], on any device
        masks : (B, H, W) bool, on the same device

        Returns
        -------
        images, masks : as they came in; what nothing was done to is bit for bit the same
        """
        images, masks = (torch.stack([*map(_turned, batch, self.symmetry.tolist())]) for batch in (images, masks))
        lit = np.flatnonzero((self.gamma != 1) | (self.contrast != 1) | (self.brightness != 0))
        if lit.size:
            items = upload(lit, images.device)
            images.index_copy_(0, items, _lit(images.index_select(0, items), self.of(lit)))
        moved = np.flatnonzero((self.angle != 0) | (self.scale != 1) | (self.shift != 0).any(axis=1))
        if moved.size:
            items = upload(moved, images.device)
            image, mask = _moved(images.index_select(0, items), masks.index_select(0, items), self.of(moved))
            images.index_copy_(0, items, image)
            masks.index_copy_(0, items, mask)
        return images, masks


def _turned(slice_: Tensor, symmetry: int) -> Tensor:
    """One (H, W) image or mask under a symmetry of the square."""
    if symmetry & _TRANSPOSE and slice_.shape[0] == slice_.shape[1]:
        slice_ = slice_.mT
    flipped = [axis for axis, bit in enumerate((_FLIP_ROWS, _FLIP_COLUMNS)) if symmetry & bit]
    return slice_.flip(flipped) if flipped else slice_


def _lit(images: Tensor, by: Augmentation) -> Tensor:
    """(n, H, W) images under gamma, contrast and brightness."""
    gamma, contrast, brightness = (_per_item(v, images) for v in (by.gamma, by.contrast, by.brightness))
    return (images.pow(gamma) * contrast + brightness).clamp(0, 1).float()


def _moved(images: Tensor, masks: Tensor, by: Augmentation) -> tuple[Tensor, Tensor]:
    """(n, H, W) images and masks under rotation, scale and shift."""
    _, h, w = images.shape
    centre = (h - 1) / 2, (w - 1) / 2
    turn = np.deg2rad(by.angle)
    cos, sin = _per_item(np.cos(turn) / by.scale, images), _per_item(np.sin(turn) / by.scale, images)
    down, right = (
        torch.arange(side, dtype=torch.float64, device=images.device) - middle - _per_item(share * side, images)
        for side, middle, share in zip((h, w), centre, by.shift.T, strict=True)
    )
    down = down.mT  # (n, H, 1) beside (n, 1, W)
    # Beyond one pixel outside all is 0: a frame of zeros is enough, two wide where a neighbour is read as well.
    rows = (centre[0] + cos * down + sin * right).clamp(-1, h) + 1
    columns = (centre[1] + cos * right - sin * down).clamp(-1, w) + 1
    frame = (1, 2, 1, 2)
    width = w + 3

    def at(padded: Tensor, row: Tensor, column: Tensor) -> Tensor:
        found: Tensor = padded.flatten(1).gather(1, (row * width + column).flatten(1))
        return found.view(-1, h, w)

    top, left = rows.long(), columns.long()
    v, u = rows - top, columns - left
    image = torch.nn.functional.pad(images, frame)
    upper = at(image, top, left) * (1 - u) + at(image, top, left + 1) * u
    lower = at(image, top + 1, left) * (1 - u) + at(image, top + 1, left + 1) * u
    mask = at(torch.nn.functional.pad(masks, frame), (rows + 0.5).long(), (columns + 0.5).long())
    return (upper * (1 - v) + lower * v).clamp(0, 1).float(), mask


def _per_item(values: DoubleArray, images: Tensor) -> Tensor:
    """One number per item: (n, 1, 1) float64, which lifts the pixels that it meets to double precision."""
    return upload(values, images.device)[:, None, None]
