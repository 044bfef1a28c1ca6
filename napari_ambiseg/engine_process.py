"""The sampling process itself.

Started by `engine.Engine` as ``python -m napari_ambiseg.engine_process``.  The one place of the plugin where torch
is imported, and that only when the first request arrives.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from napari_ambiseg.messages import EstimateWanted, SampleRequest
from napari_ambiseg.server import Backend, Server
from training.errors import DeviceLostError
from training.machine import DeviceFact
from training.parent import answer_parent
from training.segmenters.interface import SegmentationSampler

if TYPE_CHECKING:
    from training.build import ModelCache

_NICE = 5  # where both want the processor, the window comes first
_LOST = 71  # exit code of a process whose device gave up: EX_OSERR of sysexits.h
_GRACE = 5.0  # seconds between the viewer's end and ours, if a step is still being computed; the loop ends before


class TorchBackend:
    """Makes segmenters; the weights of the last model stay in memory for the next request."""

    def __init__(self) -> None:
        self._cache: ModelCache | None = None

    def load(self, wanted: SampleRequest | EstimateWanted, tell: Callable[[str], None]) -> SegmentationSampler:
        """The segmenter that is asked for; errors as in `training.build.load_segmenter`."""
        from training.build import ModelCache, load_segmenter

        self._cache = self._cache or ModelCache()
        return load_segmenter(wanted.model, wanted.device, wanted.wish, cache=self._cache, tell=tell)

    def facts(self) -> Sequence[DeviceFact]:
        """The devices of this machine, the fastest first."""
        from training.device import device_facts

        return device_facts()

    def held_bytes(self) -> int:
        """Memory that torch has taken from all GPUs and not given back."""
        import torch

        if not torch.cuda.is_initialized():
            return 0
        return sum(torch.cuda.memory_reserved(i) for i in range(torch.cuda.device_count()))


def main(backend: Backend | None = None) -> None:
    """Serve the viewer that started this process until it hangs up."""
    connection = answer_parent(_GRACE)
    if sys.platform != "win32":
        os.nice(_NICE)
    with connection:
        try:
            Server(connection, backend or TorchBackend()).run()
        except DeviceLostError:
            os._exit(_LOST)  # the interpreter's own end would free what lies on the lost device


if __name__ == "__main__":
    main()
