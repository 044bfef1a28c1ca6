"""Running a grid: train what is not trained, score what is not scored, one thing at a time on one device.

All state is in the folder, so that any number of processes may work there, stop, die and come back::

    OUT/runs/NAME-DIGEST/      the trainings, shared between cells and grids
    OUT/GRID/ablation.json     how far each cell is
    OUT/GRID/CELL.json, .csv   its scores
    OUT/.claims/               lock files: who works on what
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.ablation.claims import claimed
from training.ablation.plan import Ablation, Cell, Run
from training.ablation.record import CLAIMS, NOT_DONE, RUNS, CellState, Record, State
from training.ablation.trained import is_complete, is_ready, keep_weights, note_complete, weights_to_score
from training.device import pick_device
from training.errors import AmbisegError, ConfigError, DeviceLostError
from training.evaluation.run import evaluate_run
from training.fit.run import train_run
from training.sampling_wish import SamplingWish

_LOOK_EVERY = 1.0  # seconds, at what others work on


@dataclass(frozen=True)
class Working:
    """What goes on.

    Parameters
    ----------
    doing : "waiting" is for what other processes work on
    what : the cell's labels
    done, total : steps of a training, cases of a scoring, cells that are waited for
    numbers : of the training, in words
    """

    doing: Literal["training", "scoring", "waiting"]
    what: str
    done: int
    total: int
    numbers: str = ""


@dataclass(frozen=True)
class Finished:
    """A cell that this process has finished with; ``scores`` is the summary of its evaluation, {} if that failed."""

    cell: Cell
    state: State
    reason: str
    scores: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How it ended: of this process's part.

    Parameters
    ----------
    states : of each cell of the part
    was_stopped : whether someone asked to stop before everything was done
    """

    states: dict[str, CellState]
    was_stopped: bool

    def count(self, state: State) -> int:
        """How many cells are in that state."""
        return sum(one.state == state for one in self.states.values())


