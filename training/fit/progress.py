"""What a run says of itself while it goes on."""

from __future__ import annotations

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
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return (
            f"step {self.step}/{self.steps}  {self.numbers()}  "
            f"{self.steps_per_second:.2f} steps/s  {minutes} min {seconds:02d} s left"
        )
