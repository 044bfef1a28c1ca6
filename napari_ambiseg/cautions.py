"""What to mind when a model looks at a slice: said before it draws, and in what is written afterwards.  No Qt."""

from __future__ import annotations

from napari_ambiseg.known_models import is_synthetic
from training.data.phantom import is_phantom
from training.model_card import ModelCard


def caution(card: ModelCard | None, key: str, shape: tuple[int, int]) -> str:
    """The gravest thing to mind, in one line; "" where there is nothing.

    Parameters
    ----------
    card : of the model; None for a reference, which has learnt nothing
    key : of the case
    shape : (H, W) of the part of the slice that the model sees
    """
    if card is None:
        return ""
    if is_synthetic(card) and not is_phantom(key):
        return "This model has seen synthetic slices only: on a real one its masks mean nothing."
    side = card.image_size
    if shape != (side, side):
        return f"Made for {side} x {side} pixels; here it sees {shape[0]} x {shape[1]}."
    return ""
