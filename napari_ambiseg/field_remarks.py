"""What a user should know of the field: where it is, what it cuts off, what the model will find odd in it."""

from __future__ import annotations

import numpy as np

from training.data.field import Field
from training.export.colours import expert_letter
from training.records import AnnotatedSlice

_FLAT = 0.2  # of the scale from black to white; slices of training span most of it
_PERCENTILES = (1, 99)


def cut_off(case: AnnotatedSlice, field: Field) -> tuple[tuple[int, float], ...]:
    """How much of the experts' masks a field leaves out.

    Returns
    -------
    number (from 1) of each expert of whom something is left out, with the share of the mask's pixels in (0, 1]
    """
    areas = case.masks.sum(axis=(1, 2))
    inside = case.masks[:, *field.window].sum(axis=(1, 2))
    return tuple(
        (number, float(1 - within / area))
        for number, (area, within) in enumerate(zip(areas, inside, strict=True), start=1)
        if within < area
    )


def where(field: Field, shape: tuple[int, ...]) -> str:
    """A field in one line: its size, its first row and column, and (H, W) of the slice."""
    size = f"{field.height} x {field.width}"
    if field.is_whole(shape):
        return f"Field: the whole slice, {size}"
    return f"Field: {size} at {field.top}, {field.left} of {shape[0]} x {shape[1]}"


def remarks(case: AnnotatedSlice, field: Field, size: int) -> tuple[str, ...]:
    """What to mind, one line each.

    Parameters
    ----------
    case : the whole slice
    size : side in pixels that the model was made for
    """
    found = []
    if max(field.shape) > size or (min(field.shape) < size and not field.is_whole(case.image.shape)):
        found.append(f"The model was made for {size} x {size}; nothing is resampled, it sees the pixels as they are.")
    left_out = cut_off(case, field)
    if left_out:
        experts = ", ".join(f"{expert_letter(number)}: {_percent(share)}" for number, share in left_out)
        found.append(f"Outside of the field, and not in the numbers: of expert {experts}.")
    low, high = np.percentile(case.image[field.window], _PERCENTILES)
    if high - low < _FLAT:
        found.append(
            f"The field spans {_percent(float(high - low))} of the scale from black to white; models learnt on images "
            "that span it. Choose another window."
        )
    return tuple(found)


def _percent(share: float) -> str:
    """A share that is not nothing is never "0 %", and one that is not all never "100 %"."""
    if 0 < share < 0.005:
        return "under 1 %"
    return f"{min(round(100 * share), 99) if share < 1 else 100} %"
