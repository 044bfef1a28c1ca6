"""What a data set of annotated slices looks like.

``N`` slices of ``H, W`` pixels with ``K`` experts each.  Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from training.errors import ConfigError, DataFormatError
from training.hashing import file_sha256
from training.records import AnnotatedSlice, BoolArray, FloatArray

ImageArray = NDArray[np.uint8] | NDArray[np.float32]
Attribute = str | int | float
ImageType = Literal["uint8", "float32"]  # how images are stored


def white_level(dtype: np.dtype[np.generic]) -> float:
    """The stored value that means intensity 1: 255 for uint8, 1 for float32.

    The only definition of intensity in the program: ``intensity = float32(stored) / white_level``.  Float32
    division is exactly rounded, so a device that applies it gets the same numbers.
    """
    if dtype == np.uint8:
        return 255.0
    if dtype == np.float32:
        return 1.0
    raise DataFormatError(f"images in memory must be uint8 or float32, got {dtype}")


def intensity(images: ImageArray) -> FloatArray:
    """Stored images of any shape as float32 intensities in [0, 1]."""
    return np.divide(images, np.float32(white_level(images.dtype)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class SliceArrays:
    """A whole split in memory, for training.

    Parameters
    ----------
    images : (N, H, W) uint8 in 0..255 or float32 in [0, 1]; `white_level` turns both into intensities
    masks : (N, K, H, W) bool, in any order in memory

    Raises
    ------
    DataFormatError
        On other types, or shapes that do not fit together.
    """

    images: ImageArray
    masks: BoolArray

    def __post_init__(self) -> None:
        white_level(self.images.dtype)
        if self.images.ndim != 3 or self.masks.ndim != 4 or self.masks.dtype != np.bool_:
            raise DataFormatError(
                f"slice arrays: images must be (N, H, W) and masks (N, K, H, W) bool, "
                f"got {self.images.shape} and {self.masks.shape} {self.masks.dtype}"
            )
        if self.masks.shape[:1] + self.masks.shape[2:] != self.images.shape:
            raise DataFormatError(f"slice arrays: masks {self.masks.shape} do not belong to images {self.images.shape}")

    def __len__(self) -> int:
        return len(self.images)


class SliceDataset(Protocol):
    """The slices of one split, read one by one when they are asked for.

    Attributes
    ----------
    keys, patients : N strings each, in the order of the slices
    spacings : N (row, column) sizes of a pixel in millimetres, None where unknown
    """

    keys: tuple[str, ...]
    patients: tuple[str, ...]
    spacings: tuple[tuple[float, float] | None, ...]

    def __getitem__(self, index: int) -> AnnotatedSlice:
        """Read one slice, 0 <= index < N; IndexError otherwise, which is what ends a ``for`` loop."""

    def arrays(self) -> SliceArrays:
        """Read the whole split at once."""

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[AnnotatedSlice]:
        return (self[index] for index in range(len(self)))


class Dataset(Protocol):
    """A file of annotated slices in one or more splits.

    Attributes
    ----------
    path : where it lies
    splits : the splits by name, at least one, none of them empty
    n_experts : K, the same for all slices
    attributes : what the file says about itself (source, licence, how it was made)
    """

    path: Path
    splits: Mapping[str, SliceDataset]
    n_experts: int
    attributes: Mapping[str, Attribute]

    def close(self) -> None:
        """Let go of the file; its splits cannot be read afterwards."""

    def verify(self) -> int:
        """Read everything and compare with the recorded checksums.

        Returns
        -------
        How many arrays were compared; 0 where the file records no checksums.

        Raises
        ------
        DataFormatError
            Naming the first array that is not what was written.
        """

    def split(self, name: str) -> SliceDataset:
        """One split that a user asked for; for an unknown one a ConfigError says what there is."""
        if name not in self.splits:
            raise ConfigError(f"{self.path}: no split {name!r}; choose one of: {', '.join(self.splits)}")
        return self.splits[name]

    def case(self, split: str, index: int) -> AnnotatedSlice:
        """One slice that a user asked for; for an unknown split or index a ConfigError says what there is."""
        slices = self.split(split)
        count = len(slices)
        if not 0 <= index < count:
            raise ConfigError(f"{self.path}: no slice {index} in split {split!r}; it has {count}, so 0 to {count - 1}")
        return slices[index]

    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file itself, the name that results and model cards give it."""
        return file_sha256(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
