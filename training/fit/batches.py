"""What the network sees at each step: a pure function of (seed, step), made on the device where it is used.

The batch of a step is the same on any number of processes; each makes its own part of it.  On a GPU nothing here waits
for the device: what the host decides goes there as small vectors, and pixels never come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from training.config import Config
from training.data.dataset import SliceArrays
from training.diffusion.denoiser import NO_IMAGE
from training.errors import ConfigError
from training.fit.resident import ResidentSlices, cropped, upload
from training.fit.visits import IntArray, Plan, Visits
from training.noise import normal_fields
from training.rng import Purpose

T = TypeVar("T")
U = TypeVar("U")

# On a GPU the batches of some steps are made together, some 64 visits: launching the kernels is what takes the time.
_BLOCK_VISITS = 64


@dataclass(frozen=True, eq=False)
class Batch:
    """One process's part of a training step's input: b of the B items.

    Parameters
    ----------
    visits : (b,) NumPy, the visits that these items are, see `training.fit.visits`
    indices : (b,) NumPy, which slices, counted over all sources
    image : (b, 1, H, W) float32 in [0, 1], or `NO_IMAGE` everywhere
    x0 : (b, 1, H, W) float32, the mask of one expert, -1 or +1
    t : (b,) float64, stratified over the B items
    eps : (b, 1, H, W) float32 standard normal
    self_conditioned : (b,) bool, which items see the network's own estimate; None where the network never does
    """

    visits: IntArray
    indices: IntArray
    image: Tensor
    x0: Tensor
    t: Tensor
    eps: Tensor
    self_conditioned: Tensor | None = None


class Batches:
    """The endless sequence of training batches; what they are made of is told by `training.fit.visits.Visits`.

    Parameters
    ----------
    sources : the training slices of each file; the files may differ in size, type and number of experts
    config : image size, batch size, seed and what is drawn
    device : where the slices lie and the batches are made
    rank, processes : this process's number among all that train together

    Raises
    ------
    DataFormatError
        As `training.fit.visits.Visits`.
    ConfigError
        If there are more processes than items in a batch.

    Attributes
    ----------
    local_sizes : how many items of a batch each process makes, by its number: as evenly as they can, the larger first
    """

    def __init__(
        self,
        sources: Sequence[SliceArrays],
        config: Config,
        device: torch.device = torch.device("cpu"),  # noqa: B008 -- immutable
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        batch = config.fit.batch_size
        if processes > batch:
            raise ConfigError(
                f"{processes} processes cannot share batches of {batch}; "
                f"use at most {batch} processes, or set fit.batch_size to at least {processes}"
            )
        self._visits = Visits([(*source.masks.shape,) for source in sources], config)
        self._sources = [ResidentSlices(source, device) for source in sources]
        self._config, self._device = config, device
        self.local_sizes = tuple(batch // processes + (one < batch % processes) for one in range(processes))
        first = sum(self.local_sizes[:rank])
        self._part = slice(first, first + self.local_sizes[rank])

    def __len__(self) -> int:
        """Slices in one epoch."""
        return len(self._visits)

    def indices(self, step: int) -> IntArray:
        """(B,) which slices the batch of a step is made of, over all processes."""
        batch = self._config.fit.batch_size
        return self._visits.indices(np.arange(step * batch, (step + 1) * batch))

    def at(self, step: int) -> Batch:
        """This process's part of training step ``step``, counted from 0."""
        return self._made(range(step, step + 1))[0]

    def in_turn(
        self, steps: range, is_settled: Callable[[], bool], pause_every: int = 0
    ) -> Generator[tuple[int, Batch]]:
        """Steps and their batches, made `ahead` except where that could meet the capture of a CUDA graph.

        Parameters
        ----------
        steps : which, in turn
        is_settled : whether the caller's steps capture nothing any more; asked before each step until it is so
        pause_every : nothing is made while the caller is busy with what comes after every so many steps; 0 is never
        """
        step = steps.start
        while step < steps.stop:
            if not is_settled():
                yield step, self.at(step)
                step += 1
                continue
            pause = (step // pause_every + 1) * pause_every if pause_every else steps.stop
            last = min(pause, steps.stop) - 1
            with closing(self.ahead(range(step, last + 1))) as ahead:
                for one in range(step, last):
                    yield one, next(ahead)
                batch = next(ahead)
            yield last, batch
            step = last + 1

    def ahead(self, steps: range) -> Generator[Batch]:
        """The batches of these steps in turn; for a GPU they are made in a background thread.

        The thread works on the stream that is current at the first ``next``, so that what it makes is in order with
        what the caller does there.  It ends with the generator: close it.  No CUDA graph may be captured meanwhile.
        """
        if self._device.type != "cuda":
            yield from map(self.at, steps)
            return
        stream = torch.cuda.current_stream(self._device)

        def make(block: range) -> list[Batch]:
            with torch.cuda.stream(stream):
                return self._made(block)

        length = max(1, _BLOCK_VISITS // self.local_sizes[0])
        blocks = (steps[start : start + length] for start in range(0, len(steps), length))
        for made in _made_ahead(make, blocks):
            yield from made

    def _made(self, steps: range) -> list[Batch]:
        """The batches of some steps, made together; every item is computed by itself."""
        plan, size, device = self._visits.plan(steps, self._part), self._config.image_size, self._device
        images, masks = self._slices(plan)
        if plan.imageless is not None:
            images = images.masked_fill(upload(plan.imageless, device)[:, None, None], NO_IMAGE)
        visits, t = upload(plan.visits, device), upload(plan.t, device)
        eps = normal_fields(self._config.fit.seed, Purpose.TRAINING_NOISE, visits, 0, (1, size, size), device)
        x0 = masks.float() * 2 - 1
        coins = None if plan.self_conditioned is None else upload(plan.self_conditioned, device)
        n = len(plan) // len(steps)
        return [
            Batch(
                visits=plan.visits[part],
                indices=plan.indices[part],
                image=images[part, None],
                x0=x0[part, None],
                t=t[part],
                eps=eps[part],
                self_conditioned=None if coins is None else coins[part],
            )
            for part in (slice(start, start + n) for start in range(0, len(plan), n))
        ]

    def _slices(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """Crops of images and masks, in the plan's order: (n, S, S) float32 and bool."""
        size, device = self._config.image_size, self._device
        images, masks, order = [], [], []
        for number in np.unique(plan.sources):
            of = np.flatnonzero(plan.sources == number)
            source, rows = self._sources[number], upload(plan.rows[of], device)
            image, mask = source.images(rows), source.masks(rows, upload(plan.experts[of], device))
            if plan.augmentation is not None:  # of the whole slice, whatever part of it is seen
                image, mask = plan.augmentation.of(of).apply(image, mask)
            corners = upload(plan.corners[of], device)
            images.append(cropped(image, corners, size))
            masks.append(cropped(mask, corners, size))
            order.append(of)
        if len(order) == 1:
            return images[0], masks[0]
        back = upload(np.argsort(np.concatenate(order)), device)
        return torch.cat(images).index_select(0, back), torch.cat(masks).index_select(0, back)


def _made_ahead(make: Callable[[T], U], inputs: Iterable[T]) -> Iterator[U]:
    """``map`` in a background thread that is at most two results ahead; its errors come out where they would."""
    rest = iter(inputs)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:
        pending = deque(worker.submit(make, one) for one in islice(rest, 2))
        try:
            while pending:
                made = pending.popleft().result()
                pending.extend(worker.submit(make, one) for one in islice(rest, 1))
                yield made
        finally:
            for one in pending:
                one.cancel()
