"""What a run says of itself while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands, every ``fit.log_every`` steps and at its end.

    Parameters
    ----------
    step, steps : how many are done, of how many
    loss : mean over the steps that were taken since the last log line; NaN if none was
    grad_norm : of the last step that was taken, before clipping
    learning_rate : of the last step
    steps_per_second : since the last one, without validation and saving
    skipped : steps that were skipped so far, as their loss or gradient was not finite
    validation_ged : the last validation's U-statistic GED, None before the first
    """

    step: int
    steps: int
    loss: float
    grad_norm: float
    learning_rate: float
    steps_per_second: float
    skipped: int = 0
    validation_ged: float | None = None

    @property
    def seconds_left(self) -> float:
        """At the present rate."""
        return (self.steps - self.step) / self.steps_per_second

    def numbers(self) -> str:
        """The numbers that change, for a bar or a line."""
        text = f"loss {self.loss:.4f}"
        if self.validation_ged is not None:
            text += f"  GED {self.validation_ged:.3f}"
        if self.skipped:
            text += f"  {self.skipped} skipped"
        return text

    def line(self) -> str:
        """One line for a log."""
        return (
            f"step {self.step}/{self.steps}  {self.numbers()}  "
            f"{self.steps_per_second:.2f} steps/s  {duration(self.seconds_left)} left"
        )


def duration(seconds: float) -> str:
    """A duration in its two largest units: "3 d 05 h", "5 h 07 min", "12 min 30 s"."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h:02d} h"
    return f"{h} h {m:02d} min" if hours else f"{m} min {s:02d} s"


@dataclass(frozen=True)
class Ending:
    """Where a run stands when it ends without an error: the same on all processes.

    Parameters
    ----------
    step : how many steps are done
    is_complete : whether nothing is left to do; otherwise someone asked to stop
    """

    step: int
    is_complete: bool


class Pace:
    """Counts steps by the clock, from when it is made."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._began, self._steps = time.perf_counter(), 0

    def count(self) -> None:
        """One more step is done."""
        self._steps += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time of a block out."""
        began = time.perf_counter()
        yield
        self._began += time.perf_counter() - began

    @property
    def steps_per_second(self) -> float:
        """Since `begin`."""
        return self._steps / max(time.perf_counter() - self._began, 1e-9)
