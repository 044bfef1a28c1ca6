"""How masks are to be drawn: one record for the command line, evaluations and the viewer.  Torch-free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SamplingWish:
    """A way to draw; None is the model's own.  What a model cannot fulfil is refused when it is opened.

    Parameters
    ----------
    sampler : rule of a reverse step
    steps : reverse steps
    grid : how the steps' times are spread
    eta : share of fresh noise of "ddim"; None is 0 for another sampler than the model's own
    guidance : of classifier-free guidance; 1 is none
    precision : "fp32"; "bf16"; or "auto", which is "bf16" on a GPU that has it and "fp32" elsewhere

    Notes
    -----
    `training.config.SamplingConfig` says which values there are.
    """

    sampler: str | None = None
    steps: int | None = None
    grid: str | None = None
    eta: float | None = None
    guidance: float | None = None
    precision: str = "auto"

    def options(self) -> tuple[str, ...]:
        """The same as words of a command line, such as ("--sampler", "ddim"); none for what is left to the model."""
        chosen = {
            "--sampler": self.sampler,
            "--steps": self.steps,
            "--grid": self.grid,
            "--eta": self.eta,
            "--guidance": self.guidance,
            "--precision": None if self.precision == "auto" else self.precision,
        }
        return tuple(word for name, value in chosen.items() if value is not None for word in (name, str(value)))
