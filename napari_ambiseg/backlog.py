"""Cases drawn one after the other behind what is shown, so that a whole list gets the model's numbers.  No Qt."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from napari_ambiseg.browser import Browser
from napari_ambiseg.duration import duration
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.messages import Answer, Died, Failed, Finished, SampleRequest
from napari_ambiseg.notices import OPEN_FIRST, advise, notify
from napari_ambiseg.placing import field_of
from napari_ambiseg.runs import Run, RunCache
from napari_ambiseg.state import IDLE, ViewerState
from training.data.field import Field
from training.errors import AmbisegError
from training.sampling_wish import SamplingWish

_MAX_IN_A_ROW = 3  # failures, after which the others would fail too


class Door(Protocol):
    """What is needed of `napari_ambiseg.engine.Engine`."""

    def start(self, request: SampleRequest) -> int:
        """Send a request."""

    def poll(self) -> list[Answer]:
        """What came in."""

    def stop(self) -> None:
        """End the process."""


@dataclass(frozen=True)
class _Round:
    """Which cases are gone through, and how they are drawn, whatever is set meanwhile.

    Parameters
    ----------
    source, split : of the cases
    model, wish, n, seed, device : how to draw
    size : pixels of a side of the field
    """

    source: str
    split: str
    model: str
    wish: SamplingWish
    n: int
    seed: int
    device: str
    size: int

    def has(self, run: Run) -> bool:
        """Whether a run is one that this round would make."""
        where = (run.origin.source, run.origin.split) == (self.source, self.split)
        return where and (run.model, run.wish, run.n, run.seed) == (self.model, self.wish, self.n, self.seed)


@dataclass(frozen=True, eq=False)
class _Job:
    """One case of the round, and what is drawn of it."""

    key: str
    origin: Origin
    field: Field
    place: Place
    request: SampleRequest


class Backlog:
    """Draws cases in a sampling process of its own, which ends with the round.

    What the user draws by hand has the machine for itself: the next case waits until that is done.

    Parameters
    ----------
    state : its sampling part says how to draw when a round begins; its queue part says how far the round is
    browser : has the cases
    runs : what is there already is not drawn again
    take : called with each run and the key of its case
    engine : opens the door to a sampling process
    """

    def __init__(
        self,
        state: ViewerState,
        browser: Browser,
        runs: RunCache,
        take: Callable[[Run, str], None],
        engine: Callable[[], Door],
    ) -> None:
        self._state, self._browser, self._runs, self._take, self._make = state, browser, runs, take, engine
        self._engine: Door | None = None
        self._waiting: deque[int] = deque()
        self._job: _Job | None = None
        self._round: _Round | None = None
        self._trouble = ""  # the first one of the round
        self._in_a_row = 0  # failures
        self._started = 0.0

    def start(self, indices: Iterable[int]) -> None:
        """Begin a round over cases of the open split, as the sampler is set now; what was drawn so is passed over."""
        if self._state.browsing.index < 0:
            advise(OPEN_FIRST)
            return
        self.cancel()
        self._round = self._round_as_set()
        self._waiting = deque(self._missing(indices, self._round))
        self._trouble, self._in_a_row, self._started = "", 0, time.monotonic()
        queue = self._state.queue
        queue.done, queue.failed, queue.total = 0, 0, len(self._waiting)
        queue.message = "" if self._waiting else "all of them are drawn already"

    def outlook(self, indices: Iterable[int]) -> tuple[int, float]:
        """How many of these cases would be drawn now, and about how many seconds that takes; NaN if nobody knows."""
        count = len(self._missing(indices, self._round_as_set()))
        return count, count * self._state.sampling.seconds

    def cancel(self) -> None:
        """End the round; what is drawn stays."""
        queue = self._state.queue
        if queue.total:
            self._end(f"stopped after {queue.done} of {queue.total}{self._failures}")

    def update(self) -> None:
        """Bring in what came, and go on."""
        if not self._state.queue.total or self._round is None:
            return
        browsing = self._state.browsing
        if (browsing.source, browsing.split) != (self._round.source, self._round.split):
            self.cancel()  # its cases are closed
            return
        for answer in () if self._engine is None else self._engine.poll():
            self._receive(answer, self._round)
        if self._job is None and self._state.queue.total and self._state.sampling.status == IDLE:
            self._next(self._round)

    def close(self) -> None:
        """End the process."""
        self._waiting.clear()
        self._job = None
        if self._engine is not None:
            self._engine.stop()
            self._engine = None

    @property
    def _failures(self) -> str:
        """What the end of the round says of them."""
        failed = self._state.queue.failed
        return f", {failed} failed: {self._trouble}" if failed else ""

    def _round_as_set(self) -> _Round:
        browsing, wish = self._state.browsing, self._state.sampling
        return _Round(
            source=browsing.source,
            split=browsing.split,
            model=wish.model,
            wish=wish.wish,
            n=wish.n_samples,
            seed=wish.seed,
            device=wish.device,
            size=self._state.placing.size,
        )

    def _missing(self, indices: Iterable[int], this: _Round) -> list[int]:
        there = {run.origin.index for run in self._runs.all() if this.has(run)}
        return [int(index) for index in indices if index not in there]

    def _next(self, this: _Round) -> None:
        queue = self._state.queue
        if not self._waiting:
            drawn, seconds = queue.done - queue.failed, time.monotonic() - self._started
            whole = f"{drawn} cases drawn in {duration(seconds)}"
            self._end(f"{drawn} drawn{self._failures}" if queue.failed else whole)
            return
        index = self._waiting.popleft()
        try:
            self._job = self._make_job(index, this)
            if self._engine is None:
                self._engine = self._make()
            self._engine.start(self._job.request)
        except AmbisegError as error:
            self._job = None
            self._count_failure(str(error))

    def _make_job(self, index: int, this: _Round) -> _Job:
        case = self._browser.read(index)
        field = field_of(case, this.size)
        request = SampleRequest(
            generation=0,  # the engine numbers it
            model=this.model,
            case=field.cut(case),
            n=this.n,
            seed=this.seed,
            device=this.device,
            wish=this.wish,
            max_frames=2,
            watched=False,
        )
        origin = Origin(this.source, this.split, index)
        place = self._browser.place_of(case, index).within(field)
        return _Job(self._browser.ranking.keys[index], origin, field, place, request)

    def _receive(self, answer: Answer, this: _Round) -> None:
        if isinstance(answer, Died):
            self._end(f"stopped: {answer.text}")
            notify(answer.text)
        elif self._job is None:
            return
        elif isinstance(answer, Finished):
            job, self._job, self._in_a_row = self._job, None, 0
            self._take(Run.of(answer, job.request, job.origin, job.field, job.place), job.key)
            self._count()
        elif isinstance(answer, Failed):
            self._job = None
            self._count_failure(answer.text)

    def _count_failure(self, text: str) -> None:
        queue = self._state.queue
        queue.failed += 1
        self._in_a_row += 1
        if not self._trouble:
            self._trouble = text
            notify(text)
        self._count()
        if self._in_a_row >= _MAX_IN_A_ROW:
            self._end(f"stopped after {queue.done} of {queue.total}{self._failures}")

    def _count(self) -> None:
        queue = self._state.queue
        queue.done += 1
        left = (time.monotonic() - self._started) / queue.done * (queue.total - queue.done)
        failed = f", {queue.failed} failed" if queue.failed else ""
        queue.message = f"{queue.done - queue.failed} of {queue.total} drawn{failed}, about {duration(left)} left"

    def _end(self, message: str) -> None:
        self.close()
        self._state.queue.total, self._state.queue.message = 0, message
