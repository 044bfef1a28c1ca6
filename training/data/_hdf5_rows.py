"""The rows of an HDF5 array that lie in the file as they are: read by their place, past HDF5's machinery.

One slice takes h5py some 25 microseconds of its own for each array; a read at a known place takes a few.
"""

from __future__ import annotations

import math
import os
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


class RawRows:
    """Rows of one size at known places of an open file.

    Parameters
    ----------
    descriptor : of the file, which stays HDF5's to close
    places : (N,) where each row begins
    dtype, row : type and shape of a row as stored
    """

    def __init__(self, descriptor: int, places: NDArray[np.int64], dtype: np.dtype[Any], row: tuple[int, ...]) -> None:
        self._descriptor, self._dtype, self._row = descriptor, dtype, row
        self._bytes = math.prod(row) * dtype.itemsize
        self._places = places.tolist()
        # Where a run of rows that follow each other ends: read at once, they cost one call.
        breaks = np.flatnonzero(np.diff(places) != self._bytes) + 1
        self._run_end = np.repeat(np.append(breaks, len(places)), np.diff([0, *breaks, len(places)])).tolist()

    def read(self, first: int, stop: int) -> NDArray[Any]:
        """Rows ``first`` to ``stop``; OSError if the file ends before they do."""
        rows = np.empty((stop - first, *self._row), self._dtype)
        target = memoryview(rows.reshape(-1).view(np.uint8).data)
        at = first
        while at < stop:
            end = min(self._run_end[at], stop)
            part = target[(at - first) * self._bytes : (end - first) * self._bytes]
            self._fill(part, self._places[at])
            at = end
        return rows

    def _fill(self, part: memoryview, place: int) -> None:
        while part:
            count = os.preadv(self._descriptor, [part], place)
            if count == 0:
                raise OSError(f"the file ends at byte {place}, within the data")
            part, place = part[count:], place + count


def raw_rows(array: h5py.Dataset) -> RawRows | None:
    """The rows of an array that is stored without filters, contiguous or one row to a chunk.

    None if it is stored in another way, not all of it is written, or the system cannot read at a place.
    """
    plan, size = array.id.get_create_plist(), math.prod(array.shape[1:]) * array.dtype.itemsize
    file = array.file.id
    if (
        not hasattr(os, "preadv")
        or array.dtype.kind not in "biuf"
        or plan.get_nfilters()
        or size == 0
        or file.get_create_plist().get_userblock()
        or file.get_access_plist().get_driver() != h5py.h5fd.SEC2
    ):
        return None
    places = _contiguous(array, size) if array.chunks is None else _chunked(array)
    if places is None or int(places.max()) + size > file.get_filesize():
        return None
    return RawRows(file.get_vfd_handle(), places, array.dtype, array.shape[1:])


def _contiguous(array: h5py.Dataset, size: int) -> NDArray[np.int64] | None:
    place = array.id.get_offset()
    if place is None or array.id.get_storage_size() < size * len(array):
        return None
    return np.int64(place) + np.arange(len(array), dtype=np.int64) * size


def _chunked(array: h5py.Dataset) -> NDArray[np.int64] | None:
    if array.chunks != (1, *array.shape[1:]):
        return None
    places = np.full(len(array), -1, np.int64)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        if chunk.filter_mask == 0 and chunk.chunk_offset[0] < len(places):
            places[chunk.chunk_offset[0]] = chunk.byte_offset

    array.id.chunk_iter(note)
    return places if places.min() >= 0 else None
