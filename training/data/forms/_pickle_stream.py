"""A pickled dict of slices, read without unpickling: one entry at a time, and without running anything in it.

`pickle` runs what a file asks for.  Here a small machine goes through the opcodes of a closed subset of the format:
one dict of dicts, whose values are numbers, text, lists and NumPy's arrays.  Its only calls are the functions of
`training.data.forms._pickle_stand_ins`.

The file is gone through twice.  The survey builds nothing, but checks the structure and every name, collects the keys
and notes which objects are referred to again.  The second walk builds the entries and forgets all but those objects,
so a file of 3.4 GB needs a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.data.forms._pickle_machine import Machine, is_name
from training.data.forms._pickle_reader import PROTOCOLS, PickleReader
from training.data.forms._pickle_stand_ins import (
    DTYPE,
    ENCODE,
    UID,
    Name,
    Opaque,
    RefusalError,
    StandIn,
    StoredArray,
    StoredType,
)
from training.errors import DataFormatError

MAX_SLICES = 200_000
MAX_NAME = 100  # characters of what may be named again: types, fields, UIDs
MAX_SHARED = 1_000_000  # objects that are referred to again
MAX_HELD = 2**28  # bytes of what several entries share
FIRST_BYTES = 2**26  # in which the first entry must end, to be recognised

_CHANGED = "has changed since it was looked at first; convert it when nothing writes to it any more"
_OPAQUE = Opaque()


@dataclass(frozen=True)
class Survey:
    """What is known of a pickle before its entries are read.

    Parameters
    ----------
    keys : the key of each entry, in the order of the file
    series : the ``series_uid`` of each entry, None where it has none that is printable
    last_use : for each object that is referred to again, the opcode that does so last
    """

    keys: tuple[str, ...]
    series: tuple[str | None, ...]
    last_use: Mapping[int, int]


def survey(path: Path) -> Survey:
    """Check a whole pickle without building any of it.

    Raises
    ------
    DataFormatError
        If it is anything but a dict of dicts with text as keys, or names or does what a pickle of arrays need not.
    """
    keys, series = [], []
    with _refusals_named(path), PickleReader(path) as reader:
        surveyor = _Surveyor(reader)
        for key, value in surveyor.entries():
            uid = value.get("series_uid")
            keys.append(key)
            series.append(str(uid) if isinstance(uid, str) and is_name(uid) else None)
            if len(keys) > MAX_SLICES:
                raise RefusalError(f"has more than {MAX_SLICES:,} entries; the published one has 15,096")
    if not keys:
        raise DataFormatError(f"{path}: is an empty dict; it must have an entry for each slice")
    return Survey(tuple(keys), tuple(series), surveyor.last_use)


def entries(path: Path, known: Survey) -> Iterator[tuple[str, dict[str, object]]]:
    """Each key with its value; arrays are NumPy's, and pydicom's values are text, numbers and lists.

    Raises
    ------
    DataFormatError
        As `survey`, and on arrays that are not what they say.
    """
    with _refusals_named(path), PickleReader(path) as reader:
        count = 0
        for key, value in _Builder(reader, known.last_use).entries():
            if known.keys[count : count + 1] != (key,):
                raise RefusalError(_CHANGED)
            count += 1
            yield key, value
        if count < len(known.keys):
            raise RefusalError(_CHANGED)


def first_fields(path: Path) -> frozenset[str]:
    """The names of the first entry's fields; none if this is no pickled dict of dicts.  Never raises."""
    try:
        if not path.is_file():  # opening a pipe would wait
            return frozenset()
        with path.open("rb") as file:
            start = file.read(2)
        if len(start) < 2 or start[0] != 0x80 or start[1] not in PROTOCOLS:
            return frozenset()
        with PickleReader(path, FIRST_BYTES) as reader:
            return next((frozenset(value) for _, value in _Surveyor(reader).entries()), frozenset())
    except (OSError, RefusalError):
        return frozenset()


@contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    try:
        yield
    except RefusalError as error:
        raise DataFormatError(f"{path}: {error}") from error
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror or error})") from error


class _Surveyor(Machine):
    """Goes through a pickle without its data: what is not text, a name or a type is one opaque thing."""

    def __init__(self, reader: PickleReader) -> None:
        super().__init__(reader)
        self.last_use: dict[int, int] = {}
        self._known: dict[int, object] = {}

    def data(self, value: object) -> object:
        return _OPAQUE

    def call(self, name: Name, arguments: tuple[object, ...]) -> object:
        if (name is DTYPE or name is UID) and not any(value is _OPAQUE for value in arguments):
            return super().call(name, arguments)
        if name is ENCODE and arguments[1] is not _OPAQUE:
            super().call(name, ("", arguments[1]))
        return _OPAQUE

    def put(self, slot: int, value: object) -> None:
        if isinstance(value, Name | StoredType) or (isinstance(value, str) and len(value) <= MAX_NAME):
            self._known[slot] = value
            self._bound(self._known)
        else:
            self._known.pop(slot, None)

    def get(self, slot: int) -> object:
        self.last_use[slot] = self.step
        self._bound(self.last_use)
        return self._known.get(slot, _OPAQUE)

    def _bound(self, slots: Mapping[int, object]) -> None:
        if len(slots) > MAX_SHARED:
            raise RefusalError(f"refers back to more than {MAX_SHARED:,} of its objects; a pickle of slices need not")


class _Builder(Machine):
    """Builds the entries, and keeps an object only until it is referred to for the last time."""

    def __init__(self, reader: PickleReader, last_use: Mapping[int, int]) -> None:
        super().__init__(reader)
        self._last_use = last_use
        self._memo: dict[int, object] = {}
        self._new: list[int] = []  # slots of the present entry
        self._sizes: dict[int, int] = {}  # of arrays that are kept for later entries

    def put(self, slot: int, value: object) -> None:
        self._forget(slot)
        if self._last_use.get(slot, -1) > self.step:
            self._memo[slot] = value
            self._new.append(slot)

    def get(self, slot: int) -> object:
        if slot not in self._memo:
            raise RefusalError("refers to an object that is not there, or is part of an earlier slice")
        value = self._memo[slot]
        if self._last_use[slot] <= self.step:
            self._forget(slot)
        return value

    def entry_ends(self) -> None:
        """Of what later entries refer to, keep small things, and arrays up to a limit."""
        super().entry_ends()
        for slot in self._new:
            value = self._memo.get(slot)
            if isinstance(value, StoredArray) and value.values is not None:
                self._sizes[slot] = value.values.nbytes
            elif not _is_small(value):
                self._forget(slot)
        self._new.clear()
        if self._sizes and sum(self._sizes.values()) > MAX_HELD:
            raise RefusalError(f"shares more than {MAX_HELD:,} bytes of arrays between slices")

    def data(self, value: object) -> object:
        return value

    def _forget(self, slot: int) -> None:
        self._memo.pop(slot, None)
        self._sizes.pop(slot, None)


def _is_small(value: object) -> bool:
    if isinstance(value, str | bytes):
        return len(value) <= MAX_NAME
    if isinstance(value, list | tuple) and not isinstance(value, StandIn):
        return len(value) <= 16 and all(isinstance(item, float | int) for item in value)
    return isinstance(value, float | int | Name | StoredType | StandIn)
