"""Annotated slices in HDF5: PHiSeg's layout and its variants, read slice by slice.

The layout stands in `_hdf5_layout`, what is refused for safety in `_hdf5_guard`, one split in `_hdf5_split`, rows read
by their place in `_hdf5_rows`, checksums in `_hdf5_checksum`, the writer in `_hdf5_writer` and the disk under it in
`_hdf5_disk`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np

from training.data._hdf5_guard import HDF5_ERRORS, damage_named, names_in, refuse_unsafe
from training.data._hdf5_layout import CHECKSUMS, COLUMNS, FORMAT, READ_VERSIONS, SPLITS, attributes_digest
from training.data._hdf5_split import ROUNDING, Column, Hdf5Split
from training.data._hdf5_writer import DatasetWriter, write_dataset
from training.data.dataset import Attribute, Dataset
from training.errors import DataFormatError

__all__ = ["DatasetWriter", "Hdf5Dataset", "is_annotated_hdf5", "is_hdf5", "write_dataset"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
PROBED_SLICES = 32  # of each split, to tell the range of float images


def is_hdf5(path: Path) -> bool:
    """Whether a file has HDF5's signature: at its beginning, or behind a user block of 512, 1024, ... bytes.

    Looks at these bytes alone, without libhdf5, which can be harmed by what follows.  False if it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            place, end = 0, stream.seek(0, os.SEEK_END)
            while place + len(SIGNATURE) <= end:
                stream.seek(place)
                if stream.read(len(SIGNATURE)) == SIGNATURE:
                    return True
                place = max(512, 2 * place)
    except OSError:
        pass
    return False


def is_annotated_hdf5(path: str | Path) -> bool:
    """A cheap look whether a file seems to hold annotated slices; never raises.

    Looks at names alone, so `open_dataset` may still find the file damaged or unsafe.
    """
    try:
        if not Path(path).is_file() or not is_hdf5(Path(path)):
            return False
        with h5py.File(path, "r") as file:
            return any(_has_slices(file, name) for name in SPLITS)
    except HDF5_ERRORS:
        return False


