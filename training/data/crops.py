"""Random crops that belong to a slice: the random-crop variant of LIDC, 64 of 128 pixels (Sec. 4).

Each slice has one crop, the same wherever the slice stands in a file or batch and whatever is evaluated beside it.
Training draws a new crop at each visit instead, see `training.fit.batches`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from training import rng
from training.data.dataset import SliceArrays, SliceDataset
from training.data.field import Field
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice
from training.rng import Purpose


def crop_offset(key: str, size: tuple[int, int], crop: int, seed: int = 0) -> tuple[int, int]:
    """Where the crop of a slice lies: uniform over all places, a pure function of the arguments.

    Parameters
    ----------
    key : the slice's identifier
    size : (H, W) pixels of the whole slice
    crop : side of the square to cut out, in pixels
    seed : names the set of crops; 0 <= seed < 2^64

    Returns
    -------
    top, left : the square's first row and column, 0 <= top <= H - crop and 0 <= left <= W - crop

    Raises
    ------
    ConfigError
        On a crop without pixels, or an impossible seed.
    DataFormatError
        If the slice is smaller than the crop.
    """
    if crop < 1:
        raise ConfigError(f"a crop of {crop} pixels is impossible; give a side of at least 1")
    if min(size) < crop:
        raise DataFormatError(
            f"slice {key!r}: {size[0]} x {size[1]} pixels cannot be cropped to {crop} x {crop}; "
            f"choose a crop of at most {min(size)}"
        )
    name = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    place = rng.generator(seed, Purpose.SLICE_CROP, id_=name)
    top, left = (int(place.integers(side - crop + 1)) for side in size)
    return top, left


def random_crop(case: AnnotatedSlice, size: int = 64, seed: int = 0) -> AnnotatedSlice:
    """The crop of a slice: image, masks and Hounsfield units cut alike; the key says where.

    Masks may become empty: then the expert sees no lesion in this square.

    Raises
    ------
    ConfigError, DataFormatError
        As `crop_offset`.
    """
    field = _crop(case.key, case.image.shape, size, seed)
    return replace(field.cut(case), key=field.key(case.key))


def _crop(key: str, shape: tuple[int, int], size: int, seed: int) -> Field:
    return Field(*crop_offset(key, shape, size, seed), size, size)


class Cropped(SliceDataset):
    """A split seen through `random_crop`: wherever a split can be read, so can this.

    Parameters
    ----------
    source : the split; its slices share one size, which its first slice tells
    size : side of the crops in pixels
    seed : names the set of crops

    Raises
    ------
    ConfigError, DataFormatError
        As `crop_offset`.
    """

    def __init__(self, source: SliceDataset, size: int = 64, seed: int = 0) -> None:
        self._source, self._size, self._seed = source, size, seed
        whole = source[0].image.shape
        self._fields = [_crop(key, whole, size, seed) for key in source.keys]
        self.keys = tuple(field.key(key) for key, field in zip(source.keys, self._fields, strict=True))
        self.patients = source.patients
        self.spacings = source.spacings

    def __getitem__(self, index: int) -> AnnotatedSlice:
        return random_crop(self._source[index], self._size, self._seed)

    def arrays(self) -> SliceArrays:
        whole = self._source.arrays()
        windows = [field.window for field in self._fields]
        return SliceArrays(
            np.stack([image[window] for image, window in zip(whole.images, windows, strict=True)]),
            np.stack([masks[:, *window] for masks, window in zip(whole.masks, windows, strict=True)]),
        )
