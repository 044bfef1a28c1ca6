"""Post-processing in the words of the docks, so that no number is read without it.  No Qt."""

from __future__ import annotations

from training.postprocess import Cleaning


def cleaning_text(cleaning: Cleaning) -> str:
    """What is done, in the order in which it is: "holes filled, relative area 0.80"; "" where that is nothing."""
    return ", ".join(
        (
            *((f"threshold {cleaning.threshold:.2f}".replace("-", "−"),) if cleaning.threshold else ()),
            *(("holes filled",) if cleaning.fill_holes else ()),
            *((f"objects from {cleaning.smallest_object} px",) if cleaning.smallest_object > 1 else ()),
            *((f"relative area {cleaning.relative_area:.2f}",) if cleaning.relative_area else ()),
        )
    )


def after_cleaning(first: Cleaning, second: Cleaning) -> str:
    """What stands above numbers of A and B; "" where both are as drawn.

    The two differ where one of them does not take the threshold.
    """
    one, other = (cleaning_text(cleaning) or "nothing" for cleaning in (first, second))
    if first.is_nothing and second.is_nothing:
        return ""
    return f"after post-processing ({one})" if one == other else f"after post-processing (A: {one}; B: {other})"
