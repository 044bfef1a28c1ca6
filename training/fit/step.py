"""One step of the optimizer, and everything that it changes, all of it on the device.

Nothing here waits for the device.  A loss or gradient that is not finite skips the update there and then: the fused
optimizer leaves weights, moments and its count of steps as they are, and counters tell the host when it next looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from training.config import FitConfig
from training.diffusion.denoiser import Denoiser
from training.diffusion.objective import Objective
from training.fit.batches import Batch
from training.fit.graph import GraphedStep
from training.fit.numerics import training_precision
from training.precision import autocast
from training.processes import Processes

# This many steps in a row may be skipped; one more and something is wrong that will not pass.
MAX_SKIPPED_IN_ROW = 3


def learning_rate(fit: FitConfig, step: int) -> float:
    """Linear warm-up, constant, then cosine to zero over the last ``decay_steps`` (Sec. 8.2)."""
    if step < fit.warmup_steps:
        return fit.learning_rate * (step + 1) / fit.warmup_steps
    into_decay = step - (fit.steps - fit.decay_steps)
    if into_decay < 0:
        return fit.learning_rate
    return fit.learning_rate * (1 + math.cos(math.pi * into_decay / fit.decay_steps)) / 2


def average_share(decay: float, step: int) -> float:
    """The share of the new weights in their moving average: 1 - min(decay, (1 + step) / (10 + step)).

    The early average is a short one, so that it forgets the weights that training began with.
    """
    return 1 - min(decay, (1 + step) / (10 + step))


class TrainingStep:
    """The network under training, its optimizer and averages, and how one batch changes them.

    Parameters
    ----------
    denoiser : moved to the device of ``processes``
    objective : the loss
    fit : how to train
    processes : with whom

    Attributes
    ----------
    ema : moving averages of the parameters by name; empty where there are none
    counters : what is counted on the device, float64 numbers:
        ``loss_sum`` and ``loss_steps`` of the steps that were taken since `forget_loss`, ``grad_norm`` of the last one
        before clipping, ``skipped`` steps in all, ``skipped_in_row`` up to now, and ``failed_at``, the step at which
        there were more than `MAX_SKIPPED_IN_ROW`, -1 before
    """

    def __init__(
        self, denoiser: Denoiser, objective: Objective, fit: FitConfig, processes: Processes | None = None
    ) -> None:
        self._processes = processes or Processes()
        self._device = device = self._processes.device
        self._fit = fit
        self._precision = training_precision(fit, device)
        self.denoiser = denoiser.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._parameters = dict(self.denoiser.named_parameters())
        self._loss = self._processes.wrapped(_GlobalLoss(self.denoiser, objective, self._processes.count, fit))
        # Settings that change from step to step are numbers on the device: a captured step reads them there.
        self._rate = torch.zeros((), device=device)
        self._share = torch.zeros((), device=device)
        self._number = torch.zeros((), dtype=torch.float64, device=device)
        captures = device.type == "cuda" and self._processes.count == 1 and fit.determinism == "fast"
        self.optimizer = torch.optim.AdamW(
            self._parameters.values(),
            lr=self._rate,
            weight_decay=fit.weight_decay,
            fused=True,
            capturable=captures,
        )
        # It warns of steps that are not captured, and the first ones are not.
        self.optimizer._warned_capturable_if_run_uncaptured = captures
        self.ema = {name: p.detach().clone() for name, p in self._parameters.items()} if fit.ema_decay else {}
        names = ("loss_sum", "loss_steps", "grad_norm", "skipped", "skipped_in_row")
        self.counters = {name: torch.zeros((), dtype=torch.float64, device=device) for name in names}
        self.counters["failed_at"] = torch.full((), -1.0, dtype=torch.float64, device=device)
        self._graphed = GraphedStep(self._compute) if captures else None

    @property
    def is_settled(self) -> bool:
        """Whether no more capturing is to come, so that another thread may use the device meanwhile."""
        return self._graphed is None or self._graphed.is_captured

    def __call__(self, step: int, batch: Batch) -> None:
        """Train on this process's part of the batch of ``step``, counted from 0."""
        self._rate.fill_(learning_rate(self._fit, step))
        self._share.fill_(average_share(self._fit.ema_decay, step))
        self._number.fill_(step)
        if self._graphed is None:
            self._compute(batch)
        else:
            self._graphed(batch)

    def forget_loss(self, sum_before: float = 0.0, steps_before: float = 0.0) -> None:
        """Begin a new mean loss, after some steps whose losses are known."""
        self.counters["loss_sum"].fill_(sum_before)
        self.counters["loss_steps"].fill_(steps_before)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the network has its averaged weights, if there are any."""
        with torch.no_grad():
            kept = {name: self._parameters[name].clone() for name in self.ema}
            for name, average in self.ema.items():
                self._parameters[name].copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in kept.items():
                    self._parameters[name].copy_(weight)

    def _compute(self, batch: Batch) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self._device, self._precision):
            loss: Tensor = self._loss(batch.x0, batch.image, batch.t, batch.eps, batch.self_conditioned)
        # A loss can overflow where its gradient does not.  This makes the gradient NaN too, on all processes alike.
        loss.backward(torch.where(loss.detach().isfinite(), 1.0, math.nan))
        norm = nn.utils.clip_grad_norm_(self._parameters.values(), self._fit.clip_norm, foreach=True)
        skip = norm.isfinite().logical_not().float()
        self.optimizer.found_inf = skip  # type: ignore[attr-defined]  # how gradient scalers tell the fused kernels
        self.optimizer.step()
        self._average(skip)
        self._count(loss.detach(), norm, skip > 0)

    @torch.no_grad()
    def _average(self, skip: Tensor) -> None:
        if self.ema:
            averages = list(self.ema.values())
            towards = torch._foreach_sub(list(self._parameters.values()), averages)
            torch._foreach_mul_(towards, self._share * (1 - skip))
            torch._foreach_add_(averages, towards)

    def _count(self, loss: Tensor, norm: Tensor, skip: Tensor) -> None:
        now = self.counters
        now["loss_sum"].add_(torch.where(skip, 0.0, loss.double() / self._processes.count))
        now["loss_steps"].add_(skip.logical_not())
        now["grad_norm"].copy_(torch.where(skip, now["grad_norm"], norm.double()))
        now["skipped"].add_(skip)
        now["skipped_in_row"].add_(1).mul_(skip)
        fails = (now["skipped_in_row"] > MAX_SKIPPED_IN_ROW) & (now["failed_at"] < 0)
        now["failed_at"].copy_(torch.where(fails, self._number, now["failed_at"]))


class _GlobalLoss(nn.Module):
    """The loss of this process's items, so scaled that the mean over processes is the mean over the whole batch."""

    def __init__(self, denoiser: Denoiser, objective: Objective, processes: int, fit: FitConfig) -> None:
        super().__init__()
        self.denoiser = denoiser
        self._objective = objective
        self._scale = processes / fit.batch_size

    def forward(self, x0: Tensor, image: Tensor, t: Tensor, eps: Tensor, self_conditioned: Tensor | None) -> Tensor:
        return self._objective(self.denoiser, x0, image, t, eps, self_conditioned).sum() * self._scale
