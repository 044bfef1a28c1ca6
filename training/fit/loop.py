"""The training loop, written once, as a generator: the command line draws its progress, tests take what they need."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from training.build import build_denoiser, build_objective, count_parameters
from training.checkpoint import clear_unfinished, load_training_state, save_training_state
from training.config import Config
from training.errors import CheckpointError
from training.fit.batches import Batch, Batches
from training.fit.log import RunLog
from training.fit.numerics import numerics
from training.fit.progress import Ending, Pace, Progress
from training.fit.scoring import Scores
from training.fit.step import MAX_SKIPPED_IN_ROW, TrainingStep, learning_rate
from training.fit.validation import Validation
from training.model_card import ModelCard, newest_checkpoint
from training.processes import Processes

# Steps between two looks at what a GPU has counted, and at whether someone asked to stop.  A look waits for the device.
LOOK_EVERY = 16


@dataclass(frozen=True)
class Surroundings:
    """What a run writes on its cards and says in its errors, and whom it asks; none of it changes a number.

    Parameters
    ----------
    training_data, made_with : recorded in each checkpoint's card
    should_stop : asked after every step, on a GPU every 16th; on True a checkpoint is written and the loop ends
    slice_names : how slices are told to the user, by their numbers over all files
    tensorboard : also log for TensorBoard
    """

    training_data: tuple[str, ...] = ()
    made_with: dict[str, str] | None = None
    should_stop: Callable[[], bool] = lambda: False
    slice_names: Callable[[Sequence[int]], str] = lambda numbers: ", ".join(str(number) for number in numbers)
    tensorboard: bool = False


def fit_model(
    config: Config,
    batches: Batches,
    run_dir: Path,
    processes: Processes | None = None,
    validation: Validation | None = None,
    surroundings: Surroundings | None = None,
) -> Generator[Progress, None, Ending]:
    """Train, from the newest checkpoint of ``run_dir`` if there is one.

    Parameters
    ----------
    config, batches : what to train on what; the same as the checkpoint's, which the caller has seen to
    run_dir : gets ``checkpoints/`` and ``log.jsonl``; the first process holds its lock
    processes : who trains together, and on which device
    validation : how the network is scored every ``fit.validate_every`` steps and at the end; None is never
    surroundings : names, and who may stop it

    Yields
    ------
    Progress

    Returns
    -------
    Ending

    Raises
    ------
    CheckpointError
        If the run's checkpoint cannot be read.
    ConfigError
        If the loss or its gradient was not finite in more than three steps in a row; nothing of it is saved.
    OtherProcessError
        If that is told by the first process, or another one failed in writing.
    """
    with numerics(config.fit):
        training = _Training(
            config, batches, run_dir, processes or Processes(), validation, surroundings or Surroundings()
        )
        return (yield from training.go_on())


class _Training:
    """One run under way; the arguments are those of `fit_model`."""

    def __init__(
        self,
        config: Config,
        batches: Batches,
        run_dir: Path,
        processes: Processes,
        validation: Validation | None,
        surroundings: Surroundings,
    ) -> None:
        self._config, self._fit = config, config.fit
        self._batches, self._run_dir, self._processes = batches, run_dir, processes
        self._around = surroundings
        self._step = TrainingStep(build_denoiser(config), build_objective(config), config.fit, processes)
        with processes.together():
            self._log = RunLog(run_dir, surroundings.tensorboard and processes.is_first)
        self._scores = Scores(validation, config.fit, run_dir, self._log, processes)
        self._look_every = 1 if processes.device.type == "cpu" else min(self._fit.log_every, LOOK_EVERY)
        # A validation may capture a graph of its own, and no batch may be made meanwhile.
        self._pause_every = 0 if validation is None else config.fit.validate_every
        self._pace = Pace()

    def go_on(self) -> Generator[Progress, None, Ending]:
        """From the newest checkpoint to the end, or to where someone asks to stop."""
        start = self._resume()
        if self._is_asked_to_stop():
            return self._ending(start)
        if start and self._scores.is_due(start):  # it was interrupted there
            if not self._validate(start):
                return self._ending(start)
            self._save(start)
        self._pace.begin()
        steps = range(start, self._fit.steps)
        with closing(self._batches.in_turn(steps, lambda: self._step.is_settled, self._pause_every)) as batches:
            done = yield from self._train(start, batches)
        return self._ending(done)

    def _ending(self, done: int) -> Ending:
        return Ending(done, done == self._fit.steps and not self._scores.is_due(done))

    def _train(self, done: int, batches: Iterable[tuple[int, Batch]]) -> Generator[Progress, None, int]:
        """Step by step; what is due after a step comes in the order in which a kill in between does no harm."""
        for step, batch in batches:
            self._step(step, batch)
            self._pace.count()
            done = step + 1
            at_end = done == self._fit.steps
            looking = at_end or done % self._look_every == 0
            stopping = looking and self._is_asked_to_stop()
            logging = at_end or done % self._fit.log_every == 0
            saving = at_end or done % self._fit.checkpoint_every == 0
            validating = self._scores.is_due(done)
            if not (looking or logging or saving or validating):
                continue
            self._require_finite()
            progress = self._progress(done) if logging or stopping else None
            if progress and logging:
                self._write(progress)
            if validating and not stopping:
                stopping = not self._validate(done)
            if saving or stopping:
                self._save(done)
            if progress or stopping:
                progress = replace(progress or self._progress(done), validation_ged=self._scores.last_ged)
                self._pace.begin()
                yield progress
            if stopping:
                break
        return done

    def _resume(self) -> int:
        """Take up the newest checkpoint, or begin; returns the steps that are done."""
        processes, start = self._processes, 0
        with processes.together():
            if processes.is_first:
                clear_unfinished(self._run_dir)
        with processes.together():
            checkpoint = newest_checkpoint(self._run_dir)
            if checkpoint is not None:
                card = load_training_state(
                    checkpoint, self._step.denoiser, self._step.optimizer, ema=self._step.ema, engine=self._counts()
                )
                start = card.step
        self._scores.require_best()
        with processes.together():
            (first,) = processes.sum([start if processes.is_first else 0])
            if start != first:
                raise CheckpointError(
                    f"process {processes.rank} finds step {start} in {self._run_dir}, the first process {first:.0f}; "
                    f"all processes must see the run's folder, on a file system that they share"
                )
            if processes.is_first:
                self._log.forget_after(start, float(self._scores.marks["validated"]))
            else:  # the sum over all processes stands in the checkpoint
                self._step.forget_loss(0.0, float(self._step.counters["loss_steps"]))
        return start

    def _is_asked_to_stop(self) -> bool:
        return self._processes.any(self._around.should_stop())

    def _require_finite(self) -> None:
        failed = int(self._step.counters["failed_at"])
        if failed < 0:
            return
        numbers = [
            int(i) for step in range(failed - MAX_SKIPPED_IN_ROW, failed + 1) for i in self._batches.indices(step)
        ]
        checkpoint = newest_checkpoint(self._run_dir)
        raise self._processes.error(
            f"the loss or its gradient was not finite in the {MAX_SKIPPED_IN_ROW + 1} steps up to step {failed + 1}, "
            f"with the slices {self._around.slice_names(sorted(set(numbers)))}; the last good checkpoint is "
            f"{checkpoint or 'none'}; look at these slices, or train in another run folder with a lower "
            f"fit.learning_rate (now {self._fit.learning_rate:g})"
        )

    def _progress(self, done: int) -> Progress:
        now = self._step.counters
        (loss_sum,) = self._processes.sum([float(now["loss_sum"])])
        taken = float(now["loss_steps"])
        return Progress(
            step=done,
            steps=self._fit.steps,
            loss=loss_sum / taken if taken else math.nan,
            grad_norm=float(now["grad_norm"]),
            learning_rate=learning_rate(self._fit, done - 1),
            steps_per_second=self._pace.steps_per_second,
            skipped=int(now["skipped"]),
            validation_ged=self._scores.last_ged,
        )

    def _write(self, progress: Progress) -> None:
        """One line of the log.  The rate is left out, so that equal runs have equal logs."""
        with self._processes.together():
            if self._processes.is_first:
                self._log.write(
                    {
                        "step": progress.step,
                        "loss": progress.loss,
                        "grad_norm": progress.grad_norm,
                        "learning_rate": progress.learning_rate,
                        "skipped": progress.skipped,
                    }
                )
        self._step.forget_loss()

    def _validate(self, done: int) -> bool:
        with self._pace.paused():
            return self._scores.take(self._step, self._card(done), self._around.should_stop)

    def _save(self, done: int) -> None:
        if self._processes.count > 1:
            sums = self._processes.sum([float(self._step.counters["loss_sum"])])
            taken = float(self._step.counters["loss_steps"])
            self._step.forget_loss(sums[0] if self._processes.is_first else 0.0, taken)
        with self._pace.paused(), self._processes.together():
            if self._processes.is_first:
                save_training_state(
                    self._run_dir,
                    self._step.denoiser,
                    self._step.optimizer,
                    self._card(done),
                    self._fit.keep_checkpoints,
                    ema=self._step.ema,
                    engine=self._counts(),
                )

    def _counts(self) -> dict[str, torch.Tensor]:
        return self._step.counters | self._scores.marks

    def _card(self, step: int) -> ModelCard:
        return ModelCard(
            name=self._run_dir.name,
            config=self._config,
            parameters=count_parameters(self._config),
            step=step,
            sha256="",
            training_data=self._around.training_data,
            made_with=self._around.made_with or {},
        )
