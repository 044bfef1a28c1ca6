"""A case with the masks that were drawn for it: what every form of output is made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training.data.field import Field
from training.errors import DataFormatError
from training.export.geometry import Geometry
from training.export.own_reading import OwnReading
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, BoolArray, SampleSet, Trajectory, require_masks


@dataclass(frozen=True, eq=False)
class NamedMask:
    """One mask of the whole slice.

    Parameters
    ----------
    kind : "expert", "sample" or "cleaned" (a sample after post-processing)
    number : counted from 1 within its kind
    mask : (H, W) bool
    """

    kind: str
    number: int
    mask: BoolArray


@dataclass(frozen=True, eq=False)
class DrawnCase:
    """A case, its experts and the masks of a model.

    Parameters
    ----------
    case : the whole slice
    samples : the drawn masks, of the field where there is one, else of the whole slice
    trajectory : every step of the draw, in the samples' pixels
    cleaned : (N, H, W) bool, the same masks after post-processing
    cleaning : how they were post-processed
    field : the part of the slice that the model looked at; None is all of it
    geometry : where the slice lies; None is `Geometry.of_case`
    steps : index of each state of the trajectory in the walk, where not all of them were kept
    n_steps : of the whole walk, where the trajectory breaks off before its end
    reading : what the reader of the case drew, where somebody did
    flag, note : how the reader marked the case, and what was written about it; "" where there is none

    Raises
    ------
    DataFormatError
        If the arrays do not fit each other.
    """

    case: AnnotatedSlice
    samples: SampleSet
    trajectory: Trajectory | None = None
    cleaned: BoolArray | None = None
    cleaning: Cleaning = Cleaning()
    field: Field | None = None
    geometry: Geometry | None = None
    steps: tuple[int, ...] = ()
    n_steps: int = 0
    reading: OwnReading | None = None
    flag: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        where = self.case.image.shape if self.field is None else (self.field.height, self.field.width)
        if self.samples.masks.shape[1:] != where:
            raise DataFormatError(
                f"the masks of {self.case.key!r} must have the size {where[0]} x {where[1]} of "
                f"{'the slice' if self.field is None else 'the field'}, got {self.samples.masks.shape}"
            )
        if self.cleaned is not None:
            require_masks(self.cleaned, "post-processed masks")
            if self.cleaned.shape != self.samples.masks.shape:
                raise DataFormatError(
                    f"there must be one post-processed mask for each drawn one, {self.samples.masks.shape}, "
                    f"got {self.cleaned.shape}"
                )
        if self.trajectory is not None and self.trajectory.x_t.shape[1:] != self.samples.masks.shape:
            raise DataFormatError(
                f"the trajectory must be of the drawn masks, {self.samples.masks.shape}, "
                f"got {self.trajectory.x_t.shape[1:]}"
            )
        if self.reading is not None and self.reading.mask.shape != self.case.image.shape:
            raise DataFormatError(
                f"the reader's outline of {self.case.key!r} must have the size of the slice, "
                f"{self.case.image.shape}, got {self.reading.mask.shape}"
            )
        if self.trajectory is not None and self.steps and len(self.steps) != len(self.trajectory.t):
            raise DataFormatError(
                f"there must be one index for each of {len(self.trajectory.t)} states, got {len(self.steps)}"
            )

    @property
    def seen(self) -> AnnotatedSlice:
        """What the model looked at: the slice within the field."""
        return self.case if self.field is None else self.field.cut(self.case)

    @property
    def own_mask(self) -> BoolArray | None:
        """What the reader drew of what the model looked at; None where nobody read the case."""
        if self.reading is None:
            return None
        return self.reading.mask if self.field is None else self.reading.mask[self.field.window]

    def on_slice(self, masks: BoolArray) -> BoolArray:
        """(N, H, W) bool, masks of the field at their place in the whole slice."""
        return masks if self.field is None else self.field.paste(masks, self.case.image.shape)

    @property
    def place(self) -> Geometry:
        return self.geometry or Geometry.of_case(self.case)

    def named_masks(self) -> Iterator[NamedMask]:
        """All masks of the whole slice: experts, samples, and the samples after post-processing."""
        sets = [("expert", self.case.masks), ("sample", self.on_slice(self.samples.masks))]
        if self.cleaned is not None:
            sets.append(("cleaned", self.on_slice(self.cleaned)))
        for kind, masks in sets:
            for number, mask in enumerate(masks, start=1):
                yield NamedMask(kind, number, mask)
