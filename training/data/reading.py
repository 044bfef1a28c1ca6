"""Opening files from outside without trusting them: a process of its own reads them and may die of them.

libhdf5 can be led to write where it should not by a crafted file, and to end the process that uses it.  So the program
that a user works in never gives it a file from outside; a child does (`reading_process`), which is started again when
it died.  What comes back is checked like anything else from outside.
"""

from __future__ import annotations

import atexit
import itertools
import json
import math
import os
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import training.errors
from training.child import ONE_THREAD, Child, ChildEndedError, python_module
from training.data.dataset import Attribute, Dataset, SliceArrays, SliceDataset
from training.errors import AmbisegError, DataFormatError, DeviceError
from training.records import AnnotatedSlice

_COMMAND = python_module("training.data.reading_process")
_START = 60.0  # seconds that a busy machine may need to start Python
_SLOWEST = 10e6  # bytes per second of the slowest disk that is still waited for
_MUCH = 32 * 2**20  # bytes that are read about as fast as a child is started
_LONGEST = 2**30  # bytes of an answer, without its arrays
_DTYPES = ("|u1", "|b1", "<f4", ">f4", "<i2", ">i2")  # of images, masks and Hounsfield units
_NONSENSE = (ValueError, TypeError, LookupError, AttributeError)  # what a wrong answer raises when it is taken apart

Facts = dict[str, Any]


def open_isolated(path: str | Path, timeout: float = 10.0) -> Dataset:
    """Open annotated slices as `open_dataset` does, but let another process read them.

    Damaged or malicious content can end that process; here it is one error.  Keys, patients and attributes are
    taken over at once; slices are read when they are asked for.  May be used from several threads.

    Parameters
    ----------
    path : whatever `open_dataset` opens
    timeout : seconds that one answer may take, besides one second for every 10 MB to be read

    Raises
    ------
    DataFormatError
        As `open_dataset`; and, here and on later reads, if the reading process died or did not answer.
    DeviceError
        If no process can be started.
    """
    return _IsolatedDataset(Path(path), timeout)


def seems_annotated(path: str | Path, timeout: float = 2.0) -> bool:
    """Whether an HDF5 file has the groups and arrays of annotated slices, as `is_annotated_hdf5`; never raises.

    A file that ends the reading process, or, once that is started and free, keeps it from answering for ``timeout``
    seconds, seems to be one: opening it tells what is wrong.
    """
    try:
        source = _Source(Path(path), timeout)
        facts, _ = _reader.ask(source, {"do": "look", "folder": source.folder}, timeout)
    except (AmbisegError, OSError):
        return True
    return bool(facts.get("annotated"))


class _Source:
    """A file as the parent knows it."""

    numbers = itertools.count()

    def __init__(self, path: Path, timeout: float) -> None:
        self.path, self.timeout = path, timeout
        self.number = next(self.numbers)
        self.folder = os.getcwd()  # noqa: PTH109 - text for the child; what a relative path starts from
        self.closed = False
        self._facts: str | None = None  # what it said about itself when it was first opened

    @property
    def patience(self) -> float:
        """Seconds that opening may take."""
        return self.timeout + (self.path.stat().st_size if self.path.is_file() else 0) / _SLOWEST

    def require_same(self, facts: Facts) -> None:
        """Refuse to go on with a file that, opened again, is another one."""
        text = json.dumps(facts)
        if self._facts is not None and self._facts != text:
            raise DataFormatError(f"{self.path}: changed since it was opened; open it again")
        self._facts = text


