"""A training step as one CUDA graph: some six hundred small kernels that the host launches at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from training.fit.batches import Batch

# Steps that run as they are before the capture, so that libraries choose their algorithms and buffers exist.
WARM_UP = 3


class GraphedStep:
    """Runs ``compute`` as it is for a few steps, then captures it and replays it.

    Parameters
    ----------
    compute : the whole step, without a wait for the device and with the same shapes each time; what it reads and
        changes besides the batch must stay where it is in memory

    Notes
    -----
    Each step counts once, whether it ran or was replayed: capturing computes nothing.  While it is captured no other
    thread may use the device.
    """

    def __init__(self, compute: Callable[[Batch], None]) -> None:
        self._compute = compute
        # Of the other set of streams that torch has.  Those of one set are given out in turn, so after some thirty
        # validations a walk's graph would be captured on this one too, and its end would take the libraries' buffers
        # that this graph goes on using (pytorch#193402).
        self._stream = torch.cuda.Stream(priority=-1)
        self._warm = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._input: Batch | None = None

    @property
    def is_captured(self) -> bool:
        """Whether the next step is a replay."""
        return self._graph is not None

    def __call__(self, batch: Batch) -> None:
        """Do one step."""
        if self._warm < WARM_UP:
            self._warm += 1
            self._run_aside(batch)
            return
        if self._graph is None or self._input is None:
            copies: dict[str, Any] = {name: tensor.clone() for name, tensor in _tensors(batch).items()}
            self._input = replace(batch, **copies)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._compute(self._input)
        else:
            held = _tensors(self._input)
            for name, tensor in _tensors(batch).items():
                held[name].copy_(tensor)
        self._graph.replay()

    def _run_aside(self, batch: Batch) -> None:
        """On the stream that captures, as torch asks for: its memory and its autograd nodes are that stream's."""
        present = torch.cuda.current_stream()
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            self._compute(batch)
        present.wait_stream(self._stream)


def _tensors(batch: Batch) -> dict[str, Tensor]:
    found = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
