"""The numbers of two runs of one case beside each other.  No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari_ambiseg.measures import SampleMeasures
from training.metrics.glossary import SCORES

_AREA = "Mean area"

# Name, what it means, the number, decimals.
_ROWS: tuple[tuple[str, str, Callable[[SampleMeasures], float], int], ...] = (
    *(
        (SCORES[name].heading, SCORES[name].about, take, 3)
        for name, take in (
            ("ged_v", lambda one: one.ged_v),
            ("ged_u", lambda one: one.ged_u),
            ("dice", lambda one: one.scores["dice"]),
            ("hm_iou", lambda one: one.hm_iou),
            ("diversity_model", lambda one: one.scores["diversity_model"]),
            ("empty_model", lambda one: one.n_empty / one.n),
        )
    ),
    (
        _AREA,
        "Mean area of the samples, in mm² where the spacing is known, else pixels",
        lambda one: float(one.areas.mean()),
        1,
    ),
    ("n", "How many samples; V falls with n by itself, so compare runs of equal n", lambda one: one.n, 0),
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    name, about : of the number, and what it means
    first, second : of A and of B; NaN where it is undefined, None where there is no such run
    decimals : of both, and so of their difference
    unit : of both; "" for none
    """

    name: str
    about: str
    first: float | None
    second: float | None
    decimals: int = 3
    unit: str = ""


def comparison_rows(first: SampleMeasures | None, second: SampleMeasures | None, area: str) -> tuple[Row, ...]:
    """One row for each number.

    Parameters
    ----------
    first, second : of A and of B; None where there is no such run
    area : the unit of their areas
    """
    return tuple(
        Row(
            name,
            about,
            None if first is None else take(first),
            None if second is None else take(second),
            decimals,
            area if name == _AREA else "",
        )
        for name, about, take, decimals in _ROWS
    )
