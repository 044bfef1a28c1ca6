"""The training loop, written once, as a generator: the command line draws its progress, tests take what they need."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from training.atomic import write_bytes
from training.build import build_denoiser, build_objective, count_parameters
from training.checkpoint import load_training_state, save_training_state
from training.config import Config, FitConfig
from training.errors import ConfigError
from training.fit.batches import Batches
from training.model_card import ModelCard, newest_checkpoint

LOG = "log.jsonl"


@dataclass(frozen=True)
class Progress:
    """Where a run stands, every ``fit.log_every`` steps and at its end.

    ``loss`` is the mean over the steps since the last one; ``grad_norm`` is taken before clipping.
    """

    step: int
    steps: int
    loss: float
    grad_norm: float
    learning_rate: float
    steps_per_second: float

    @property
    def seconds_left(self) -> float:
        """At the present rate."""
        return (self.steps - self.step) / self.steps_per_second

    def line(self) -> str:
        """One line for a log."""
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return (
            f"step {self.step}/{self.steps}  loss {self.loss:.4f}  "
            f"{self.steps_per_second:.2f} steps/s  {minutes} min {seconds:02d} s left"
        )


def learning_rate(fit: FitConfig, step: int) -> float:
    """Linear warm-up, constant, then cosine to zero over the last ``decay_steps`` (Sec. 8.2)."""
    if step < fit.warmup_steps:
        return fit.learning_rate * (step + 1) / fit.warmup_steps
    into_decay = step - (fit.steps - fit.decay_steps)
    if into_decay < 0:
        return fit.learning_rate
    return fit.learning_rate * (1 + math.cos(math.pi * into_decay / fit.decay_steps)) / 2


def fit_model(
    config: Config,
    batches: Batches,
    run_dir: Path,
    device: torch.device,
    *,
    training_data: tuple[str, ...] = (),
    made_with: dict[str, str] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Train, from the newest checkpoint of ``run_dir`` if there is one.

    Parameters
    ----------
    config, batches : what to train on what; the same as the checkpoint's, which the caller has seen to
    run_dir : gets ``checkpoints/`` and ``log.jsonl``; the caller holds its lock
    device : where to train
    training_data, made_with : recorded in each checkpoint's card
    should_stop : asked after every step; on True a checkpoint is written and the loop ends

    Yields
    ------
    Progress

    Raises
    ------
    CheckpointError
        If the run's checkpoint cannot be read.
    ConfigError
        If the loss or its gradient is no longer finite; nothing of it is saved, the last checkpoint stays as it was.
    """
    fit = config.fit
    if fit.determinism != "fast":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it; read when it starts
    torch.use_deterministic_algorithms(fit.determinism != "fast")
    denoiser = build_denoiser(config).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    objective = build_objective(config)
    optimizer = torch.optim.AdamW(
        denoiser.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay, fused=True
    )
    start = 0
    if checkpoint := newest_checkpoint(run_dir):
        start = load_training_state(checkpoint, denoiser, optimizer).step
    _forget_log_after(run_dir / LOG, start)

    def save(step: int) -> None:
        card = ModelCard(
            name=run_dir.name,
            config=config,
            parameters=count_parameters(config),
            step=step,
            sha256="",
            training_data=training_data,
            made_with=made_with or {},
        )
        save_training_state(run_dir, denoiser, optimizer, card, fit.keep_checkpoints)

    losses: list[torch.Tensor] = []
    since = time.perf_counter()
    for step in range(start, fit.steps):
        batch = batches.at(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(fit, step)
        loss = objective(
            denoiser, batch.x0.to(device), batch.image.to(device), batch.t.to(device), batch.eps.to(device)
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        grad_norm = torch.nn.utils.clip_grad_norm_(denoiser.parameters(), fit.clip_norm)
        optimizer.step()
        losses.append(loss.detach())

        done = step + 1
        stopping = done == fit.steps or should_stop()
        logging, saving = done % fit.log_every == 0 or stopping, done % fit.checkpoint_every == 0 or stopping
        # The last gradient too: it is in the weights, and would show in no loss before the next step.
        if (logging or saving) and not math.isfinite(float(torch.stack(losses).mean() + grad_norm)):
            raise ConfigError(
                f"the loss or its gradient is no longer finite at step {done}; train in another run folder "
                f"with a lower fit.learning_rate (now {fit.learning_rate:g})"
            )
        if logging:
            now = time.perf_counter()
            progress = Progress(
                step=done,
                steps=fit.steps,
                loss=float(torch.stack(losses).mean()),
                grad_norm=float(grad_norm),
                learning_rate=learning_rate(fit, step),
                steps_per_second=len(losses) / (now - since),
            )
            _log(run_dir / LOG, progress)
            losses, since = [], now
            yield progress
        if saving:
            save(done)
        if stopping:
            return


def _log(path: Path, progress: Progress) -> None:
    # One line per call, opened anew: what was logged survives whatever ends the process.
    # The rate is left out, so that equal runs have equal logs.
    entry = {
        "step": progress.step,
        "loss": progress.loss,
        "grad_norm": progress.grad_norm,
        "learning_rate": progress.learning_rate,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _forget_log_after(path: Path, step: int) -> None:
    """Drop what an interrupted run logged after the checkpoint that it goes on from."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        write_bytes(path, "".join(kept).encode())