def _has_slices(file: h5py.File, name: str) -> bool:
    """Whether a group of that name holds images and labels; goes by their names and follows no link."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or file.get(name, getclass=True) != h5py.Group:
        return False
    # By iteration: asking h5py whether a name is in a group would follow a link of that name.
    return {"images", "labels"} <= set(file[name])


class Hdf5Dataset(Dataset):
    """A file in PHiSeg's layout, open for reading.

    The float range ([0, 1], or PHiSeg's [-0.5, 0.5]) is decided once for the file, by the values in a few slices
    of each split; a slice that then lies outside it is an error and not a guess.

    Checksums, where the file records them, are compared for attributes, keys and patients on opening, for images
    and masks when a whole split is read by ``arrays()``, and for everything by ``verify()``.  A single slice is
    read unchecked, since the checksum is the whole array's.

    Parameters
    ----------
    path : the file
    patients_in_one_split : refuse a file that has a patient in two splits; a conversion, which can mend that, does not

    Attributes
    ----------
    is_own : whether the project's writer made it
    shared_uids : the uids that are in more than one split, where there are no patients

    Raises
    ------
    DataFormatError
        If the file is damaged, unsafe, or not laid out as it should be; the message names the place.
    """

    def __init__(self, path: Path, *, patients_in_one_split: bool = True) -> None:
        self.path = path
        with damage_named(path, "the file"):
            self._file = h5py.File(path, "r")
        try:
            with damage_named(path, "the file's structure"):
                refuse_unsafe(self._file, path)
                self.attributes = MappingProxyType(_read_attributes(self._file))
                self._checksums = _read_checksums(self._file, path)
                names = _split_names(self._file, path)
            self.is_own = bool(self._checksums)
            _compare_attributes(path, self.attributes, self._checksums)
            splits = {name: Hdf5Split(path, self._file[name], self._checksums) for name in names}
            self.n_experts = _agreed_experts(path, splits)
            _require_unique_keys(path, splits)
            self.shared_uids = _separate_uids(splits)
            if patients_in_one_split:
                _require_one_split(path, splits)
            offset = _float_offset(path, splits)
            for split in splits.values():
                split.offset = offset
        except BaseException:
            self._file.close()
            raise
        self.splits: Mapping[str, Hdf5Split] = MappingProxyType(splits)

    def close(self) -> None:
        self._file.close()

    def verify(self) -> int:
        arrays = [name for name in self._checksums if name != "attributes"]
        for name in arrays:
            for _ in Column(self.path, self._file[name], self._checksums).blocks():
                pass  # the comparison is made at the end of the array
        return len(arrays)


def _read_attributes(file: h5py.File) -> dict[str, Attribute]:
    """The file's own notes: single texts and numbers; anything else is no note and is left alone."""
    notes: dict[str, Attribute] = {}
    for name in file.attrs:
        if name in (FORMAT, CHECKSUMS) or file.attrs.get_id(name).shape != ():
            continue
        value = file.attrs[name]
        value = value.item() if isinstance(value, np.generic) else value
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        if isinstance(value, (str, int, float)):
            notes[name] = value
    return notes


def _read_checksums(file: h5py.File, path: Path) -> dict[str, str]:
    """The recorded SHA-256 by array, and of the attributes; empty for a file that another tool made."""
    if FORMAT not in file.attrs and CHECKSUMS not in file.attrs:
        return {}
    version = file.attrs[FORMAT]
    if version not in READ_VERSIONS:
        raise DataFormatError(
            f"{path}: has format version {version}, but this program reads the versions "
            f"{' and '.join(map(str, READ_VERSIONS))}; update napari-ambiseg or make the file again"
        )
    checksums = json.loads(file.attrs[CHECKSUMS])
    is_list = isinstance(checksums, dict) and all(isinstance(text, str) for text in checksums.values())
    if not is_list or "attributes" not in checksums or not _columns(file) <= checksums.keys():
        raise DataFormatError(f"{path}: its list of checksums is damaged; copy or make the file again")
    for name in checksums:
        if name != "attributes" and not isinstance(file.get(name), h5py.Dataset):
            raise DataFormatError(f"{path}: the array {name!r} is missing; copy or make the file again")
    return dict(checksums)


def _columns(file: h5py.File) -> set[str]:
    """The arrays of the splits that a file of ours must have a checksum of."""
    return {f"{name}/{column}" for name in SPLITS if name in file for column in COLUMNS if column in file[name]}


def _compare_attributes(path: Path, attributes: Mapping[str, Attribute], checksums: Mapping[str, str]) -> None:
    if checksums and checksums["attributes"] != attributes_digest(attributes):
        raise DataFormatError(
            f"{path}: its attributes are not what was written (their SHA-256 differs); copy or make the file again"
        )


def _split_names(file: h5py.File, path: Path) -> list[str]:
    """The splits that are there, in the usual order; other groups are left alone, unless they look like one."""
    for name in file:
        if name not in SPLITS and _has_slices(file, name):
            raise DataFormatError(
                f"{path}: group {name!r} holds images and labels but is no known split; "
                f"rename it to one of: {', '.join(SPLITS)}"
            )
    names = [name for name in SPLITS if isinstance(file.get(name), h5py.Group)]
    if not names:
        raise DataFormatError(
            f"{path}: has none of the groups {', '.join(SPLITS)}, each with images and labels; it has: {names_in(file)}"
        )
    return names


def _agreed_experts(path: Path, splits: Mapping[str, Hdf5Split]) -> int:
    counts = {name: split.n_experts for name, split in splits.items()}
    if len(set(counts.values())) > 1:
        raise DataFormatError(f"{path}: all splits must have the same number of experts, got {counts}")
    return next(iter(counts.values()))


def _require_unique_keys(path: Path, splits: Mapping[str, Hdf5Split]) -> None:
    keys: set[str] = set()
    for split in splits.values():
        for key in split.keys:
            if key in keys:
                raise DataFormatError(f"{path}: two slices have the key {key!r}; keys must be unique")
            keys.add(key)


def _separate_uids(splits: Mapping[str, Hdf5Split]) -> tuple[str, ...]:
    """Where a uid occurs in two splits, uids number something within a split and not patients: tell them apart.

    Returns
    -------
    The uids that are in more than one split.
    """
    without = {name: split for name, split in splits.items() if not split.has_patients}
    homes: dict[str, set[str]] = {}
    for name, split in without.items():
        for patient in set(split.patients):
            homes.setdefault(patient, set()).add(name)
    shared = tuple(patient for patient, names in homes.items() if len(names) > 1)
    if shared:
        for name, split in without.items():
            split.patients = tuple(f"{name}-{patient}" for patient in split.patients)
    return shared


def _require_one_split(path: Path, splits: Mapping[str, Hdf5Split]) -> None:
    """Each known patient in one split only."""
    home: dict[str, str] = {}
    for name, split in splits.items():
        for patient in split.patients if split.has_patients else ():
            if home.setdefault(patient, name) != name:
                raise DataFormatError(
                    f"{path}: patient {patient!r} is in split {home[patient]!r} and in {name!r}, so scores would be "
                    "flattered; make a file that is split by patient with `ambiseg prepare ... --split patient`"
                )


def _float_offset(path: Path, splits: Mapping[str, Hdf5Split]) -> float:
    """0.5 if the file's float images lie in [-0.5, 0.5], 0 if in [0, 1]; uint8 images need none.

    Values that fit both ranges (none negative, none above 0.5) are taken as they are.
    """
    low, high = math.inf, -math.inf
    for split in splits.values():
        if split.images.array.dtype.kind == "f":
            indices = np.unique(np.linspace(0, len(split) - 1, PROBED_SLICES).astype(np.int64))
            smallest, largest = split.stored_range(indices)
            low, high = min(low, smallest), max(high, largest)
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        return 0.0
    if low >= -0.5 - ROUNDING and high <= 0.5 + ROUNDING:
        return 0.5
    raise DataFormatError(
        f"{path}: float images must lie in [0, 1] or [-0.5, 0.5], got [{low:.6g}, {high:.6g}]; rescale them"
    )
