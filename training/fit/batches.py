"""What the network sees at each step: a pure function of (seed, step), whatever happened before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import rng
from training.config import AugmentConfig
from training.data.dataset import ImageArray, SliceArrays, intensity
from training.errors import DataFormatError
from training.fit.augment import Augmentation
from training.records import BoolArray, FloatArray
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


@dataclass(frozen=True, eq=False)
class _Visit:
    """One slice as it is stored, one of its experts' masks, and the square of it that the network sees."""

    image: ImageArray
    mask: BoolArray
    window: tuple[slice, slice]


class Batches:
    """The endless sequence of training batches.

    Each epoch is a fresh permutation of all slices.  Each visit of a slice draws one of its experts uniformly
    (Sec. 4.1), a change of the whole slice where augmentation is asked for and, where slices are larger than
    ``image_size``, a uniform crop of what comes out.  Times are stratified over the batch:
    ``t_i = (pi(i) + U_i) / B`` with a random permutation pi, each uniform on its own.

    Parameters
    ----------
    sources : the training slices of each file; the files may differ in their number of experts
    image_size : side of the square that the network is trained on
    batch_size : B
    seed : names the whole sequence
    augment : how slices are varied; None leaves them as they are, and so does what changes nothing

    Raises
    ------
    DataFormatError
        If there is no slice, or one smaller than ``image_size``.
    """

    def __init__(
        self,
        sources: Sequence[SliceArrays],
        image_size: int,
        batch_size: int,
        seed: int,
        augment: AugmentConfig | None = None,
    ) -> None:
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
        self._augment = None if augment is None or augment.changes_nothing else augment
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
        seen = [self._visit(int(index), visit) for index, visit in zip(indices, visits, strict=True)]
        if self._augment is None:
            crops = [(intensity(one.image[one.window]), one.mask[one.window]) for one in seen]
        else:
            crops = _augmented(seen, Augmentation.draw(self._augment, self._seed, visits))
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

    def _visit(self, index: int, visit: int) -> _Visit:
        """What one visit of a slice draws: the expert and the crop."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        source = self._sources[number]
        i = index - (int(self._ends[number - 1]) if number else 0)
        choice = rng.generator(self._seed, Purpose.TRAINING_EXPERT, id_=visit)
        expert = choice.integers(source.masks.shape[1])
        top, left = (int(choice.integers(side - self._size + 1)) for side in source.images.shape[1:])
        window = slice(top, top + self._size), slice(left, left + self._size)
        return _Visit(source.images[i], source.masks[i, expert], window)


def _augmented(seen: Sequence[_Visit], augmentation: Augmentation) -> list[tuple[FloatArray, BoolArray]]:
    """Whole slices changed, then cropped; slices of one shape together, whatever file they are from."""
    crops: dict[int, tuple[FloatArray, BoolArray]] = {}
    for shape in {one.image.shape for one in seen}:
        members = [i for i, one in enumerate(seen) if one.image.shape == shape]
        images, masks = augmentation.of(members).apply(
            torch.from_numpy(np.stack([intensity(seen[i].image) for i in members])),
            torch.from_numpy(np.stack([seen[i].mask for i in members])),
        )
        for i, image, mask in zip(members, images.numpy(), masks.numpy(), strict=True):
            crops[i] = image[seen[i].window], mask[seen[i].window]
    return [crops[i] for i in range(len(seen))]
