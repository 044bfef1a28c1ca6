"""What the processes of an evaluation have done so far, on disk, so that it is not done again.

Each process writes a file of its own: a line that says which evaluation this is, then a line for each block of
cases, each with a checksum.  Any number of processes, then and now, reads all files.  A line that is torn by a kill or
damaged on the disk is found, and its cases count as not done.  Torch-free.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from training import atomic
from training.errors import ConfigError, DataFormatError
from training.evaluation.cases import CaseScores, Plan, ScoredBlock
from training.evaluation.request import difference
from training.metrics.glossary import NAMES

_SUFFIX = ".journal"
# No block is so long; a file without line ends should not take the memory.
_LONGEST = 2**28
_MOST_OPEN = 64


class Journal:
    """What one process does from now on.

    Parameters
    ----------
    folder : of all journals of the evaluation; is made if it is not there
    fingerprint : which evaluation this is, plain JSON values
    rank : number of the process, for the file's name

    Raises
    ------
    ConfigError
        Here and in `add`, if it cannot be written.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], rank: int = 0) -> None:
        self._path = folder / f"{rank:04d}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        with writing(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb", buffering=0)  # nothing that failed is tried again at the end
            self._write(json.dumps(fingerprint))

    def add(self, block: ScoredBlock, peak_memory_mib: float | None) -> None:
        """Write down a block of consecutive cases; once this returns, the end of the process cannot undo it."""
        head = {
            "first": block.cases[0].index,
            "cases": [[case.key, case.patient, case.n_experts, case.n_found, case.seed] for case in block.cases],
            "drawing": block.drawing,
            "scoring": block.scoring,
            "peak": peak_memory_mib,
        }
        numbers = b"".join(_packed(case) for case in block.cases)
        with writing(self._path):
            self._write(f"{json.dumps(head)} {b64encode(zlib.compress(numbers, 1)).decode()}")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._path):
            self._file.close()

    def _write(self, text: str) -> None:
        content = text.encode()
        line = memoryview(_digest(content) + b" " + content + b"\n")
        while line:
            line = line[self._file.write(line) :]


@dataclass
class Cost:
    """What all intact lines say that was spent.

    Parameters
    ----------
    cases : how many were drawn, those that were lost and drawn again included
    drawing, scoring : seconds, summed over processes
    peak_memory_mib : the most that any process held
    """

    cases: int = 0
    drawing: float = 0.0
    scoring: float = 0.0
    peak_memory_mib: float | None = None

    def _add(self, head: Mapping[str, Any]) -> None:
        self.cases += len(head["cases"])
        self.drawing += head["drawing"]
        self.scoring += head["scoring"]
        if head["peak"] is not None:
            self.peak_memory_mib = max(head["peak"], self.peak_memory_mib or 0.0)


