"""What the network sees at each step: a pure function of (seed, step), whatever happened before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import rng
from training.data.dataset import SliceArrays, intensity
from training.errors import DataFormatError
from training.rng import Purpose


@dataclass(frozen=True, eq=False)
class Batch:
    """One training step's input, on the CPU.

    Parameters
    ----------
    indices : (B,) which slices, counted over all sources
    image : (B, 1, H, W) float32 in [0, 1]
    x0 : (B, 1, H, W) float32, the mask of one expert, -1 or +1
    t : (B,) float64, stratified over [0, 1]
    eps : (B, 1, H, W) float32 standard normal
    """

    indices: NDArray[np.int64]
    image: Tensor
    x0: Tensor
    t: Tensor
    eps: Tensor


class Batches:
    """The endless sequence of training batches.

    Each epoch is a fresh permutation of all slices.  Each visit of a slice draws one of its experts uniformly
    (Sec. 4.1) and, where slices are larger than ``image_size``, a uniform crop.  Times are stratified over the
    batch: ``t_i = (pi(i) + U_i) / B`` with a random permutation pi, each uniform on its own.

    Parameters
    ----------
    sources : the training slices of each file; the files may differ in their number of experts
    image_size : side of the square that the network is trained on
    batch_size : B
    seed : names the whole sequence

    Raises
    ------
    DataFormatError
        If there is no slice, or one smaller than ``image_size``.
    """

    def __init__(self, sources: Sequence[SliceArrays], image_size: int, batch_size: int, seed: int) -> None:
        for source in sources:
            h, w = source.images.shape[1:]
            if min(h, w) < image_size:
                raise DataFormatError(
                    f"training slices of {h} x {w} pixels are smaller than image_size = {image_size}; "
                    f"set image_size to at most {min(h, w)}"
                )
        self._sources = sources
        self._ends = np.cumsum([len(source) for source in sources])
        self._size = image_size
        self._batch = batch_size
        self._seed = seed
        self._epoch_order: tuple[int, NDArray[np.int64]] | None = None
        if len(self) == 0:
            raise DataFormatError("there are no training slices")

    def __len__(self) -> int:
        """Slices in one epoch."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def at(self, step: int) -> Batch:
        """The batch of training step ``step``, counted from 0."""
        visits = range(step * self._batch, (step + 1) * self._batch)
        indices = np.array([self._slice_of_visit(visit) for visit in visits])
        crops = [self._crop(int(index), visit) for index, visit in zip(indices, visits, strict=True)]
        time = rng.generator(self._seed, Purpose.TRAINING_TIMES, step=step)
        t = (time.permutation(self._batch) + time.random(self._batch)) / self._batch
        eps = rng.noise(self._seed, Purpose.TRAINING_NOISE, visits, 0, (1, self._size, self._size))
        return Batch(
            indices=indices,
            image=torch.from_numpy(np.stack([image for image, _ in crops])[:, None]),
            x0=torch.from_numpy(np.stack([mask for _, mask in crops])[:, None].astype(np.float32) * 2 - 1),
            t=torch.from_numpy(t),
            eps=torch.from_numpy(eps),
        )

    def _slice_of_visit(self, visit: int) -> int:
        epoch, position = divmod(visit, len(self))
        if self._epoch_order is None or self._epoch_order[0] != epoch:
            order = rng.generator(self._seed, Purpose.TRAINING_ORDER, id_=epoch).permutation(len(self))
            self._epoch_order = epoch, order
        return int(self._epoch_order[1][position])

    def _crop(self, index: int, visit: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Image and one expert's mask of a slice, cut to the network's size."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        source = self._sources[number]
        i = index - (int(self._ends[number - 1]) if number else 0)
        choice = rng.generator(self._seed, Purpose.TRAINING_EXPERT, id_=visit)
        expert = choice.integers(source.masks.shape[1])
        top, left = (int(choice.integers(side - self._size + 1)) for side in source.images.shape[1:])
        window = (i, slice(top, top + self._size), slice(left, left + self._size))
        return intensity(source.images[window]), source.masks[i, expert][window[1:]]
