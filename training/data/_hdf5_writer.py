"""Writing annotated slices to the project's HDF5, without ever leaving half a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from training.atomic import publish, remove, temporary_beside
from training.data._hdf5_checksum import Checksum, checksum_of
from training.data._hdf5_disk import QuietDisk, disk_errors_named
from training.data._hdf5_layout import CHECKSUMS, FORMAT, FORMAT_VERSION, SPLITS, attributes_digest
from training.data.dataset import Attribute, ImageArray, ImageType, intensity
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice

BUFFERED_SLICES = 64
MAX_ATTRIBUTE = 60_000  # bytes of text; an object's header has 64 KiB


def write_dataset(
    path: str | Path,
    splits: Mapping[str, Iterable[AnnotatedSlice]],
    attributes: Mapping[str, Attribute],
    *,
    image_type: ImageType = "float32",
) -> None:
    """Write slices to a new HDF5 file, or in place of an old one.

    Slices are taken one by one, so that a data set larger than memory can be written.  The file appears under
    its name only when it is complete and on the disk; until then, and after any error, an old file stays as it
    was.  The same slices always give the same bytes.

    Parameters
    ----------
    path : the file; its folder must exist
    splits : slices for some of ``train``, ``val`` and ``test``; a split without slices is left out
    attributes : notes about the file, such as its source and licence
    image_type : ``float32`` keeps any image exactly; ``uint8`` is a quarter of the size and only for images whose
        every intensity is k / 255 with a whole k

    Raises
    ------
    ConfigError
        On an unknown split, a reserved attribute or one that is no text or number, or a missing folder.
    DataFormatError
        If slices differ in size or number of experts or have none, a key comes twice, a patient is in two splits, an
        image does not fit ``image_type``, there is no slice at all, or the disk refuses.
    """
    path = Path(path)
    _check_splits(path, splits)
    _check_attributes(path, attributes)
    with DatasetWriter(path, image_type) as writer:
        for split, slices in splits.items():
            for case in slices:
                writer.append(split, case)
        writer.finish(attributes)


def _check_splits(path: Path, splits: Iterable[str]) -> None:
    for name in splits:
        if name not in SPLITS:
            raise ConfigError(f"{path}: cannot write a split {name!r}; choose from: {', '.join(SPLITS)}")


def _check_attributes(path: Path, attributes: Mapping[str, Attribute]) -> None:
    for name, value in attributes.items():
        if name in (FORMAT, CHECKSUMS):
            raise ConfigError(f"{path}: attribute {name!r} is reserved; choose another name")
        if type(value) not in (str, int, float):
            raise ConfigError(f"{path}: attribute {name!r} must be text or a number, got {value!r}")
        if isinstance(value, str) and len(value.encode()) > MAX_ATTRIBUTE:
            raise ConfigError(
                f"{path}: attribute {name!r} has {len(value.encode()):,} bytes; HDF5 holds at most {MAX_ATTRIBUTE:,}, "
                "so shorten it"
            )


class _Column:
    """One growing array of a split, one row per chunk, with the checksum of what went in."""

    def __init__(self, group: h5py.Group, name: str, row: NDArray[Any]) -> None:
        self.array = group.create_dataset(
            name, (0, *row.shape), row.dtype, maxshape=(None, *row.shape), chunks=(1, *row.shape)
        )
        self.checksum = Checksum(packed=name == "labels")
        self.rows: list[NDArray[Any]] = []

    def append(self, row: NDArray[Any]) -> None:
        self.rows.append(row)
        if len(self.rows) == BUFFERED_SLICES:
            self.flush()

    def flush(self) -> None:
        if not self.rows:
            return
        block = np.ascontiguousarray(np.stack(self.rows))  # as rows lie in a file, whatever order they came in
        self.rows.clear()
        self.checksum.update(block)
        first = self.array.shape[0]
        self.array.resize(first + len(block), axis=0)
        self.array[first:] = block


class _Split:
    """One split being written: pictures and masks go to the file at once, the short columns at the end."""

    def __init__(self, group: h5py.Group, rows: Mapping[str, NDArray[Any]]) -> None:
        self.group = group
        self.columns = {name: _Column(group, name, row) for name, row in rows.items()}
        self.cases: list[tuple[str, str, tuple[float, float]]] = []  # key, patient, spacing

    def finish(self) -> dict[str, str]:
        """Write what is left; returns the checksum of each array by its path."""
        for column in self.columns.values():
            column.flush()
        keys, patients, spacings = zip(*self.cases, strict=True)
        short = {
            "uids": np.array([_uid(patient) for patient in patients], np.int64),
            "keys": _text(keys),
            "patient_ids": _text(patients),
            "pixel_spacing_mm": np.array(spacings, np.float64),
        }
        prefix = self.group.name.lstrip("/")
        checksums = {}
        for name, column in self.columns.items():
            checksums[f"{prefix}/{name}"] = column.checksum.text(column.array.dtype, column.array.shape)
        for name, values in short.items():
            self.group.create_dataset(name, data=values)
            checksums[f"{prefix}/{name}"] = checksum_of(values)
        return checksums


class DatasetWriter:
    """A new file of annotated slices, or one in place of an old one, slice by slice; used in a ``with`` block.

    The slices of the splits may come in any order.  The file appears under its name in `finish`; if the block
    ends before, whatever the reason, an old file stays as it was and nothing else is left.

    Parameters
    ----------
    path, image_type : as in `write_dataset`

    Raises
    ------
    ConfigError, DataFormatError
        From this and each method, as in `write_dataset`.
    """

    def __init__(self, path: Path, image_type: ImageType = "float32") -> None:
        if not path.parent.is_dir():
            raise ConfigError(f"{path}: the folder {path.parent} does not exist; make it or choose another")
        self.path, self.image_type = path, image_type
        self._part = temporary_beside(path)
        self._splits: dict[str, _Split] = {}
        self._like: AnnotatedSlice | None = None  # the first slice, whose shape all others share
        self._keys: set[str] = set()
        self._split_of: dict[str, str] = {}
        try:
            with disk_errors_named(path):
                self._disk = QuietDisk(self._part)
                self._file = h5py.File(self._disk, "w")
        except BaseException:
            remove(self._part)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        try:
            self._close()
        finally:
            remove(self._part)

    def append(self, split: str, case: AnnotatedSlice) -> None:
        """Check one slice against those before it, and write it."""
        _check_splits(self.path, [split])
        if not case.n_experts:
            raise DataFormatError(f"{self.path}: nobody annotated {case.key!r}; only annotated slices can be written")
        self._require_alike(case)
        if case.key in self._keys:
            raise DataFormatError(f"{self.path}: two slices have the key {case.key!r}; keys must be unique")
        home = self._split_of.setdefault(case.patient, split)
        if home != split:
            raise DataFormatError(
                f"{self.path}: patient {case.patient!r} is in split {home!r} and in {split!r}; "
                "a patient belongs to one split"
            )
        self._keys.add(case.key)
        rows: dict[str, NDArray[Any]] = {
            "images": self._stored(case),
            "labels": np.moveaxis(case.masks, 0, -1).astype(np.uint8, order="C"),
        }
        if case.hounsfield is not None:
            rows["hounsfield"] = case.hounsfield
        with disk_errors_named(self.path):
            if split not in self._splits:
                self._splits[split] = _Split(self._file.create_group(split), rows)
            target = self._splits[split]
            for name, row in rows.items():
                target.columns[name].append(row)
            self._disk.check()
        nan = float("nan")
        target.cases.append((case.key, case.patient, case.spacing_mm or (nan, nan)))

    def finish(self, attributes: Mapping[str, Attribute]) -> None:
        """Write the short columns, the attributes and the checksums, and give the complete file its name."""
        _check_attributes(self.path, attributes)
        if not self._splits:
            raise DataFormatError(f"{self.path}: there are no slices to write; at least one is needed")
        with disk_errors_named(self.path):
            checksums = {"attributes": attributes_digest(attributes)}
            for split in self._splits.values():
                checksums |= split.finish()
            notes = {**attributes, FORMAT: FORMAT_VERSION, CHECKSUMS: json.dumps(checksums)}
            for name, value in notes.items():
                stored = _text([value]) if isinstance(value, str) else np.array([value])
                self._file.attrs.create(name, stored[0], dtype=stored.dtype)
            self._file.close()
            self._disk.check()
            self._disk.close()
            publish(self._part, self.path)

    def _close(self) -> None:
        with disk_errors_named(self.path):
            self._file.close()
            self._disk.close()

    def _require_alike(self, case: AnnotatedSlice) -> None:
        like = self._like = self._like or case
        if case.masks.shape != like.masks.shape:
            raise DataFormatError(
                f"{self.path}: slice {case.key!r} has masks (K, H, W) = {case.masks.shape}, "
                f"but all slices of a file must share the first one's {like.masks.shape}"
            )
        if (case.hounsfield is None) != (like.hounsfield is None):
            raise DataFormatError(
                f"{self.path}: of the slices {like.key!r} and {case.key!r} only one has Hounsfield units; "
                "all slices of a file must have them, or none"
            )

    def _stored(self, case: AnnotatedSlice) -> ImageArray:
        if self.image_type == "float32":
            return case.image
        levels = np.rint(case.image * 255).astype(np.uint8)
        if not np.array_equal(intensity(levels), case.image):
            raise DataFormatError(
                f"{self.path}: image {case.key!r} has intensities that are not k / 255 and would change "
                "as uint8; write it as float32"
            )
        return levels


def _uid(patient: str) -> int:
    """A number for a patient that is the same in every process, unlike Python's ``hash``."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "little", signed=True)


def _text(values: Iterable[str]) -> NDArray[np.bytes_]:
    """Text as fixed-length UTF-8, which old readers and a checksum can deal with.

    Text of variable length lies in a heap, and libhdf5 2.0 runs for ever on some damaged ones.
    """
    encoded = [value.encode() for value in values]
    return np.array(encoded, h5py.string_dtype("utf-8", max(1, *map(len, encoded))))