def ablate(
    ablation: Ablation,
    out: Path,
    *,
    device: str = "auto",
    part: tuple[int, int] = (0, 1),
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _: None,
) -> Generator[Working | Finished, None, Outcome]:
    """Do what is not done yet of an ablation.

    Parameters
    ----------
    ablation : what `training.ablation.plan.plan_ablation` makes of a grid
    out : folder of all results
    device : "auto", "cpu", "cuda" or "cuda:N"
    part : (i, n): only the cells whose training is the i-th of every n, counted from 0
    should_stop : asked after every training step and between cases
    tell : gets a line for each thing that the user should know

    Yields
    ------
    Working, Finished

    Raises
    ------
    ConfigError
        If ``out`` has this grid with other settings or cannot be written, or the disk is full.
    DeviceLostError
        If the device gives up.  What fails in one cell otherwise, is that cell's reason and stops no other.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError("ablate works on one device; start it once for each, without torchrun, they share the work")
    pick_device(device)  # one that is not there would fail every cell
    mine = ablation.of_part(*part)
    record = Record(out, ablation)
    record.require_same()
    work = _Work(ablation, out, record, device, should_stop, tell)
    return (yield from work.do(mine))


@dataclass
class _Work:
    """One process's work on an ablation; the arguments are those of `ablate`."""

    ablation: Ablation
    out: Path
    record: Record
    device: str
    should_stop: Callable[[], bool]
    tell: Callable[[str], None]
    failed_runs: dict[str, str] = field(default_factory=dict)
    settled: dict[str, CellState] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def do(self, cells: Sequence[Cell]) -> Generator[Working | Finished, None, Outcome]:
        known = self.record.states()
        # Failures of earlier times are tried again; one that is found from now on was met by another process.
        again = {cell.id: CellState("missing", NOT_DONE) for cell in cells if known[cell.id].state == "failed"}
        self.record.write(again)
        pending = [cell for cell in cells if cell.run is not None]
        while pending and not self.should_stop():
            left = []
            for cell in pending:
                is_settled = yield from self._take(cell)
                if not is_settled:
                    left.append(cell)
                if self.should_stop():
                    break
            else:
                if len(left) == len(pending):
                    yield Working("waiting", "cells that other processes work on", 0, len(left))
                    time.sleep(_LOOK_EVERY)
                pending = left
                continue
            break
        states = self.record.states()
        # One who came later tries again what failed here, and has noted that it is not done.
        mine = {
            cell.id: self.settled.get(cell.id, states[cell.id])
            if states[cell.id].state == "missing"
            else states[cell.id]
            for cell in cells
        }
        undone = any(cell.run is not None and mine[cell.id].state == "missing" for cell in cells)
        return Outcome(mine, was_stopped=undone)

    def _take(self, cell: Cell) -> Generator[Working | Finished, None, bool]:
        """Do one cell; False if it is not settled, as another process works on it or someone asked to stop."""
        run = cell.run
        if run is None or self.record.states()[cell.id].state != "missing":
            return True
        scores: Mapping[str, Any] | None = None
        try:
            if run.name in self.failed_runs:
                state = CellState("failed", self.failed_runs[run.name])
            else:
                is_trained = yield from self._train(run, cell)
                if not is_trained:
                    return False
                with claimed(self.out / CLAIMS / f"{self.ablation.folder}_{cell.id}.lock") as is_mine:
                    if not is_mine:
                        return False
                    scores = yield from self._score(run, cell)
                if scores is None:
                    return False
                state = CellState("done")
        except DeviceLostError:
            raise
        except AmbisegError as error:
            if _is_of_the_disk(error):
                raise
            state = CellState("failed", str(error))
        self.settled[cell.id] = state
        self.record.write({cell.id: state})
        yield Finished(cell, state.state, state.reason, scores or {})
        return True

    def _train(self, run: Run, cell: Cell) -> Generator[Working, None, bool]:
        """Train what the cell needs, if nobody did; False if somebody is at it or someone asked to stop."""
        run_dir = self.out / RUNS / run.name
        if is_ready(run_dir, run.config):
            return True
        with ExitStack() as held:
            if not held.enter_context(claimed(self.out / CLAIMS / f"{run.name}.lock")):
                return False
            if not is_complete(run_dir, run.config):
                try:
                    is_done = yield from self._steps(run, run_dir, cell)
                except AmbisegError as error:
                    self.failed_runs[run.name] = str(error)
                    raise
                if not is_done:
                    return False
                note_complete(run_dir)
            keep_weights(run_dir)
        return True

    def _steps(self, run: Run, run_dir: Path, cell: Cell) -> Generator[Working, None, bool]:
        training = train_run(
            run.config,
            [file.path for file in self.ablation.data.training],
            run_dir,
            self.device,
            should_stop=self.should_stop,
            tell=self._tell_once,
        )
        with closing(training):
            while True:
                try:
                    progress = next(training)
                except StopIteration as end:
                    return bool(end.value.is_complete)
                yield Working("training", cell.title, progress.step, progress.steps, progress.numbers())

    def _score(self, run: Run, cell: Cell) -> Generator[Working, None, Mapping[str, Any] | None]:
        """Score one cell; None if someone asked to stop."""
        draw, score = cell.draw, cell.score
        scoring = evaluate_run(
            str(weights_to_score(self.out / RUNS / run.name, score.checkpoint)),
            self.ablation.data.scored.path,
            self.record.scores_path(cell),
            split=score.split,
            plan=score.plan(),
            wish=SamplingWish(draw.sampler, draw.steps, draw.grid, draw.eta, draw.guidance),
            device=self.device,
            cases=score.cases,
            random_crop=score.random_crop,
            crop_seed=score.crop_seed,
            should_stop=self.should_stop,
            tell=self._tell_once,
        )
        with closing(scoring):
            while True:
                try:
                    progress = next(scoring)
                except StopIteration as end:
                    summary: Mapping[str, Any] | None = end.value
                    return summary
                yield Working("scoring", cell.title, progress.done, progress.total)

    def _tell_once(self, line: str) -> None:
        """Dozens of trainings and scorings have the same to say."""
        if line not in self.told:
            self.told.add(line)
            self.tell(line)


def _is_of_the_disk(error: AmbisegError) -> bool:
    """Whether every other cell would meet the same: a full disk, or one that cannot be written."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
