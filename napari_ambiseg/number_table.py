"""The numbers of the disagreement dock: which there are, what each means, and how it is written.  Qt-free."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from napari_ambiseg.measures import SampleMeasures
from training.export.spreadsheet import Value, csv_text
from training.metrics.comparison import Estimator
from training.metrics.glossary import SCORES
from training.metrics.resampling import FEWEST

UNDEFINED = "–"
_RANGE_TOOLTIP = (
    "Where 95 % of the GEDs fall if the n samples are drawn anew from themselves, the experts staying as they are. "
    "It tells how far the number hangs on the few samples drawn, not how good the model is"
)
_FLOOR_TOOLTIP = (
    "The floor: what even the true distribution of opinions scores on average, if these experts were independent draws "
    "from it: {formula}, D being their diversity. No bound for a single slice, and experts are not quite independent"
)


@dataclass(frozen=True)
class Number:
    """One line of the table.

    Parameters
    ----------
    name : in what is copied: the score's name in files, where it is one
    title : in front of the value
    tooltip : what it means
    of : the value, or the two ends of a range
    head : whether it is one of the numbers to be read first
    """

    name: str
    title: str
    tooltip: str
    of: Callable[[SampleMeasures], float | tuple[float, float]]
    head: bool = False

    def text(self, measures: SampleMeasures | None) -> str:
        """The value with three decimals, a range with two: always as wide."""
        if measures is None:
            return UNDEFINED
        value = self.of(measures)
        if isinstance(value, tuple):
            needs = f"needs n ≥ {FEWEST}" if measures.pairs is not None else UNDEFINED
            return needs if math.isnan(value[0]) else f"{_written(value[0], 2)} to {_written(value[1], 2)}"
        if math.isnan(value):
            return "needs n > 1" if measures.n == 1 and self.name in ("ged_u", "diversity_model") else UNDEFINED
        return _written(value)


def _score(name: str, of: Callable[[SampleMeasures], float] | None = None, *, head: bool = False) -> Number:
    """A score of the glossary, in its words."""
    score = SCORES[name]
    return Number(name, score.heading, score.about, of or (lambda measures: measures.scores[name]), head)


def _term(sign: str, name: str) -> Number:
    """A term of the GED, as it stands in the sum."""
    score = SCORES[name]
    return Number(name, f"{sign} {score.heading.lower()}", score.about, lambda measures: measures.scores[name])


def _range(estimator: Estimator) -> Number:
    name = f"ged_{estimator.lower()}_range"
    return Number(name, "    95 % range", _RANGE_TOOLTIP, lambda measures: measures.ranges[estimator])


def _best(estimator: Estimator, formula: str) -> Number:
    name, tooltip = f"ged_{estimator.lower()}_floor", _FLOOR_TOOLTIP.format(formula=formula)
    return Number(name, "    best to expect", tooltip, lambda measures: measures.floors[estimator])


GED = (
    Number(
        "2_ged_cross",
        "2 × samples to experts",
        f"Twice this: {SCORES['ged_cross'].about}",
        lambda measures: 2 * measures.cross,
    ),
    _term("−", "ged_samples"),
    _term("−", "ged_experts"),
    replace(_score("ged_v", head=True), title=f"= {SCORES['ged_v'].heading}"),
    _range("V"),
    _best("V", "D/K + D/n"),
    _score("ged_u", head=True),
    _range("U"),
    _best("U", "D/K"),
)

OVERLAP = (
    _score("dice"),
    _score("hm_iou", lambda measures: measures.hm_iou),
    *(_score(name) for name in ("soft_dice", "consensus_dice", "presence_error")),
    *(_score(name) for name in ("diversity_model", "diversity_experts")),
)


def as_csv(key: str, raw: SampleMeasures, cleaned: SampleMeasures | None) -> str:
    """All numbers in full precision, as a table of comma-separated values.

    Parameters
    ----------
    key : of the case
    raw : of the samples as drawn
    cleaned : of the same after post-processing; None where there is none

    Returns
    -------
    A header and one line for each number; a number that is undefined is empty, a range takes two lines, and no text is
    taken for a formula
    """
    columns = [raw] if cleaned is None else [raw, cleaned]
    rows: list[list[Value]] = [["case", *[key] * len(columns)]]
    counts = ("n", "n_empty", "n_experts", "n_found")
    rows += [[name, *(getattr(measures, name) for measures in columns)] for name in counts]
    for number in (*GED, *OVERLAP):
        values = [number.of(measures) for measures in columns]
        ends = [value if isinstance(value, tuple) else (value,) for value in values]
        for at, suffix in enumerate(("_low", "_high") if len(ends[0]) == 2 else ("",)):
            rows.append([number.name + suffix, *(end[at] for end in ends)])
    return csv_text(["number", "as drawn", "post-processed"][: 1 + len(columns)], rows)


def _written(value: float, decimals: int = 3) -> str:
    """With a true minus, and never a negative zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
