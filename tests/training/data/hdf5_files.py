"""Small HDF5 files that several tests share, and how one is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from training.data.dataset import intensity
from training.data.opening import open_dataset
from training.errors import DataFormatError
from training.records import AnnotatedSlice

LEVELS = np.random.default_rng(5).integers(0, 256, (6, 9, 7), np.uint8)  # N, H, W
MASKS = np.random.default_rng(6).random((6, 9, 7, 3)) > 0.6  # N, H, W, K


def phiseg_file(path, **changes):
    """A small file in PHiSeg's layout with one split, ``train``; a change of None leaves that array out."""
    arrays = {"images": LEVELS, "labels": MASKS.astype(np.uint8), "uids": np.array([4, 4, -2, -2, 7, 7])} | changes
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if values is not None:
                file.create_dataset(f"train/{name}", data=values)
    return path


def made_slices(count=3, shape=(2, 9, 7), prefix="a", seed=0):
    """Slices whose every intensity is k / 255."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        yield AnnotatedSlice(
            intensity(rng.integers(0, 256, shape[1:], np.uint8)),
            rng.random(shape) > 0.5,
            f"patient-{prefix}{index // 2}",
            f"{prefix}/{index}",
            (0.7, 0.1 + index) if index % 2 else None,
        )


def read_all(path):
    with open_dataset(path) as dataset:
        for split in dataset.splits.values():
            split.arrays()


def refusal(path):
    """The one line with which a file is refused, on opening or on reading all of it."""
    with pytest.raises(DataFormatError) as caught:
        read_all(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")
