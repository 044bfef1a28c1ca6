"""One split of an HDF5 file: its arrays, checked, and its slices, read one by one or all at once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from training.data._hdf5_checksum import PACKED, Checksum
from training.data._hdf5_guard import damage_named, names_in
from training.data._hdf5_rows import RawRows, raw_rows
from training.data.dataset import ImageArray, ImageType, SliceArrays, SliceDataset, intensity
from training.errors import DataFormatError
from training.records import AnnotatedSlice, BoolArray, ShortArray

BLOCK_BYTES = 8 * 2**20  # read at once; larger blocks are no faster
ROUNDING = 1e-6  # how far beyond the ends of its range a float image may lie
MAX_TEXT = 1024  # bytes of one key or patient identifier
MAX_SLICES = 4_000_000  # a made-up key each is some hundred megabytes


class Column:
    """One array of a split, which knows its place in the file for messages."""

    def __init__(self, path: Path, array: h5py.Dataset, checksums: Mapping[str, str]) -> None:
        self.array = array
        self.name = array.name.lstrip("/")
        self._quoted = repr(self.name)
        self.place = f"{path}: {self._quoted}"
        self.path, self.checksum = path, checksums.get(self.name)

    def read(self, first: int, stop: int) -> NDArray[Any]:
        """Rows ``first`` to ``stop`` as they are stored."""
        with damage_named(self.path, self._quoted):
            return np.asarray(self.array[first:stop]) if self._raw is None else self._raw.read(first, stop)

    @cached_property
    def _raw(self) -> RawRows | None:
        return raw_rows(self.array)

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """All rows in order, in blocks with their first index; ends with the comparison of the checksum."""
        count, *row = self.array.shape
        rows = max(1, BLOCK_BYTES // max(1, math.prod(row) * self.array.dtype.itemsize))
        chunk = self.array.chunks[0] if self.array.chunks else 1
        rows = -(-rows // chunk) * chunk  # else chunks across a border would be decompressed twice
        checksum = Checksum(packed=(self.checksum or "").startswith(PACKED))
        # In a thread beside, up to two blocks behind: a checksum takes half as long as all else that is done here.
        with ThreadPoolExecutor(1) as beside:
            behind: deque[Future[None]] = deque()
            for first in range(0, count, rows):
                block = self.read(first, min(first + rows, count))
                if self.checksum is not None:
                    behind.append(beside.submit(checksum.update, block))
                yield first, block
                if len(behind) > 2:
                    behind.popleft().result()
            for update in behind:
                update.result()
        if self.checksum is not None and checksum.text(self.array.dtype, self.array.shape) != self.checksum:
            raise DataFormatError(
                f"{self.place} is not what was written (its SHA-256 differs); copy or make the file again"
            )

    def values(self) -> NDArray[Any]:
        """The whole of a short array."""
        return np.concatenate([block for _, block in self.blocks()])

    def texts(self) -> tuple[str, ...]:
        """The whole of a text array, or of a numeric one as text."""
        kind = self.array.dtype.kind
        if kind in "iu":
            return tuple(str(value) for value in self.values())
        if kind != "S" and h5py.check_string_dtype(self.array.dtype) is None:
            raise DataFormatError(f"{self.place} must be text or whole numbers, got {self.array.dtype}")
        with damage_named(self.path, f"{self.name!r}"):
            if kind == "S":
                raw = list(self.values())
            else:
                # One by one: a thousand references may all point to one huge text.
                raw = [self._short(self.array[index], index) for index in range(self.array.shape[0])]
            return tuple(bytes(value).decode() for value in raw)

    def _short(self, value: bytes, index: int) -> bytes:
        if len(value) > MAX_TEXT:
            raise DataFormatError(f"{self.place}[{index}] has {len(value)} bytes; at most {MAX_TEXT} are read")
        return value


class Hdf5Split(SliceDataset):
    """One group of the file.

    Attributes
    ----------
    n_experts : K
    has_patients : whether the file says whose slices they are
    image_type : how the project's own writer would store these images
    offset : what is added to a stored float to give the intensity; 0.5 for PHiSeg's range
    """

    offset: float = 0.0

    def __init__(self, path: Path, group: h5py.Group, checksums: Mapping[str, str]) -> None:
        with damage_named(path, f"group {group.name!r}"):
            columns = {
                name: Column(path, array, checksums) for name, array in group.items() if isinstance(array, h5py.Dataset)
            }
            for name in ("images", "labels"):
                if name not in columns:
                    raise DataFormatError(
                        f"{path}: group {group.name!r} has no data set {name!r}; it has: {names_in(group)}"
                    )
            self.images, self.labels = columns["images"], columns["labels"]
            self._experts_last, self.n_experts = _expert_axis(self.images, self.labels)
            self.image_type: ImageType = "uint8" if self.images.array.dtype == np.uint8 else "float32"
            self._hounsfield = columns.get("hounsfield")
            _check_hounsfield(self._hounsfield, self.images)
            count = self.images.array.shape[0]
            for name in ("keys", "patient_ids", "uids", "pixel_spacing_mm"):
                shapes = ((count,), (count, 2)) if name == "pixel_spacing_mm" else ((count,),)
                if name in columns and columns[name].array.shape not in shapes:
                    raise DataFormatError(
                        f"{columns[name].place} must have shape {' or '.join(map(str, shapes))}, "
                        f"one row per image, got {columns[name].array.shape}"
                    )
        split = group.name.lstrip("/")
        made = tuple(f"{split}/{index:06d}" for index in range(count))
        self.keys = columns["keys"].texts() if "keys" in columns else made
        self.has_patients = "patient_ids" in columns
        if self.has_patients:
            self.patients = columns["patient_ids"].texts()
        elif "uids" in columns:
            self.patients = tuple(f"uid-{uid}" for uid in columns["uids"].texts())
        else:
            self.patients = self.keys  # nothing says which slices belong together: each is its own patient
        self.spacings = _spacings(columns["pixel_spacing_mm"]) if "pixel_spacing_mm" in columns else (None,) * count

    def __getitem__(self, index: int) -> AnnotatedSlice:
        if not 0 <= index < len(self):
            raise IndexError(f"no slice {index} among {len(self)}")
        image = self._images(self.images.read(index, index + 1), index)[0]
        masks = np.ascontiguousarray(self._masks(self.labels.read(index, index + 1), index)[0])
        units: ShortArray | None = None
        if self._hounsfield is not None:
            units = self._hounsfield.read(index, index + 1)[0]
        return AnnotatedSlice(
            intensity(image), masks, self.patients[index], self.keys[index], self.spacings[index], units
        )

    @property
    def has_hounsfield(self) -> bool:
        """Whether the slices have their Hounsfield units beside the image."""
        return self._hounsfield is not None

    def arrays(self) -> SliceArrays:
        count, height, width = self.images.array.shape
        stored = np.uint8 if self.images.array.dtype == np.uint8 else np.float32
        images = np.empty((count, height, width), stored)
        for first, block in self.images.blocks():
            images[first : first + len(block)] = self._images(block, first)
        # In the file's own order of axes: turning all of them here would take longer than reading them.
        if self._experts_last:
            masks = np.empty((count, height, width, self.n_experts), np.bool_).transpose(0, 3, 1, 2)
        else:
            masks = np.empty((count, self.n_experts, height, width), np.bool_)
        for first, block in self.labels.blocks():
            masks[first : first + len(block)] = self._masks(block, first)
        return SliceArrays(images, masks)

    def stored_range(self, indices: NDArray[np.int64]) -> tuple[float, float]:
        """Smallest and largest stored value in some images."""
        blocks = [self.images.read(index, index + 1) for index in indices.tolist()]
        for index, block in zip(indices.tolist(), blocks, strict=True):
            _require_finite(self.images, block, index)
        return min(float(block.min()) for block in blocks), max(float(block.max()) for block in blocks)

    def _images(self, block: NDArray[Any], first: int) -> ImageArray:
        """Stored (B, H, W) images: uint8 as they are, floats as float32 in [0, 1]."""
        if block.dtype == np.uint8:
            return block
        _require_finite(self.images, block, first)
        shifted: NDArray[Any] = block + block.dtype.type(self.offset)
        if shifted.min() < -ROUNDING or shifted.max() > 1 + ROUNDING:
            index, value = _first_where((shifted < -ROUNDING) | (shifted > 1 + ROUNDING), block, first)
            raise DataFormatError(
                f"{self.images.place}[{index}] has intensity {value:.6g}, outside the file's range "
                f"[{0 - self.offset:g}, {1 - self.offset:g}]; all slices must share one range"
            )
        return np.asarray(np.clip(shifted, 0, 1), np.float32)

    def _masks(self, block: NDArray[Any], first: int) -> BoolArray:
        """Stored labels of (B, H, W, K) or (B, K, H, W) as (B, K, H, W) bool, a view where that is possible.

        Each slice may hold 0 and 1, or 0 and 255 as in image files; the two mean the same.
        """
        if block.dtype == np.bool_:
            block = block.view(np.uint8)  # an HDF5 bool is an enumeration that can hold a 2 as well
        masks: BoolArray
        if block.dtype == np.uint8 and block.max() <= 1:
            masks = block.view(np.bool_)
        else:
            top = block.max(axis=(1, 2, 3), keepdims=True)
            wrong = ~((block == 0) | ((block == top) & ((top == 1) | (top == 255))))
            if wrong.any():
                index, _ = _first_where(wrong, block, first)
                found = ", ".join(f"{value:g}" for value in np.unique(block[index - first])[:6])
                raise DataFormatError(
                    f"{self.labels.place}[{index}] must hold only 0 and 1, or only 0 and 255, got the values {found}"
                )
            masks = block != 0
        return masks.transpose(0, 3, 1, 2) if self._experts_last else masks


def _expert_axis(images: Column, labels: Column) -> tuple[bool, int]:
    """Check types and shapes; whether the experts are on the last axis, and how many they are."""
    if images.array.dtype != np.uint8 and images.array.dtype.kind != "f":
        raise DataFormatError(f"{images.place} must be uint8 or float, got {images.array.dtype}")
    if labels.array.dtype.kind not in "biuf":
        raise DataFormatError(f"{labels.place} must be whole numbers, bool or float, got {labels.array.dtype}")
    shape, got = images.array.shape, labels.array.shape
    if shape is None or len(shape) != 3 or 0 in shape:
        raise DataFormatError(f"{images.place} must have shape (N, H, W) with N, H, W >= 1, got {shape}")
    if shape[0] > MAX_SLICES:
        raise DataFormatError(f"{images.place} has {shape[0]:,} slices; at most {MAX_SLICES:,} are read")
    count, height, width = shape
    last = got is not None and len(got) == 4 and got[:3] == shape
    first = got is not None and len(got) == 4 and (got[0], *got[2:]) == shape
    if not (last or first) or 0 in got:
        raise DataFormatError(
            f"{labels.place} must have shape ({count}, {height}, {width}, K) or "
            f"({count}, K, {height}, {width}) with K >= 1 experts, like the images, got {got}"
        )
    if last and first and got[1:] != (1, 1, 1):
        raise DataFormatError(
            f"{labels.place} of shape {got} does not say which axis is the experts'; "
            "images must not be as high and wide as there are experts"
        )
    return last, got[3] if last else got[1]


def _check_hounsfield(hounsfield: Column | None, images: Column) -> None:
    if hounsfield is None:
        return
    array = hounsfield.array
    if array.dtype != np.int16 or array.shape != images.array.shape:
        raise DataFormatError(
            f"{hounsfield.place} must be int16 of the images' shape {images.array.shape}, "
            f"got {array.dtype} {array.shape}"
        )


def _spacings(column: Column) -> tuple[tuple[float, float] | None, ...]:
    """(row, column) millimetres of each slice, None where it is NaN."""
    values = column.values()
    if values.dtype.kind not in "fiu":
        raise DataFormatError(f"{column.place} must be numbers in millimetres, got {values.dtype}")
    pairs = np.broadcast_to(values.reshape(len(values), -1), (len(values), 2))
    wrong = ~np.isnan(pairs) & ~((pairs > 0) & np.isfinite(pairs))
    if wrong.any():
        index, value = _first_where(wrong, pairs, 0)
        raise DataFormatError(f"{column.place}[{index}] must be positive millimetres or NaN, got {value:g}")
    return tuple(None if math.isnan(row + col) else (row, col) for row, col in pairs.tolist())


def _require_finite(column: Column, block: NDArray[Any], first: int) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        index, value = _first_where(~finite, block, first)
        raise DataFormatError(f"{column.place}[{index}] has a pixel that is {value}; every pixel must be finite")


def _first_where(wrong: BoolArray, block: NDArray[Any], first: int) -> tuple[int, float]:
    """Row in the whole array, and value, of the first wrong element of a block."""
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return first + int(place[0]), float(block[place])
