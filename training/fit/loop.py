"""The training loop, written once, as a generator: the command line draws its progress, tests take what they need."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from training.build import build_denoiser, build_objective, count_parameters
from training.checkpoint import (
    BEST,
    MODEL,
    clear_unfinished,
    load_training_state,
    save_training_state,
    save_weights,
)
from training.config import Config
from training.errors import CheckpointError
from training.fit.batches import Batch, Batches
from training.fit.graph import WARM_UP
from training.fit.log import RunLog
from training.fit.numerics import numerics
from training.fit.processes import Processes
from training.fit.progress import Progress
from training.fit.step import MAX_SKIPPED_IN_ROW, TrainingStep, learning_rate
from training.fit.validation import Validation
from training.model_card import ModelCard, newest_checkpoint

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
) -> Iterator[Progress]:
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
        yield from training.go_on()


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
        self._validation, self._around = validation, surroundings
        self._step = TrainingStep(build_denoiser(config), build_objective(config), config.fit, processes)
        self._log = RunLog(run_dir, surroundings.tensorboard and processes.is_first)
        # What the loop itself counts, beside the step's counters: both go into checkpoints.
        self._marks = {name: torch.tensor(math.nan, dtype=torch.float64) for name in ("best_ged", "last_ged")}
        self._marks["validated"] = torch.zeros((), dtype=torch.float64)
        self._look_every = 1 if processes.device.type == "cpu" else min(self._fit.log_every, LOOK_EVERY)
        self._clock, self._counted = time.perf_counter(), 0

    def go_on(self) -> Iterator[Progress]:
        """From the newest checkpoint to the end, or to where someone asks to stop."""
        start = self._resume()
        if self._is_asked_to_stop():
            return
        if start and self._is_validation_due(start) and self._validate(start):
            self._save(start)
        self._clock = time.perf_counter()
        with closing(self._batches_from(start)) as batches:
            yield from self._train(batches)

    def _train(self, batches: Iterable[tuple[int, Batch]]) -> Iterator[Progress]:
        """Step by step; what is due after a step comes in the order in which a kill in between does no harm."""
        for step, batch in batches:
            self._step(step, batch)
            done, self._counted = step + 1, self._counted + 1
            at_end = done == self._fit.steps
            looking = at_end or done % self._look_every == 0
            stopping = looking and self._is_asked_to_stop()
            logging = at_end or done % self._fit.log_every == 0
            saving = at_end or done % self._fit.checkpoint_every == 0
            if not (looking or logging or saving or stopping or self._is_validation_due(done)):
                continue
            self._require_finite(done)
            progress = self._progress(done) if logging or stopping else None
            if progress and logging:
                self._write(progress)
            if self._is_validation_due(done) and not stopping:
                stopping = not self._validate(done)
            if saving or stopping:
                self._save(done)
            if progress or stopping:
                yield self._fresh(progress or self._progress(done))
            if stopping:
                return

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
        with processes.together():
            (first,) = processes.sum([start if processes.is_first else 0])
            if start != first:
                raise CheckpointError(
                    f"process {processes.rank} finds step {start} in {self._run_dir}, the first process {first:.0f}; "
                    f"all processes must see the run's folder, on a file system that they share"
                )
            if processes.is_first:
                self._log.forget_after(start)
            else:  # the sum over all processes stands in the checkpoint
                self._step.forget_loss(0.0, float(self._step.counters["loss_steps"]))
        return start

    def _batches_from(self, start: int) -> Generator[tuple[int, Batch]]:
        """Steps and their batches, made ahead except where that could meet the capture of a CUDA graph."""
        step = start
        while step < self._fit.steps:
            end = self._fit.steps
            if not self._step.is_settled:
                for one in range(step, min(step + WARM_UP + 1, end)):
                    yield one, self._batches.at(one)
                step = min(step + WARM_UP + 1, end)
                continue
            if self._validation is not None:  # which may capture a graph of its own
                every = self._fit.validate_every
                end = min(end, (step // every + 1) * every)
            with closing(cast(Generator[Batch], self._batches.ahead(range(step, end)))) as ahead:
                for one in range(step, end - 1):
                    yield one, next(ahead)
                last = next(ahead)
            yield end - 1, last
            step = end

    def _is_asked_to_stop(self) -> bool:
        return self._processes.any(self._around.should_stop())

    def _require_finite(self, done: int) -> None:
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
        taken, ged = float(now["loss_steps"]), float(self._marks["last_ged"])
        return Progress(
            step=done,
            steps=self._fit.steps,
            loss=loss_sum / taken if taken else math.nan,
            grad_norm=float(now["grad_norm"]),
            learning_rate=learning_rate(self._fit, done - 1),
            steps_per_second=self._counted / max(time.perf_counter() - self._clock, 1e-9),
            skipped=int(now["skipped"]),
            validation_ged=None if math.isnan(ged) else ged,
        )

    def _fresh(self, progress: Progress) -> Progress:
        """The progress with what a validation since then found; the next rate is counted from here."""
        self._clock, self._counted = time.perf_counter(), 0
        ged = float(self._marks["last_ged"])
        return progress if math.isnan(ged) else replace(progress, validation_ged=ged)

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

    def _is_validation_due(self, done: int) -> bool:
        if self._validation is None or done <= self._marks["validated"]:
            return False
        return done % self._fit.validate_every == 0 or done == self._fit.steps

    def _validate(self, done: int) -> bool:
        """Score the network as it is; False if someone asked to stop meanwhile, and then nothing is kept of it."""
        if self._validation is None:
            return True
        with self._unclocked(), self._step.averaged():
            score = self._validation.score(self._step.denoiser, self._around.should_stop)
            if self._processes.any(score is None):
                return False
            total, cases = self._processes.sum(score or (0.0, 0))
            ged = total / cases
            self._marks["validated"].fill_(done)
            self._marks["last_ged"].fill_(ged)
            with self._processes.together():
                if self._processes.is_first:
                    samples = self._fit.validation_samples
                    found = {"validation_ged_u": ged, "validation_cases": int(cases), "validation_samples": samples}
                    self._log.write({"step": done, **found})
                    if not ged >= float(self._marks["best_ged"]):
                        self._keep_best(done, found)
            self._marks["best_ged"].copy_(torch.fmin(self._marks["best_ged"], self._marks["last_ged"]))
        return True

    def _keep_best(self, done: int, scores: dict[str, float]) -> None:
        """The model with the lowest GED so far, without what it takes to train it on."""
        path = self._run_dir / "checkpoints" / BEST
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {MODEL + name: tensor for name, tensor in self._step.denoiser.state_dict().items()}
        save_weights(path, tensors, self._card(done).model_copy(update={"scores": scores}))

    def _save(self, done: int) -> None:
        if self._processes.count > 1:
            sums = self._processes.sum([float(self._step.counters["loss_sum"])])
            taken = float(self._step.counters["loss_steps"])
            self._step.forget_loss(sums[0] if self._processes.is_first else 0.0, taken)
        with self._unclocked(), self._processes.together():
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

    @contextmanager
    def _unclocked(self) -> Iterator[None]:
        """Leave the time of a block out of the steps per second."""
        began = time.perf_counter()
        yield
        self._clock += time.perf_counter() - began

    def _counts(self) -> dict[str, torch.Tensor]:
        return self._step.counters | self._marks

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
