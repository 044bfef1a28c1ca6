"""What a form is: something on disk that annotated slices can be read from, one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from training.data.dataset import Attribute, ImageType
from training.data.splits import Unit
from training.data.window import AUTO
from training.records import AnnotatedSlice

__all__ = ["LIDC_EXPERTS", "MAX_SIDE", "Form", "Found", "Options", "Tally", "Unit", "UnusableError"]

#: The reason, wherever it is found.
NOT_DRAWN = "no expert drew anything"

#: The number of reads that LIDC-IDRI's protocol asked for; fewer are filled up with empty masks.
LIDC_EXPERTS = 4

#: Pixels, or voxels, of the longest side that is read.
MAX_SIDE = 4096


class UnusableError(Exception):
    """Why a slice, a file or a series is left out; the text fits any of them."""


@dataclass(frozen=True)
class Options:
    """What may be chosen about a conversion.  A form looks at what concerns it.

    Parameters
    ----------
    window : which stored values become 0 and 1, as `training.data.window` reads it
    shift_masks : move masks by (-1, -1) pixels against the image, as in the published LIDC pickle
    size : side in pixels that slices are cut to around their centre; None leaves them as they are.  For
        TCIA's larger slices it is around the masks' centroids, and 128 if None
    keep_empty : keep slices on which no expert drew anything
    random_crop : side in pixels of a random crop of each slice (the paper's harder variant); None for none
    crop_seed : with the slice's key, names its crop
    """

    window: str = AUTO
    shift_masks: bool = False
    size: int | None = None
    keep_empty: bool = False
    random_crop: int | None = None
    crop_seed: int = 0


@dataclass(frozen=True, eq=False)
class Found:
    """One slice that a form holds; ``unit`` is one of the form's `Form.units`."""

    case: AnnotatedSlice
    unit: Unit


@dataclass
class Tally:
    """What was left out of a conversion, and what was kept but is worth knowing; each with its reason.

    A reason is a short sentence that fits any number of slices, such as ``no expert drew anything``.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # the first key or file of each reason

    def drop(self, reason: str, what: str, count: int = 1) -> None:
        """Count something (a slice, a file, an outline) that is not in the result; ``what`` names it."""
        self.dropped[reason] += count
        self.examples.setdefault(reason, what)

    def note(self, reason: str, what: str, count: int = 1) -> None:
        """Count something that is in the result, but not as it was found."""
        self.noted[reason] += count
        self.examples.setdefault(reason, what)

    def add(self, other: Tally) -> None:
        """Count all that another tally has."""
        self.dropped.update(other.dropped)
        self.noted.update(other.noted)
        self.examples = {**other.examples, **self.examples}


class Form(Protocol):
    """A form of annotated slices on disk.

    Making one looks at the source: its structure, where cheap all of its names, and a few of its
    images at most.

    Attributes
    ----------
    name : how ``--layout`` calls it
    summary : one line on what it is, for the viewer's offer
    choices : which of ``window`` and ``shift_masks`` mean something for it; the other options are never refused
    image_type : whether all images are k / 255 with whole k (``uint8``), or not (``float32``)
    keeps_empty : whether slices that nobody drew on are there on purpose, and stay without being asked for
    attributes : what the converted file should say about its source (licence, window, ...)

    Raises
    ------
    DataFormatError
        If the source as a whole is not what it should be.  Whatever concerns a single slice alone
        (unreadable, wrong size, grey values in a mask) is dropped, with its reason, by `read`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    choices: ClassVar[frozenset[str]]
    image_type: ImageType
    keeps_empty: bool = False
    attributes: Mapping[str, Attribute]

    def __init__(self, path: Path, options: Options) -> None: ...

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether ``path`` looks like this form: a cheap look at names or first bytes that never raises."""

    def units(self) -> Sequence[Unit]:
        """Every unit that has slices here, in any order; known before any of them is read."""

    def __len__(self) -> int:
        """About how many slices `read` will go through, for the progress."""

    def read(self, tally: Tally) -> Iterator[Found]:
        """Every slice once, lazily and always in the same order, all of one number of experts.

        What cannot be used goes to the tally instead.
        """
