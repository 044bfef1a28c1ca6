"""What the labels of an expert's mask may be: 0 and 1, or 0 and 255, in any type of number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.forms.interface import UnusableError
from training.records import BoolArray

WHITE = "labels stored as 0 and 255"
FLOAT = "labels stored as float"


def drawn_mask(labels: NDArray[Any]) -> tuple[BoolArray, list[str]]:
    """What an expert drew.

    Parameters
    ----------
    labels : of any shape, with one value at least

    Returns
    -------
    Where the labels are not 0, in their shape; and what is worth a note unless it is the usual way of a form, of
    `WHITE` and `FLOAT`

    Raises
    ------
    UnusableError
        Unless all labels are 0 and 1, or 0 and 255; the reason fits after the words "a mask".
    """
    mask: BoolArray = labels != 0
    with np.errstate(invalid="ignore"):  # not-a-number is no reason to warn, and equals nothing below
        top = labels.max()
    if top not in (0, 1, 255) or not np.array_equal(mask, (labels == top) & bool(top)):
        raise UnusableError("has values other than 0 and 1, or 0 and 255")
    return mask, [WHITE] * bool(top == 255) + [FLOAT] * (labels.dtype.kind == "f")
