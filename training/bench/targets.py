"""What was promised of a GPU: numbers that a measurement either reaches or does not.  Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A number that was promised.

    Parameters
    ----------
    key : what findings call it
    what : is measured
    unit : of the number
    limit : that it must keep
    at_least : whether larger is better
    then : where to go once the limit is kept
    is_speed : whether it depends on the machine, and says nothing of whether results are right
    """

    key: str
    what: str
    unit: str
    limit: float
    at_least: bool = False
    then: float | None = None
    is_speed: bool = False

    def is_met(self, value: float) -> bool:
        """Never by NaN."""
        return value >= self.limit if self.at_least else value <= self.limit

    def wish(self) -> str:
        """The limit in words, such as ``at most 12 ms, then 5``."""
        bound = "at least" if self.at_least else "at most"
        unit = f" {self.unit}" * bool(self.unit)
        return f"{bound} {self.limit:g}{unit}" + ("" if self.then is None else f", then {self.then:g}")


@dataclass(frozen=True)
class Finding:
    """What was measured of a target.

    Parameters
    ----------
    target : its key
    value : in its unit
    judged : whether it was measured as it was promised; a target of a GPU says nothing of a CPU or a small network
    counted_limit : the least that the hardware can take (`training.bench.counted_limit`), in the same unit; None where
        none was counted
    """

    target: str
    value: float
    judged: bool = True
    counted_limit: float | None = None

    @property
    def verdict(self) -> str:
        """``met``, ``not met`` or ``not judged``."""
        if not self.judged:
            return "not judged"
        return "met" if TARGETS[self.target].is_met(self.value) else "not met"

    def line(self) -> str:
        """For a terminal."""
        target = TARGETS[self.target]
        limit = "" if self.counted_limit is None else f"; the counted limit is {self.counted_limit:.3g}"
        value = "undefined" if math.isnan(self.value) else f"{self.value:.3g}"
        return f"{target.what}: {value} {target.unit} ({target.wish()}{limit}) -- {self.verdict}".replace("  ", " ")


_FLIPS = "pixels of a million"
_ALL = (
    Target("device-tests", "tests of the device that fail", "", 0),
    Target("same-fp32", "masks of the GPU beside the CPU's, float32: flipped", _FLIPS, 10),
    Target("same-bf16", "masks of the GPU beside the CPU's, bfloat16: flipped", _FLIPS, 500),
    Target("graph", "numbers that differ between a captured walk and a plain one", "", 0),
    Target("split-fp32", "other batches, and memory that runs out, float32: flipped", _FLIPS, 10),
    Target("split-bf16", "other batches, and memory that runs out, bfloat16: flipped", _FLIPS, 500),
    Target("losses-fp32", "200 training steps beside the CPU's, float32: their losses apart", "of what is allowed", 1),
    Target("losses-bf16", "200 training steps beside the CPU's, as users train: their losses apart", "%", 2),
    Target("memory-unload", "memory of the device still held when the model is unloaded", "MiB", 0),
    Target("memory-process", "memory of the device missing when the sampling process ended", "MiB", 16),
    Target("sampling-16", "16 masks in 10 steps at 128 x 128", "ms", 12, then=5, is_speed=True),
    Target("sampling-256", "256 masks in 10 steps at 128 x 128: share of the counted limit", "%", 20, True, 35, True),
    Target("training-step", "one training step of 8 slices at 128 x 128", "ms", 3, then=1.5, is_speed=True),
    Target("waiting", "time that making batches adds to training", "%", 5, is_speed=True),
    Target("scoring", "time that reading and scoring add to drawing in an evaluation", "%", 5, is_speed=True),
    Target("evaluation", "2,827 slices x 16 masks, scored raw and post-processed", "s", 60, is_speed=True),
)
TARGETS: Mapping[str, Target] = {target.key: target for target in _ALL}
