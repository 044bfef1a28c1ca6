"""What the check is asked to do; it travels to the processes of its parts as JSON.  Torch-free."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a part, and so whether an older result still stands.

    Parameters
    ----------
    device : "auto", "cpu", "cuda" or "cuda:N"
    is_smoke : tiny sizes, which prove the command and measure nothing
    data : file of annotated slices whose val split is evaluated; None makes phantoms
    peak_tflops : of the device in bfloat16, to print the share of it
    """

    device: str = "auto"
    is_smoke: bool = False
    data: str | None = None
    peak_tflops: float | None = None

    def to_json(self) -> str:
        """As text; `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """From `to_json`."""
        return cls(**json.loads(text))
