"""The images that a network takes: what they must be, and their extension to its multiple."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from training.errors import DataFormatError
from training.records import FloatArray


def require_image(image: FloatArray) -> None:
    """Refuse what is no image (H, W) with values in [0, 1].

    Raises
    ------
    DataFormatError
        If its shape, or a pixel, is another one.
    """
    if image.ndim != 2 or 0 in image.shape:
        raise DataFormatError(f"an image must have shape (H, W), got {image.shape}")
    if not np.isfinite(image).all():
        raise DataFormatError("the image has NaN or infinite pixels; every pixel must be finite")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        raise DataFormatError(f"the image must lie in [0, 1], got [{low:.4g}, {high:.4g}]; rescale it first")


def pad(images: Tensor, multiple: int) -> Tensor:
    """Extend (M, 1, H, W) at the bottom and right until both sides are multiples."""
    h, w = images.shape[-2:]
    extra = (0, -w % multiple, 0, -h % multiple)
    # Reflection needs more pixels than it adds; tiny images repeat their border instead.
    mode = "reflect" if extra[1] < w and extra[3] < h else "replicate"
    return F.pad(images, extra, mode=mode) if any(extra) else images