class _Reader:
    """The one child that reads for all who ask, from the first open file to the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._open: set[_Source] = set()  # what this child has open

    def ask(self, source: _Source, request: Facts, timeout: float) -> tuple[Facts, list[NDArray[Any]]]:
        """The child's answer, with the arrays that it sent; its errors are raised here."""
        with self._lock:
            if source.closed:
                raise DataFormatError(f"{source.path}: was closed; open it again to read it")
            try:
                try:
                    return self._ask(source, request, timeout)
                except ChildEndedError as ended:
                    others = self._open - {source}
                    self._end()
                    if ended.silent or not others:
                        raise
                    return self._ask(source, request, timeout)  # it may have died of another file
            except ChildEndedError as ended:
                self._end()
                raise DataFormatError(
                    f"{source.path}: the reading process {ended}; the file is damaged or made to do harm"
                ) from ended
            finally:
                if not self._open:  # as after a file that could not be opened
                    self._end()

    def close(self, source: _Source) -> None:
        """Let the child close a file, and end the child with the last one."""
        with self._lock:
            source.closed = True
            if source not in self._open:
                return
            self._open.remove(source)
            if not self._open:
                self._end()
                return
            try:
                self._exchange(source, {"do": "close"}, source.timeout)
            except ChildEndedError:
                self._end()  # which closes it as well; the others are opened again when they are asked for

    def end(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ask(self, source: _Source, request: Facts, timeout: float) -> tuple[Facts, list[NDArray[Any]]]:
        if self._child is not None and not self._child.alive:
            self._end()
        if self._child is None:
            self._start()
        if source not in self._open and request["do"] != "look":
            where = {"do": "open", "folder": source.folder}
            facts, _ = self._exchange(source, where, source.patience)
            source.require_same(facts)
            self._open.add(source)
            if request["do"] == "open":
                return facts, []
        return self._exchange(source, request, timeout)

    def _start(self) -> None:
        self._child = Child(_COMMAND, "the reading process", ONE_THREAD)
        atexit.register(self.end)
        try:
            self._child.connect(_START)
        except ChildEndedError as ended:
            self._end()
            raise DeviceError(
                f"cannot start the reading process: it {ended}; is the program installed as a whole?"
            ) from ended

    def _exchange(self, source: _Source, request: Facts, timeout: float) -> tuple[Facts, list[NDArray[Any]]]:
        assert self._child is not None  # noqa: S101 - for mypy
        request = {**request, "file": source.number, "path": str(source.path)}
        try:
            facts, arrays = self._child.ask(json.dumps(request).encode(), _receive, timeout)
        except _NONSENSE as error:
            raise ChildEndedError("sent an answer that makes no sense and was ended") from error
        if "error" in facts:
            raise _error(facts)
        return facts, arrays

    def _end(self) -> None:
        self._open.clear()
        if self._child is not None:
            self._child.end()
            self._child = None
            atexit.unregister(self.end)


_reader = _Reader()


def _error(facts: Facts) -> AmbisegError:
    kind = getattr(training.errors, str(facts["error"]), None)
    if not isinstance(kind, type) or not issubclass(kind, AmbisegError):
        kind = DataFormatError
    return kind(str(facts["text"]))


def _receive(connection: Connection) -> tuple[Facts, list[NDArray[Any]]]:
    """One answer, whole."""
    facts: Facts = json.loads(connection.recv_bytes(_LONGEST))
    return facts, [_received(connection, dtype, shape) for dtype, shape in facts.pop("arrays")]


def _received(connection: Connection, dtype: str, shape: list[int]) -> NDArray[Any]:
    """One array, whose bytes follow in any number of messages."""
    if dtype not in _DTYPES or not 2 <= len(shape) <= 4 or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError
    array = np.empty(shape, dtype)
    content = array.data.cast("B")
    done = 0
    while done < len(content):
        count = connection.recv_bytes_into(content, done)
        if not count or (dtype == "|b1" and np.frombuffer(content, np.uint8, count, done).max() > 1):
            raise ValueError
        done += count
    return array


class _IsolatedSplit(SliceDataset):
    def __init__(self, source: _Source, name: str, facts: Facts) -> None:
        self._source, self._name = source, name
        self.keys = tuple(str(key) for key in facts["keys"])
        self.patients = tuple(str(patient) for patient in facts["patients"])
        self.spacings = tuple(None if pair is None else (float(pair[0]), float(pair[1])) for pair in facts["spacings"])
        if not len(self.keys) == len(self.patients) == len(self.spacings) > 0:
            raise ValueError

    def __getitem__(self, index: int) -> AnnotatedSlice:
        if not 0 <= index < len(self):
            raise IndexError(f"no slice {index} among {len(self)}")
        request = {"do": "slice", "split": self._name, "index": int(index)}
        _, (image, masks, *units) = _reader.ask(self._source, request, self._source.timeout)
        hounsfield = units[0] if units else None
        return AnnotatedSlice(image, masks, self.patients[index], self.keys[index], self.spacings[index], hounsfield)

    def arrays(self) -> SliceArrays:
        _, (images, masks) = _read_much(self._source, {"do": "arrays", "split": self._name})
        if len(images) != len(self):
            raise DataFormatError(f"{self._source.path}: {len(self)} slices were announced, {len(images)} came")
        return SliceArrays(images, masks)


class _IsolatedDataset(Dataset):
    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self._source = _Source(path, timeout)
        facts, _ = _reader.ask(self._source, {"do": "open"}, timeout)
        try:
            self.n_experts = int(facts["n_experts"])
            self.attributes: Mapping[str, Attribute] = MappingProxyType(dict(facts["attributes"]))
            splits = {name: _IsolatedSplit(self._source, name, split) for name, split in facts["splits"].items()}
        except _NONSENSE as error:
            self.close()
            raise DataFormatError(f"{path}: the reading process sent an answer that makes no sense") from error
        self.splits: Mapping[str, SliceDataset] = MappingProxyType(splits)

    def close(self) -> None:
        _reader.close(self._source)

    def verify(self) -> int:
        facts, _ = _read_much(self._source, {"do": "verify"})
        return int(facts["compared"])


def _read_much(source: _Source, request: Facts) -> tuple[Facts, list[NDArray[Any]]]:
    """Ask for what takes long, in a child of its own, so that no one who looks at a slice has to wait."""
    facts, _ = _reader.ask(source, {"do": "size"}, source.timeout)
    size = facts["bytes"] + source.path.stat().st_size
    timeout = source.timeout + math.ceil(size / _SLOWEST)
    if size <= _MUCH:
        return _reader.ask(source, request, timeout)
    reader = _Reader()
    try:
        return reader.ask(source, request, timeout)
    finally:
        reader.end()
