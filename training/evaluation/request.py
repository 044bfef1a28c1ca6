"""What an evaluation is asked for: by this a finished or interrupted one is recognised.  Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.evaluation.cases import Plan

FORMAT = 2

# What decides about the numbers.  Names and paths do not: a model and a file are what their SHA-256 says.
_DECIDES = ("format", "data_sha256", "split", "crop", "cases", "sampling", "seed", "samples", "postprocess")
# What decides about them too, but is not the user's to choose.
_PROGRAM = ("made_with", "git_commit")


@dataclass(frozen=True)
class Request:
    """One evaluation, before it is done.

    Parameters
    ----------
    segmenter, data : as the user calls them
    data_sha256, split : what is scored on
    cases : the first so many slices of the split
    crop : size and seed of the random crops, None for whole slices
    sampling : how masks are drawn; plain JSON values
    plan : what is scored of each case
    made_with, git_commit : versions of the packages, and of this program
    """

    segmenter: str
    data: str
    data_sha256: str
    split: str
    cases: int
    crop: Mapping[str, int] | None
    sampling: Mapping[str, str | int | float | None]
    plan: Plan
    made_with: Mapping[str, str]
    git_commit: str | None

    def heading(self) -> dict[str, Any]:
        """What the summary begins with; plain JSON values."""
        return {
            "format": FORMAT,
            "segmenter": self.segmenter,
            "data": self.data,
            "data_sha256": self.data_sha256,
            "split": self.split,
            "crop": None if self.crop is None else dict(self.crop),
            "sampling": dict(self.sampling),
            "seed": self.plan.seed,
            "samples": list(self.plan.samples),
            "postprocess": list(self.plan.postprocess),
            "made_with": dict(self.made_with),
            "git_commit": self.git_commit,
        }

    def fingerprint(self) -> dict[str, Any]:
        """What has to be equal for two evaluations to give the same numbers; plain JSON values."""
        return fingerprint(self.heading() | {"cases": self.cases})


def fingerprint(summary: Mapping[str, Any]) -> dict[str, Any]:
    """`Request.fingerprint` of the evaluation that a summary is of; what is missing is None."""
    found = {name: summary.get(name) for name in (*_DECIDES, *_PROGRAM)}
    sampling = found["sampling"]
    if isinstance(sampling, dict) and "model_sha256" in sampling:
        found["sampling"] = {name: value for name, value in sampling.items() if name != "model"}
    return found


def without_program(found: Mapping[str, Any]) -> dict[str, Any]:
    """A fingerprint less the versions of what computed."""
    return {name: value for name, value in found.items() if name not in _PROGRAM}


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first thing in which two fingerprints differ, in words; None if they are equal."""
    old, new = _flat(then), _flat(now)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            return f"{name} = {json.dumps(old.get(name))}, now {json.dumps(new.get(name))}"
    return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
