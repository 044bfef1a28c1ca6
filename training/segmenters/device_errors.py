"""What a device says when it cannot go on, in the user's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.device import is_out_of_memory
from training.errors import DeviceError
from training.segmenters.interface import DeviceLostError


@contextmanager
def in_words(device: torch.device) -> Iterator[None]:
    """A block that works on ``device``; any other error comes through as it is.

    Raises
    ------
    DeviceLostError
        If the device gave up.  Every later call to it in this process fails too, or never returns.
    DeviceError
        If its memory does not suffice.
    """
    try:
        yield
    except torch.AcceleratorError as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise DeviceLostError(f"{device} gave up ({reason}); choose the device cpu, or try once more") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            f"{device} has too little memory for so many samples at once; draw fewer, or end what else runs there"
        ) from error
