"""Training slices that lie on the device: images as they are stored, masks with eight pixels to the byte."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.dataset import SliceArrays, white_level

Scalar = TypeVar("Scalar", bound=np.generic)


class ResidentSlices:
    """The slices of one source in the device's memory.

    An image takes its stored H W bytes (four times that as float32), a mask H ceil(W / 8): 12,000 slices of 128 x 128
    pixels with 4 experts are 197 MB of uint8 and 98 MB of masks, 295 MB together.

    Parameters
    ----------
    source : the slices; on the CPU, images are shared with it, not copied, where they can be
    device : where they are to lie
    """

    def __init__(self, source: SliceArrays, device: torch.device) -> None:
        n, k, h, w = source.masks.shape
        self.shape: tuple[int, int, int, int] = n, k, h, w
        images = np.require(source.images, requirements=["C", "W"])  # what torch can share
        self._images = torch.from_numpy(images).to(device)
        # A tensor: by a plain number, a GPU multiplies with the rounded reciprocal, and some intensities would differ.
        self._white = torch.tensor([white_level(images.dtype)], dtype=torch.float32, device=device)
        self._masks = torch.from_numpy(np.packbits(source.masks, axis=-1)).to(device).flatten(0, 1)
        self._bits = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=device)

    def images(self, rows: Tensor) -> Tensor:
        """Slices ``rows`` (n,) as intensities, bit for bit those of `training.data.dataset.intensity`: (n, H, W)."""
        return self._images.index_select(0, rows).float() / self._white

    def masks(self, rows: Tensor, experts: Tensor) -> Tensor:
        """The mask of one expert each, both (n,): (n, H, W) bool."""
        _, k, _, w = self.shape
        packed = self._masks.index_select(0, rows * k + experts)
        return ((packed[..., None] & self._bits) != 0).flatten(2)[..., :w]

    @property
    def nbytes(self) -> int:
        """Bytes that the slices take on the device."""
        return self._images.nbytes + self._masks.nbytes


def cropped(slices: Tensor, corners: Tensor, size: int) -> Tensor:
    """``size`` x ``size`` pixels of each slice.

    Parameters
    ----------
    slices : (n, H, W)
    corners : (n, 2) first row and column, on the same device
    size : side of the square; where slices are no larger, they are what is given back
    """
    n, h, w = slices.shape
    if (h, w) == (size, size):
        return slices
    item = torch.arange(n, device=slices.device)[:, None, None]
    side = torch.arange(size, device=slices.device)
    return slices[item, corners[:, 0, None, None] + side[:, None], corners[:, 1, None, None] + side]


def upload(array: NDArray[Scalar], device: torch.device) -> Tensor:
    """An array on the device, without waiting for it: a GPU fetches it from page-locked memory in its own time."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
