"""The references that every model is read against: the experts themselves, and predicting nothing.  Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from training import rng
from training.errors import ConfigError
from training.records import AnnotatedSlice, BoolArray, FloatArray, SampleSet
from training.segmenters.interface import SegmentationSampler


@dataclass(frozen=True, eq=False)
class ExpertsOracle:
    """Draws, with replacement, from the masks that the case's own experts drew.

    No model can do better on these annotations: its GED is 0 but for the finite number of samples.
    """

    masks: BoolArray | None = None

    name = "experts"
    provenance: ClassVar[Mapping[str, str | int | float | None]] = {"model": name}

    def given(self, case: AnnotatedSlice) -> ExpertsOracle:
        """The oracle that knows this case's annotations."""
        return ExpertsOracle(case.masks)

    def draw(self, image: FloatArray, n: int, seed: int) -> SampleSet:
        """Draw ``n`` of the experts' masks; see `SegmentationSampler.draw`.

        Raises
        ------
        ConfigError
            If it was not `given` a case that somebody annotated, or n < 1.
        """
        require_samples(n)
        if self.masks is None or not len(self.masks):
            raise ConfigError("the reference 'experts' draws from annotations; give it a case that has them")
        experts = [
            int(rng.generator(seed, rng.Purpose.EXPERT_ORACLE, id_=i).integers(len(self.masks))) for i in range(n)
        ]
        return SampleSet(self.masks[experts], seed, self.provenance)


@dataclass(frozen=True)
class AlwaysEmpty:
    """Says "no lesion" every time: the score that a model must beat."""

    name = "empty"
    provenance: ClassVar[Mapping[str, str | int | float | None]] = {"model": name}

    def given(self, case: AnnotatedSlice) -> AlwaysEmpty:
        """Itself: it needs no annotations."""
        return self

    def draw(self, image: FloatArray, n: int, seed: int) -> SampleSet:
        """``n`` empty masks of the image's shape; see `SegmentationSampler.draw`."""
        require_samples(n)
        return SampleSet(np.zeros((n, *image.shape), bool), seed, self.provenance)


@dataclass(frozen=True)
class Reference:
    """What every model is read against; it needs no weights.

    Parameters
    ----------
    segmenter : draws
    about : one line for a user
    """

    segmenter: SegmentationSampler
    about: str


#: By the name under which they are chosen.
REFERENCES: dict[str, Reference] = {
    ExpertsOracle.name: Reference(
        ExpertsOracle(), "Draws from the masks of this slice's own experts: no model can do better on them."
    ),
    AlwaysEmpty.name: Reference(AlwaysEmpty(), "Never draws a lesion: what every model must beat."),
}

MAX_SAMPLES = 100_000  # far beyond use; a slip of the finger should not take the memory


def require_samples(n: int) -> None:
    """Refuse to draw fewer than one sample, or more than `MAX_SAMPLES`."""
    if not 1 <= n <= MAX_SAMPLES:
        raise ConfigError(f"at least 1 sample must be drawn, and at most {MAX_SAMPLES}, got {n}")
