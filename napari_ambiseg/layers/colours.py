"""Colours that differ for every kind of colour vision; nothing is told by colour alone."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np

from training.export.colours import SAMPLE, VEIL, VEIL_OPACITY, YELLOW, expert_colour

if TYPE_CHECKING:
    from napari.utils.colormaps import Colormap

OTHER_SAMPLE = YELLOW  # the second one of a pair of samples
SUMMARY = YELLOW  # what all, half or any of the experts mark
STAPLE = "#FFFFFF"  # the estimate by that method
AGREEMENT = "#D55E00"  # what at least so many of them mark


def pair_colours(first: str, second: str) -> tuple[str, str]:
    """Colours of a pair by what its masks are called, see `id_colour`; never the same one for both."""
    one, other = id_colour(first), id_colour(second)
    return (one, other) if one != other else (one, OTHER_SAMPLE)


def id_colour(name: str) -> str:
    """Colour of an expert by letter ("A"), or of a sample by number ("3")."""
    return SAMPLE if name.isdecimal() else expert_colour(expert_number(name))


def expert_number(letter: str) -> int:
    """Number of the expert of this letter: `expert_letter` undone."""
    number = 0
    for sign in letter:
        number = number * len(ascii_uppercase) + ascii_uppercase.index(sign) + 1
    return number


def votes_colormap(n_experts: int) -> Colormap:
    """One flat colour per vote count, for contrast limits (0, K); no vote is transparent."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    shades = ensure_colormap("viridis").map(np.linspace(0.15, 1, n_experts))
    colours = np.vstack([[0, 0, 0, 0], shades])
    # Bins around the whole numbers 0..K, in units of the contrast limits.
    edges = np.concatenate([[0], (np.arange(n_experts) + 0.5) / n_experts, [1]])
    return Colormap(colours, name=f"votes of {n_experts}", controls=edges, interpolation="zero")


def fading_colormap(base: str, name: str, opaque_from: float) -> Colormap:
    """A colormap that is transparent at 0 and gains full opacity at ``opaque_from``."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    at = np.linspace(0, 1, 65)
    colours = np.array(ensure_colormap(base).map(at))
    colours[:, 3] = np.clip(at / opaque_from, 0, 1)
    return Colormap(colours, name=name, controls=at)


def predicted_colormap() -> Colormap:
    """x0_hat from -1 (transparent) over 0 (the mask's border) to 1: a light veil over the lesion, as in a movie."""
    from napari.utils.colormaps import Colormap

    colours = [[*(part / 255 for part in VEIL), opacity] for _, opacity in VEIL_OPACITY]
    return Colormap(colours, name="predicted mask", controls=[at for at, _ in VEIL_OPACITY])
