"""Colours and letters of experts and samples, for eyes of every kind: nothing is told by colour alone."""

from __future__ import annotations

from string import ascii_uppercase

#: On dark images.
SAMPLE, CLEANED = "#FFFFFF", "#D55E00"
#: A light veil over what is predicted to be in the mask, red, green and blue, and its opacity at values from 0 (surely
#: outside) over 0.5 (the mask's border) to 1: the lesion must be seen through it.
VEIL, VEIL_OPACITY = (255, 242, 140), ((0.0, 0.0), (0.3, 0.05), (0.5, 0.15), (1.0, 0.25))
#: Okabe and Ito's, which no expert has.
YELLOW = "#F0E442"
#: The reader's own outline; its line is dash and dot.
OWN = YELLOW

# Okabe and Ito's that are seen on grey, then Tol's "muted" ones.
_EXPERTS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#DDCC77", "#88CCEE", "#AA4499", "#44AA99")


def expert_colour(number: int) -> str:
    """Colour of expert ``number`` (from 1); past the last colour they begin again, and the letter tells."""
    return _EXPERTS[(number - 1) % len(_EXPERTS)]


def expert_letter(number: int) -> str:
    """Letter of expert ``number`` (from 1): A, B, ...; AA after Z.

    It names a place in this case's list alone: LIDC's readers are anonymous and change from case to case.
    """
    letter = ""
    while number > 0:
        number, rest = divmod(number - 1, len(ascii_uppercase))
        letter = ascii_uppercase[rest] + letter
    return letter
