"""The checksum of one array of an HDF5 file, made block by block while it is written or read."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKED = "bits:"  # begins the checksum of an array of 0 and 1, of which the bits are hashed and not the bytes


class Checksum:
    """SHA-256 of an array's bytes, row after row, and of its type and shape.

    An array of 0 and 1 is hashed at one bit a value, each row padded with zeros to whole bytes (`numpy.packbits`): an
    eighth of the work, on which loading masks would wait otherwise.  A value other than 0 and 1 spoils it.

    Parameters
    ----------
    packed : whether it is of bits
    """

    def __init__(self, *, packed: bool = False) -> None:
        self._packed = packed
        self._digest = hashlib.sha256()

    def update(self, block: NDArray[Any]) -> None:
        """Take in the next rows."""
        if not self._packed:
            self._digest.update(np.ascontiguousarray(block).data)
            return
        if block.dtype != np.uint8 or (block.size and block.max() > 1):
            self._digest.update(b"neither 0 nor 1")
        else:
            self._digest.update(np.packbits(block.reshape(len(block), -1), axis=1).data)

    def text(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
        """The checksum after all rows of an array of this type and shape.

        A flipped bit in the file's header can make integers of floats without touching a byte of the data, so type and
        shape are hashed as well, spelled such as ``<f8 (20, 2)``.
        """
        self._digest.update(f"{dtype.str} {tuple(map(int, shape))}".encode())
        return PACKED * self._packed + self._digest.hexdigest()


def checksum_of(values: NDArray[Any]) -> str:
    """The checksum of a whole array that is not of 0 and 1."""
    checksum = Checksum()
    checksum.update(values)
    return checksum.text(values.dtype, values.shape)
