"""In which precision the network runs.  Weights, norms' statistics, time embeddings and the loss are always float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch

from training.config import PrecisionName

Precision = Literal["fp32", "bf16"]


def pick_precision(wish: PrecisionName, device: torch.device) -> Precision:
    """Turn a wish into a precision: "auto" is "bf16" on a GPU that computes in it, and "fp32" elsewhere.

    A CPU may be twice as fast in bfloat16, or slower, and its masks then differ from another machine's in some pixels
    of a million (``docs/adr/008-how-the-cpu-is-used.md``); there it has to be asked for.
    """
    if wish != "auto":
        return wish
    has_units = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has_units else "fp32"


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which a network of float32 weights runs in that precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def exactly(device: torch.device, precision: Precision) -> Iterator[None]:
    """As `autocast`, and float32 is float32 on a GPU too, without TF32: for drawing masks."""
    with ExitStack() as stack:
        if device.type == "cuda" and precision == "fp32":
            for switch in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):  # type: ignore[attr-defined]
                stack.callback(setattr, switch, "fp32_precision", switch.fp32_precision)
                switch.fp32_precision = "ieee"
        stack.enter_context(autocast(device, precision))
        yield
