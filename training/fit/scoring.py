"""What the validations of a run have found, and the model that was best in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from training.checkpoint import BEST, MODEL, save_weights
from training.config import FitConfig
from training.fit.log import RunLog
from training.fit.step import TrainingStep
from training.fit.validation import Validation
from training.model_card import CHECKPOINTS, ModelCard
from training.processes import Processes


class Scores:
    """Validates every ``fit.validate_every`` steps and at the end, and keeps the best model.

    Parameters
    ----------
    validation : how the network is scored; None is never
    fit : when that is due
    run_dir : gets ``checkpoints/best.safetensors``
    log : gets a line for each validation
    processes : who shares the cases; the first one writes

    Attributes
    ----------
    marks : what goes into checkpoints, float64 numbers: ``best_ged`` and ``last_ged``, NaN before the first validation,
        and ``validated``, the steps that were done at the last one
    """

    def __init__(
        self, validation: Validation | None, fit: FitConfig, run_dir: Path, log: RunLog, processes: Processes
    ) -> None:
        self._validation, self._fit = validation, fit
        self._run_dir, self._log, self._processes = run_dir, log, processes
        self.marks = {name: torch.tensor(math.nan, dtype=torch.float64) for name in ("best_ged", "last_ged")}
        self.marks["validated"] = torch.zeros((), dtype=torch.float64)

    @property
    def last_ged(self) -> float | None:
        """The last validation's U-statistic GED, None before the first."""
        ged = float(self.marks["last_ged"])
        return None if math.isnan(ged) else ged

    def is_due(self, done: int) -> bool:
        """Whether the network is to be scored after so many steps, and was not yet."""
        if self._validation is None or done <= self.marks["validated"]:
            return False
        return done % self._fit.validate_every == 0 or done == self._fit.steps

    def require_best(self) -> None:
        """After a checkpoint was taken up: without its files, the best model so far is none, and the next one is."""
        if not (self._run_dir / CHECKPOINTS / BEST).with_suffix(".json").is_file():
            self.marks["best_ged"].fill_(math.nan)

    def take(self, step: TrainingStep, card: ModelCard, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """Score the network as masks are drawn with it, with its averages if there are any.

        Parameters
        ----------
        step : what is trained
        card : what the network is now
        should_stop : asked between cases

        Returns
        -------
        False if someone asked to stop meanwhile, and then nothing is kept of it
        """
        if self._validation is None:
            return True
        with step.averaged():
            score = self._validation.score(step.denoiser, should_stop)
            if self._processes.any(score is None):
                return False
            total, cases = self._processes.sum(score or (0.0, 0))
            ged = total / cases
            self.marks["validated"].fill_(card.step)
            self.marks["last_ged"].fill_(ged)
            with self._processes.together():
                if self._processes.is_first:
                    samples = self._fit.validation_samples
                    found = {"validation_ged_u": ged, "validation_cases": int(cases), "validation_samples": samples}
                    self._log.write({"step": card.step, **found})
                    if not ged >= float(self.marks["best_ged"]):
                        self._keep(step, card.model_copy(update={"scores": found}))
            self.marks["best_ged"].copy_(torch.fmin(self.marks["best_ged"], self.marks["last_ged"]))
        return True

    def _keep(self, step: TrainingStep, card: ModelCard) -> None:
        """The model with the lowest GED so far, without what it takes to train it on."""
        path = self._run_dir / CHECKPOINTS / BEST
        path.parent.mkdir(parents=True, exist_ok=True)
        save_weights(path, {MODEL + name: tensor for name, tensor in step.denoiser.state_dict().items()}, card)
