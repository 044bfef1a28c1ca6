"""The diffusion model as a segmenter: an image in, masks out, every reverse step on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training import rng
from training.diffusion.denoiser import Denoiser
from training.diffusion.samplers import Sampler
from training.diffusion.walk import uniform_times, walk
from training.errors import DataFormatError
from training.nets.unet import UNet
from training.records import AnnotatedSlice, FloatArray, SampleSet, Step
from training.segmenters.experts import require_samples

# Samples that go through the network together.  More is slower on a CPU, where the feature maps fall out of the
# cache; a GPU takes them all at once.  The masks do not depend on it.
CPU_BATCH, GPU_BATCH = 4, 256


class DiffusionSegmenter:
    """Draws masks by reverse diffusion.

    Parameters
    ----------
    denoiser : trained network with its schedule and prediction type
    sampler : the rule of one reverse step
    n_steps : network calls per sample
    name : what the user calls the model
    device : where it runs
    provenance : what else to record with each sample set

    Notes
    -----
    Images of any size are accepted: they are padded by reflection to the network's multiple, and the masks cut
    back.  Sample ``i`` starts from the noise field named (seed, i), so it does not depend on the batch.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        sampler: Sampler,
        n_steps: int,
        *,
        name: str = "diffusion",
        device: torch.device | None = None,
        provenance: Mapping[str, str | int] | None = None,
    ) -> None:
        self.name = name
        self._device = device or torch.device("cpu")
        self._denoiser = denoiser.eval().to(device=self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sampler = sampler
        self._times = uniform_times(n_steps)
        self._batch = CPU_BATCH if self._device.type == "cpu" else GPU_BATCH
        self.provenance: Mapping[str, str | int | float | None] = {
            "model": name,
            "steps": n_steps,
            "device": str(self._device),
            **(provenance or {}),
        }

    @property
    def n_steps(self) -> int:
        """Network calls per sample."""
        return len(self._times) - 1

    def given(self, case: AnnotatedSlice) -> DiffusionSegmenter:
        """Itself: the model never sees annotations."""
        return self

    def draw(self, image: FloatArray, n: int, seed: int) -> SampleSet:
        """Draw ``n`` masks; see `SegmentationSampler.draw`."""
        *_, last = self.walk(image, n, seed)
        return SampleSet(last.masks, seed, self.provenance)

    def walk(self, image: FloatArray, n: int, seed: int) -> Iterator[Step]:
        """Draw ``n`` masks step by step; see `StepwiseSampler.walk`.

        Raises
        ------
        DataFormatError
            If the image is not (H, W) with finite values in [0, 1].
        ConfigError
            If n < 1.
        """
        require_samples(n)
        _require_image(image)
        h, w = image.shape
        padded = self._pad(torch.from_numpy(np.array(image, np.float32))[None, None]).to(self._device)
        shape = (1, *padded.shape[-2:])

        def noise(index: int) -> Tensor:
            fields = rng.noise(seed, rng.Purpose.SAMPLING_NOISE, range(n), index, shape)
            return torch.from_numpy(fields).to(self._device)

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            batches = x_t.split(self._batch)
            time = t[None].to(self._device)
            return torch.cat([self._denoiser(x, time, padded.expand(len(x), -1, -1, -1)) for x in batches])

        states = walk(denoise, self._sampler, self._denoiser.schedule, self._times, noise)
        for index, state in enumerate(states):
            yield Step(
                index=index,
                n_steps=self.n_steps,
                t=float(state.t),
                x_t=state.x_t[:, 0, :h, :w].cpu().numpy(),
                x0_hat=state.x0_hat[:, 0, :h, :w].cpu().numpy(),
            )

    def _pad(self, image: Tensor) -> Tensor:
        """Extend (1, 1, H, W) at the bottom and right to the network's multiple."""
        assert isinstance(self._denoiser.backbone, UNet)  # noqa: S101 -- the one backbone so far
        multiple = self._denoiser.backbone.size_multiple
        h, w = image.shape[-2:]
        extra = (0, -w % multiple, 0, -h % multiple)
        # Reflection needs more pixels than it adds; tiny images repeat their border instead.
        mode = "reflect" if extra[1] < w and extra[3] < h else "replicate"
        return F.pad(image, extra, mode=mode) if any(extra) else image


def _require_image(image: FloatArray) -> None:
    if image.ndim != 2 or 0 in image.shape:
        raise DataFormatError(f"an image must have shape (H, W), got {image.shape}")
    if not np.isfinite(image).all():
        raise DataFormatError("the image has NaN or infinite pixels; every pixel must be finite")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        raise DataFormatError(f"the image must lie in [0, 1], got [{low:.4g}, {high:.4g}]; rescale it first")
