"""The numbers of one case: all scores of the glossary, and the range of its GED."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from training.metrics import ged_interval, tally
from training.metrics.glossary import NAMES
from training.records import BoolArray


@dataclass(frozen=True)
class CaseScores:
    """The scores of one set of masks beside the experts.

    Parameters
    ----------
    n : how many masks
    values : every score by its name in `training.metrics.glossary`, NaN where undefined
    ranges : (low, high) of 95 % for those scores that have one: "ged_v" and "ged_u", see `ged_interval`
    """

    n: int
    values: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, masks: BoolArray, experts: BoolArray) -> CaseScores:
        """Score masks (N, H, W) against the experts' (K, H, W)."""
        counted = tally(masks, experts)
        pairs = counted.first().pairs
        ranges = {"ged_v": ged_interval(pairs, "V"), "ged_u": ged_interval(pairs, "U")}
        return cls(len(masks), dict(zip(NAMES, counted.scores().tolist(), strict=True)), ranges)

    def range_of(self, name: str) -> tuple[float, float]:
        """The range of a score, NaN where there is none."""
        return self.ranges.get(name, (math.nan, math.nan))
