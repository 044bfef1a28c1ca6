"""What anything that draws masks for an image looks like.  Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from training.records import AnnotatedSlice, FloatArray, SampleSet, Step


@runtime_checkable
class SegmentationSampler(Protocol):
    """A segmenter: draws plausible masks for an image.

    The diffusion model, the baselines and the references (the experts' oracle, always-empty) are all of this
    kind, so that evaluation and the viewer treat them alike.
    """

    @property
    def name(self) -> str:
        """What the user calls it: a shipped name or a checkpoint's path."""

    @property
    def provenance(self) -> Mapping[str, str | int | float | None]:
        """What a sample set that it draws records about where it comes from; plain JSON values."""

    def given(self, case: AnnotatedSlice) -> SegmentationSampler:
        """The segmenter for this case.

        Models need only the image and return themselves; the experts' oracle needs the annotations too.
        """

    def draw(self, image: FloatArray, n: int, seed: int) -> SampleSet:
        """Draw ``n`` masks for one image of shape (H, W), float32 in [0, 1].

        Sample ``i`` depends on (image, ``seed``, ``i``) alone.
        """


@runtime_checkable
class StepwiseSampler(SegmentationSampler, Protocol):
    """A segmenter that draws in steps which can be watched."""

    @property
    def n_steps(self) -> int:
        """Reverse steps; a walk has one state more."""

    def walk(
        self, image: FloatArray, n: int, seed: int, *, between: Callable[[], None] = lambda: None
    ) -> Iterator[Step]:
        """Yield ``n_steps + 1`` states, lazily; the last one holds the masks that `draw` returns.

        Stopping is just not asking for the next one.  A state of many samples takes several network calls:
        ``between`` is called before each of them, and what it raises comes through and ends the walk.
        """