class Journals:
    """All that is done of an evaluation; a dozen bytes of memory a case, whatever was scored of it.

    Iterating gives the cases in the order of the split.

    Parameters
    ----------
    folder : of the journals; need not be there
    fingerprint : which evaluation this is
    plan : what is scored of each case
    cases : how many there are

    Attributes
    ----------
    damaged : for each file that is not whole, how many of its lines are lost
    cost : what was spent

    Raises
    ------
    ConfigError
        If a journal is of another evaluation, with the first difference, or cannot be read.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], plan: Plan, cases: int) -> None:
        self._folder, self._fingerprint, self._plan = folder, fingerprint, plan
        self._paths: list[Path] = []
        self._read_to: list[int] = []
        self._file = np.full(cases, -1, np.int32)
        self._at = np.zeros(cases, np.int64)
        self.damaged: dict[str, int] = {}
        self.cost = Cost()
        self.refresh()
        for path, end in zip(self._paths, self._read_to, strict=True):
            if path.stat().st_size > end:  # the last line has no end
                self._lose(path)

    def refresh(self) -> None:
        """Take in what was written since the last time."""
        with reading(self._folder):
            found = sorted(path for path in self._folder.glob("*" + _SUFFIX) if path.is_file())
            for path in found:
                if path not in self._paths:
                    self._paths.append(path)
                    self._read_to.append(0)
            for number in range(len(self._paths)):
                self._scan(number)

    @property
    def done(self) -> int:
        """How many cases are done."""
        return int((self._file >= 0).sum())

    @property
    def missing(self) -> NDArray[np.int64]:
        """The places of the cases that are not done, rising."""
        return np.flatnonzero(self._file < 0).astype(np.int64)

    def __iter__(self) -> Iterator[CaseScores]:
        with ExitStack() as stack:
            files: dict[int, IO[bytes]] = {}
            block: dict[int, CaseScores] = {}
            for index, (number, at) in enumerate(zip(map(int, self._file), map(int, self._at), strict=True)):
                if index not in block:
                    if number not in files and len(files) == _MOST_OPEN:
                        stack.close()
                        files.clear()
                    with reading(self._paths[number]):
                        if number not in files:
                            files[number] = stack.enter_context(self._paths[number].open("rb"))
                        files[number].seek(at)
                        content = _checked(files[number].readline(_LONGEST))
                    if content is None:
                        raise DataFormatError(
                            f"{self._paths[number]} was changed while it was read; evaluate again, it goes on"
                        )
                    block = {case.index: case for case in _unpacked(content, self._plan)}
                yield block[index]

    def _scan(self, number: int) -> None:
        path = self._paths[number]
        with path.open("rb") as file:
            at = file.seek(self._read_to[number])
            while (line := file.readline(_LONGEST)).endswith(b"\n"):
                content = _checked(line)
                if at == 0:
                    if content is None:
                        # Of which evaluation it is, nobody knows any more.
                        self._lose(path, 1 + sum(1 for _ in file))
                        self._read_to[number] = path.stat().st_size
                        return
                    self._require_ours(path, json.loads(content))
                elif content is None:
                    self._lose(path)
                else:
                    head = json.loads(content[: content.rindex(b" ")])
                    places = slice(head["first"], head["first"] + len(head["cases"]))
                    self._file[places], self._at[places] = number, at
                    self.cost._add(head)
                at += len(line)
        self._read_to[number] = at

    def _require_ours(self, path: Path, found: Mapping[str, Any]) -> None:
        if differs := difference(found, self._fingerprint):
            raise ConfigError(
                f"{path.parent} has another evaluation that is not finished, with {differs}; go on with that one, "
                f"remove the folder, or give another --out"
            )

    def _lose(self, path: Path, lines: int = 1) -> None:
        self.damaged[path.name] = self.damaged.get(path.name, 0) + lines


def writing(path: Path) -> AbstractContextManager[None]:
    """Tell in one line what of an evaluation cannot be written, as `training.atomic.writing`."""
    return atomic.writing(path, "see to it and run again, what is done is kept")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell in one line what cannot be read.

    Raises
    ------
    ConfigError
        With the remedy.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}; see to it and run again, what is lost is done again"
        ) from error


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).hexdigest().encode()


def _checked(line: bytes) -> bytes | None:
    """What a line says; None if it is not what was written."""
    digest, _, content = line.removesuffix(b"\n").partition(b" ")
    return content if digest == _digest(content) else None


def _packed(case: CaseScores) -> bytes:
    votes = [votes.astype("<i8").tobytes() for votes in case.votes]
    return b"".join([case.scores.astype("<f8").tobytes(), *votes])


def _unpacked(content: bytes, plan: Plan) -> Iterator[CaseScores]:
    text, _, payload = content.rpartition(b" ")
    head, numbers, at = json.loads(text), zlib.decompress(b64decode(payload)), 0
    n_variants = len(plan.variants)

    def taken(dtype: str, *shape: int) -> NDArray[Any]:
        nonlocal at
        size = int(np.prod(shape))
        array = np.frombuffer(numbers, dtype, size, at).reshape(shape)
        at += array.nbytes
        return array

    cases: Sequence[Any] = head["cases"]
    for index, (key, patient, n_experts, n_found, seed) in enumerate(cases, head["first"]):
        scores = taken("<f8", n_variants, len(NAMES))
        votes = tuple(taken("<i8", variant.n + 1, n_experts + 1) for variant in plan.variants)
        yield CaseScores(index, key, patient, n_experts, n_found, seed, scores, votes)
