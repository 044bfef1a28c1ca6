"""What the layers of ours are for, and how one is known.

Every layer of ours carries ``metadata["ambiseg"] = {"role": ..., ...}``, by which `book.LayerBook` finds it: a user may
rename, recolour, move or delete any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KEY = "ambiseg"

IMAGE = "image"
MAP = "map"  # the one map that is on: votes, variance, difference, ...
TRAJECTORY = "trajectory"
SAMPLES = "samples"  # outlines of the samples, and of what they were before post-processing
EXPERTS = "experts"  # outlines of all experts, or what they agree on
FIELD = "field"  # the square that the model looks at, on a slice larger than that
READING = "reading"  # what the user draws
ORDER = (IMAGE, TRAJECTORY, MAP, SAMPLES, EXPERTS, FIELD, READING)  # bottom to top

# Written by the reader and the sample data into what they return: napari opened it, and nobody browses it yet.
OPENED = "opened"

LayerData = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class Origin:
    """Where a case comes from: a file's path or the demo's name, the split, and the index in it."""

    source: str
    split: str
    index: int
