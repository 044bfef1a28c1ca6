"""The cases of an evaluation, shared by processes and threads; what is scored is on disk at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.dataset import SliceDataset
from training.errors import ConfigError
from training.evaluation.cases import IndexedCase, ScoredBlock, Scorer
from training.evaluation.files import HALT
from training.evaluation.journal import Journal, Journals, writing
from training.evaluation.request import Request
from training.machine import peak_memory_mib
from training.processes import Processes

# Masks and cases that a GPU draws together.  Which cases these are depends on their places alone, so that neither
# the number of processes nor an interruption changes any mask.
_GPU_MASKS, _GPU_CASES = 256, 64
# A journal may be lost while it is written; after so many times in vain it is no accident.
_PATIENCE = 2
# How often one process looks at what the others have written, in seconds.
_LOOK_EVERY = 1.0
# For so long a process that is done looks on, and shows how far the others are, while nothing new comes.
_WATCH = 10.0


@dataclass(frozen=True)
class EvaluationProgress:
    """Where an evaluation stands.

    Parameters
    ----------
    done, total : cases, of all processes and of all times that the command was started
    is_finished : whether the result is written
    cost : what it took, as in the file beside the summary; None until it is finished, and on processes but the first
    """

    done: int
    total: int
    is_finished: bool = False
    cost: dict[str, Any] | None = None


class Work:
    """What an evaluation still needs, by all processes together.

    Parameters
    ----------
    request : what is evaluated
    parts : folder of the journals
    slices : the split
    scorer : scores some cases
    processes : who shares the cases
    should_stop : asked after every block of cases
    tell : gets a line for each thing that the user should know
    """

    def __init__(
        self,
        request: Request,
        parts: Path,
        slices: SliceDataset,
        scorer: Scorer,
        processes: Processes,
        should_stop: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._request, self._parts, self._slices, self._scorer = request, parts, slices, scorer
        self._processes, self._asked_to_stop, self._tell = processes, should_stop, tell
        self._halt, self._looked = parts / HALT, 0.0
        on_gpu = processes.device.type == "cuda"
        self._block = max(1, min(_GPU_MASKS // request.plan.most, _GPU_CASES)) if on_gpu else 1

    def all_cases(self) -> Generator[EvaluationProgress, None, Journals | None]:
        """Score what is missing until nothing is.

        Returns
        -------
        All scores, as they are on the disk; None if someone asked to stop

        Raises
        ------
        ConfigError
            If the journals cannot be written or read, or do not stay.
        """
        with self._processes.together():
            if self._processes.is_first:
                with writing(self._halt):
                    self._halt.unlink(missing_ok=True)
        least, in_vain = self._request.cases + 1, -1
        while True:
            with self._processes.together():
                journals = self._journals()
                missing = len(journals.missing)
                if self._processes.is_first and in_vain < 0:
                    self._tell_state(journals)
                in_vain = 0 if missing < least else in_vain + 1
                if in_vain == _PATIENCE:
                    raise ConfigError(f"what is written in {self._parts} does not stay; let no one else change it")
            if not self._processes.any(missing > 0):
                return journals
            least = min(least, missing)
            with self._processes.together():
                stopped = yield from self._share(journals)
            if self._processes.any(stopped):
                return None

    def _journals(self) -> Journals:
        return Journals(self._parts, self._request.fingerprint(), self._request.plan, self._request.cases)

    def _tell_state(self, journals: Journals) -> None:
        if journals.damaged:
            names = ", ".join(f"{lines} of {name}" for name, lines in journals.damaged.items())
            self._tell(f"{self._parts}: lines are damaged ({names}); their cases are scored again")
        if journals.done:
            self._tell(f"{journals.done} of {self._request.cases} cases are scored already")

    def _share(self, journals: Journals) -> Generator[EvaluationProgress, None, bool]:
        """Score this process's part of what is missing; True if it had to stop."""
        processes, total = self._processes, self._request.cases
        own = np.unique(journals.missing // self._block)[processes.rank :: processes.count]
        overview = _Overview(journals, total, alone=processes.count == 1)
        try:
            with Journal(self._parts, self._request.fingerprint(), processes.rank) as journal:
                for block in self._scored(own):
                    journal.add(block, self._peak_memory_mib())
                    yield overview.after(len(block.cases))
                if processes.is_first and processes.count > 1:
                    yield from overview.until_the_others_are_done(self._must_stop)
        except BaseException:
            self._let_all_stop()
            raise
        if self._asked_to_stop():
            self._let_all_stop()
            return True
        return self._others_stopped()

    def _scored(self, blocks: NDArray[np.int64]) -> Iterator[ScoredBlock]:
        """Scores of blocks, one by one; on a CPU several blocks at a time, each by one thread."""
        if self._processes.device.type == "cuda":
            for block in blocks:
                if self._must_stop():
                    return
                yield self._scorer(self._read(block))
            return
        with (
            one_thread_each() as workers,
            ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            waiting: deque[Future[ScoredBlock]] = deque()
            try:
                for block in blocks:
                    if self._must_stop():
                        break
                    waiting.append(pool.submit(self._scorer, self._read(block)))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    if self._must_stop():
                        _give_up(waiting)
                    if not (first := waiting.popleft()).cancelled():
                        yield first.result()
            finally:
                _give_up(waiting)

    def _peak_memory_mib(self) -> float | None:
        """The most memory that was ever held: of the GPU where there is one, otherwise of this process."""
        device = self._processes.device
        return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_memory_mib()

    def _read(self, block: int) -> list[IndexedCase]:
        start = int(block) * self._block
        return [(i, self._slices[i]) for i in range(start, min(start + self._block, self._request.cases))]

    def _must_stop(self) -> bool:
        """Whether this process was asked to stop, or another one stopped or failed; seldom looks at the disk."""
        if self._asked_to_stop():
            return True
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return False
        self._looked = now
        return self._others_stopped()

    def _others_stopped(self) -> bool:
        return self._processes.count > 1 and self._halt.exists()

    def _let_all_stop(self) -> None:
        if self._processes.count > 1:
            with writing(self._halt):
                self._halt.touch()


class _Overview:
    """How far all processes are together."""

    def __init__(self, journals: Journals, total: int, *, alone: bool) -> None:
        self._journals, self._total, self._alone = journals, total, alone
        self._done, self._looked = journals.done, time.monotonic()

    def after(self, cases: int) -> EvaluationProgress:
        """After so many more cases of this process."""
        if self._alone:
            self._done += cases
        elif time.monotonic() - self._looked >= _LOOK_EVERY:
            self._look()
        return EvaluationProgress(self._done, self._total)

    def until_the_others_are_done(self, must_stop: Callable[[], bool]) -> Iterator[EvaluationProgress]:
        """Look on; where nothing new comes for long, they are waited for without a word."""
        self._look()
        last = time.monotonic()
        while self._done < self._total and time.monotonic() - last < _WATCH and not must_stop():
            time.sleep(0.05)
            before = self._done
            if time.monotonic() - self._looked >= _LOOK_EVERY / 4:
                self._look()
            if self._done > before:
                last = time.monotonic()
                yield EvaluationProgress(self._done, self._total)

    def _look(self) -> None:
        self._journals.refresh()
        self._done, self._looked = self._journals.done, time.monotonic()


def _give_up(waiting: Iterable[Future[ScoredBlock]]) -> None:
    """Leave what no thread has begun."""
    for future in waiting:
        future.cancel()


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Within the block torch computes with one thread for each thread that calls it; gives how many there may be.

    In what order a network's sums are taken depends on the number of threads, and so may a pixel of a mask.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)
