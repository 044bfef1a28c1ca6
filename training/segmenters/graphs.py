"""Whole walks as CUDA graphs: some five thousand small kernels that one call launches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_CALLS = 64  # network calls of a walk in one graph; a longer one has work enough to hide its launches
_MOST_GRAPHS = 4  # kept; each holds the memory that its walk needs

# (images (B, 1, H, W), step -> noise (B, 1, H, W)) -> x0_hat (B, 1, H, W)
Walk = Callable[[Tensor, Callable[[int], Tensor]], Tensor]


@dataclass(frozen=True, eq=False)
class _Captured:
    """A graph and the memory through which it is spoken to; ``noise`` is (fields, B, 1, H, W)."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    noise: Tensor
    drawn: Tensor


class WalkGraphs:
    """Runs a walk as it is the first time that it meets a shape, captures it the second time, and then replays it.

    Parameters
    ----------
    walk : from images and noise to the drawn masks, without a wait for the device
    n_fields : steps whose noise it asks for: 0 ... n_fields - 1
    device : a CUDA device

    Notes
    -----
    Graphs that were captured on one stream share the libraries' buffers of that stream, and where one of them ends,
    torch may take these from the others (pytorch#193402).  So all are captured on one stream of their own, and all end
    together.

    Attributes
    ----------
    refused : shapes that the device would not let it capture; their walks run as they are, only slower
    """

    def __init__(self, walk: Walk, n_fields: int, device: torch.device) -> None:
        self._walk, self._n_fields, self._device = walk, n_fields, device
        self.refused: set[torch.Size] = set()
        self._met: set[torch.Size] = set()
        self._captured: dict[torch.Size, _Captured] = {}
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, images: Tensor, noise: Callable[[int], Tensor]) -> Tensor:
        """The drawn masks, (B, 1, H, W); arguments as of the walk.

        Raises
        ------
        torch.OutOfMemoryError
            If the memory does not suffice; `clear` may help.
        """
        shape = images.shape
        if shape not in self._met or shape in self.refused:
            self._met.add(shape)
            return self._walk(images, noise)
        with torch.cuda.device(self._device):
            captured = self._captured.get(shape)
            if captured is None:
                if len(self._captured) == _MOST_GRAPHS:
                    self.clear()
                captured = self._capture(images, noise)
                if captured is None:
                    self.refused.add(shape)
                    return self._walk(images, noise)
                self._captured[shape] = captured
            captured.images.copy_(images)
            for step in range(self._n_fields):
                captured.noise[step].copy_(noise(step))
            captured.graph.replay()
            return captured.drawn.clone()

    def clear(self) -> bool:
        """Give all graphs and their memory up; True if there was one."""
        had = bool(self._captured)
        if had:
            torch.cuda.synchronize(self._device)  # none may end while it runs
            self._captured.clear()
        return had

    def _capture(self, images: Tensor, noise: Callable[[int], Tensor]) -> _Captured | None:
        """None if the capture broke off; the device is well after it."""
        held_images = images.clone(memory_format=torch.contiguous_format)
        held_noise = torch.stack([noise(step) for step in range(self._n_fields)])
        self._stream = self._stream or torch.cuda.Stream()
        present, aside = torch.cuda.current_stream(), self._stream
        aside.wait_stream(present)
        with torch.cuda.stream(aside):  # as torch asks for: libraries make their buffers on a stream of their own
            self._walk(held_images, held_noise.__getitem__)
        present.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=aside):
                drawn = self._walk(held_images, held_noise.__getitem__)
        except torch.AcceleratorError as error:
            # Ending a capture in which memory ran out is an error of its own, and hides the first.
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from None
            # Or the allocator frees memory for another try, which breaks the capture off (pytorch#187795).
            if "captur" not in str(error):
                raise
            return None
        return _Captured(graph, held_images, held_noise, drawn)
