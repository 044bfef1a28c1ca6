"""The numbers of the disagreement dock: which there are, what each means, and how it is written.  Qt-free."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

from napari_ambiseg.measures import SampleMeasures
from training.metrics.resampling import FEWEST

UNDEFINED = "–"
_RANGE_TOOLTIP = (
    "Where 95 % of the GEDs fall if the {n} samples are drawn anew from themselves, the experts staying as they are. "
    "It tells how far the number hangs on the few samples drawn, not how good the model is"
)
_FLOOR_TOOLTIP = (
    "What even the true distribution of opinions scores on average, if these experts were independent draws from it: "
    "{formula}, D being their diversity. No bound for a single slice, and experts are not quite independent"
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


def _score(name: str) -> Callable[[SampleMeasures], float]:
    return lambda measures: measures.scores[name]


GED = (
    Number(
        "2_ged_cross",
        "2 × samples to experts",
        "Twice the mean of 1 − IoU over all pairs of a sample and an expert",
        lambda measures: 2 * measures.cross,
    ),
    Number(
        "ged_samples",
        "− among samples",
        "Mean of 1 − IoU over all pairs of samples, each with itself too",
        _score("ged_samples"),
    ),
    Number(
        "ged_experts",
        "− among experts",
        "Mean of 1 − IoU over all pairs of experts, each with itself too: E[d(y, y')]",
        _score("ged_experts"),
    ),
    Number(
        "ged_v",
        "= GED (V)",
        "How far the samples, as a set, are from the experts: 0 is the same opinions, equally often. V keeps each "
        "sample's pair with itself: it is what papers print, and it falls with n",
        _score("ged_v"),
        head=True,
    ),
    Number("ged_v_range", "    95 % range", _RANGE_TOOLTIP.format(n="n"), lambda measures: measures.ranges["V"]),
    Number(
        "ged_v_floor",
        "    floor, if independent",
        _FLOOR_TOOLTIP.format(formula="D/K + D/n"),
        lambda measures: measures.floors["V"],
    ),
    Number(
        "ged_u",
        "GED (U)",
        "The same without the samples' pairs with themselves: one number whatever n is. May fall a little below 0",
        _score("ged_u"),
        head=True,
    ),
    Number("ged_u_range", "    95 % range", _RANGE_TOOLTIP.format(n="n"), lambda measures: measures.ranges["U"]),
    Number(
        "ged_u_floor",
        "    floor, if independent",
        _FLOOR_TOOLTIP.format(formula="D/K"),
        lambda measures: measures.floors["U"],
    ),
)

OVERLAP = (
    Number(
        "dice",
        "Dice, mean of all pairs",
        "How much a sample and an expert overlap, over all pairs; two empty masks count 1. A model that always draws "
        "the experts' mean can beat one that draws all their opinions: read it beside the diversity",
        _score("dice"),
    ),
    Number(
        "hm_iou",
        "Hungarian IoU",
        "Samples and experts are paired one to one, as well as possible: their mean IoU. High if each opinion is drawn "
        "about as often as it is held",
        lambda measures: measures.hm_iou,
    ),
    Number(
        "soft_dice",
        "Soft dice",
        "How much the two maps of votes overlap, cut at five levels",
        _score("soft_dice"),
    ),
    Number(
        "consensus_dice",
        "Consensus dice",
        "How much the region of most samples overlaps with that of most experts; half is no majority",
        _score("consensus_dice"),
    ),
    Number(
        "presence_error",
        "Presence error",
        "How far the share of samples that show a lesion is from the share of experts who see one; 0 is best",
        _score("presence_error"),
    ),
    Number(
        "diversity_model",
        "Diversity of the samples",
        "Mean of 1 − IoU over all pairs of different samples: a good model is as divided as the experts",
        _score("diversity_model"),
    ),
    Number(
        "diversity_experts",
        "Diversity of the experts",
        "Mean of 1 − IoU over all pairs of different experts; undefined for one",
        _score("diversity_experts"),
    ),
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
    A header and one line for each number; a number that is undefined is empty, a range takes two lines
    """
    columns = [raw] if cleaned is None else [raw, cleaned]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["number", "as drawn", "post-processed"][: 1 + len(columns)])
    writer.writerow(["case", *[key] * len(columns)])
    for name in ("n", "n_empty", "n_experts", "n_found"):
        writer.writerow([name, *(getattr(measures, name) for measures in columns)])
    for number in (*GED, *OVERLAP):
        values = [number.of(measures) for measures in columns]
        ends = [value if isinstance(value, tuple) else (value,) for value in values]
        for at, suffix in enumerate(("_low", "_high") if len(ends[0]) == 2 else ("",)):
            writer.writerow([number.name + suffix, *("" if math.isnan(end[at]) else repr(end[at]) for end in ends)])
    return out.getvalue()


def _written(value: float, decimals: int = 3) -> str:
    """With a true minus, and never a negative zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
