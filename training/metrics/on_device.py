"""Counting on the device where the masks were drawn: only the pixels that somebody marks travel to the host."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.errors import DataFormatError
from training.metrics.tally import Tally


@torch.no_grad()
def tally_many(samples: Tensor, annotations: Tensor) -> list[Tally]:
    """Count C cases at once: `training.metrics.tally` of each, to the last integer.

    The device finds the marked pixels and gathers the masks there; no number is summed on it but those of
    pixels, as integers.

    Parameters
    ----------
    samples : (C, N, H, W) bool, the drawn masks, on any device
    annotations : (C, K, H, W) bool, the experts' masks, on the same one

    Returns
    -------
    one tally per case, in host memory

    Raises
    ------
    DataFormatError
        On another dtype or dimension, no case, sample, expert or pixel, or different C, H, W or devices.
    """
    _require_sets(samples, annotations)
    n_cases, n_samples = samples.shape[:2]
    masks = torch.cat([samples, annotations], dim=1).flatten(2).transpose(0, 1)  # (N + K, C, H W)
    case, pixel = masks.any(dim=0).nonzero(as_tuple=True)  # in the order of cases, then of pixels
    marks = masks[:, case, pixel].cpu().numpy()
    ends = torch.bincount(case, minlength=n_cases).cumsum(0).cpu().numpy()
    parts = np.split(marks, ends[:-1], axis=1)
    return [Tally(np.ascontiguousarray(part), n_samples, masks.shape[2]) for part in parts]


def _require_sets(samples: Tensor, annotations: Tensor) -> None:
    for masks, what in ((samples, "samples"), (annotations, "annotations")):
        if masks.dtype != torch.bool or masks.ndim != 4 or masks.numel() == 0:
            raise DataFormatError(
                f"{what}: masks must be a bool tensor of shape (C >= 1, N >= 1, H, W), "
                f"got {masks.dtype} {tuple(masks.shape)}; threshold probabilities first"
            )
    same = samples.shape[0] == annotations.shape[0] and samples.shape[2:] == annotations.shape[2:]
    if not same or samples.device != annotations.device:
        raise DataFormatError(
            f"samples and annotations must be of the same cases, height, width and device, got "
            f"{tuple(samples.shape)} on {samples.device} and {tuple(annotations.shape)} on {annotations.device}"
        )
