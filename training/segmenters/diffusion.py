"""The diffusion model as a segmenter: images in, masks out, every reverse step on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor

from training.config import GridName, PrecisionName
from training.device import device_errors_told, is_out_of_memory
from training.diffusion.denoiser import Denoiser
from training.diffusion.grids import grid_times
from training.diffusion.samplers import Sampler
from training.diffusion.walk import WalkStep, walk
from training.errors import ConfigError, DataFormatError
from training.nets.unet import UNet
from training.noise import normal_fields
from training.precision import exactly, pick_precision
from training.records import AnnotatedSlice, BoolArray, FloatArray, SampleSet, Step
from training.rng import Purpose
from training.segmenters.experts import require_samples
from training.segmenters.graphs import MOST_CALLS, WalkGraphs
from training.segmenters.images import pad, require_image
from training.segmenters.micro_batches import MicroBatches
from training.segmenters.timing import seconds_per_call

# Samples that go through the network together.  More is slower on a CPU, where the feature maps fall out of the
# cache; a GPU takes them all at once.  The masks do not depend on it (docs/adr/020-the-sampling-engine.md).
CPU_BATCH, GPU_BATCH = 4, 256


class DiffusionSegmenter:
    """Draws masks by reverse diffusion.

    Parameters
    ----------
    denoiser : trained network with its schedule and prediction type; is moved to ``device`` and set to evaluation
    sampler : the rule of one reverse step
    n_steps : reverse steps
    grid : how the times of the steps are spread
    guidance : of classifier-free guidance; 1 is none
    precision : of the network, see `training.precision.pick_precision`
    name : what the user calls the model
    device : where it runs
    provenance : what else to record with each sample set
    tell : gets a line when memory runs out and fewer samples go through the network together from then on

    Raises
    ------
    ConfigError
        If there is no such grid, fewer than one step is asked for, or guidance is negative.

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
        grid: GridName = "trailing",
        guidance: float = 1.0,
        precision: PrecisionName = "auto",
        name: str = "diffusion",
        device: torch.device | None = None,
        provenance: Mapping[str, str | int | float | None] | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        if not 0 <= guidance < float("inf"):
            raise ConfigError(f"guidance must be 0 or more and 1 is none, got {guidance:g}")
        self.name = name
        self._device = device or torch.device("cpu")
        self._denoiser: Denoiser = denoiser.eval().to(device=self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sampler = sampler
        self._times = grid_times(grid, n_steps, denoiser.schedule)
        self._precision = pick_precision(precision, self._device)
        size = CPU_BATCH if self._device.type == "cpu" else GPU_BATCH
        self._network = MicroBatches(
            self._denoiser,
            self._times,
            guidance,
            self._precision,
            self._device,
            size,
            make_room=self._forget_graphs,
            tell=tell,
        )
        calls = sampler.calls(n_steps) * (1 if guidance == 1 else 2)
        self._graphs: WalkGraphs | None = None
        if self._device.type == "cuda" and calls <= MOST_CALLS:
            self._graphs = WalkGraphs(self._final, n_steps if sampler.is_stochastic else 1, self._device)
        self.provenance: Mapping[str, str | int | float | None] = {
            "model": name,
            "steps": n_steps,
            "grid": grid,
            "network_calls": calls,
            **({} if guidance == 1 else {"guidance": guidance}),
            "precision": self._precision,
            "device": str(self._device),
            **(provenance or {}),
        }

    @property
    def n_steps(self) -> int:
        """Reverse steps; a walk has one state more."""
        return len(self._times) - 1

    @property
    def batch(self) -> int:
        """Samples that go through the network together; halved when memory runs out.  The masks do not depend on it."""
        return self._network.size

    def given(self, case: AnnotatedSlice) -> DiffusionSegmenter:
        """Itself: the model never sees annotations."""
        return self

    def draw(self, image: FloatArray, n: int, seed: int) -> SampleSet:
        """Draw ``n`` masks; see `SegmentationSampler.draw`.  Errors as in `walk`."""
        return self.draw_many([image], n, [seed])[0]

    def draw_many(self, images: Sequence[FloatArray], n: int, seeds: Sequence[int]) -> list[SampleSet]:
        """Draw ``n`` masks for each of some images of one shape, all through the network together.

        Parameters
        ----------
        images : (H, W) each, float32 in [0, 1]
        n : masks for each image
        seeds : one per image; each image gets the masks that `draw` gives it with its seed

        Raises
        ------
        DataFormatError
            If an image is not (H, W) with finite values in [0, 1], or they differ in shape.
        ConfigError
            If n < 1, or there is not one seed per image.
        DeviceError
            If the device has too little memory for one sample, or gave up.
        """
        require_samples(n)
        if len(images) != len(seeds):
            raise ConfigError(f"one seed per image is needed, got {len(seeds)} seeds for {len(images)} images")
        if not images:
            return []
        for image in images:
            require_image(image)
        if shapes := {image.shape for image in images} - {images[0].shape}:
            raise DataFormatError(f"images of one shape are needed, got {images[0].shape} and {shapes.pop()}")
        with self._errors_told():
            padded = self._padded(images)
            names = [(which, i) for which in range(len(images)) for i in range(n)]
            masks: list[BoolArray] = []
            while len(masks) < len(names):
                drawn = self._masks(padded, names[len(masks) : len(masks) + self.batch], seeds, images[0].shape)
                if drawn is None:
                    self._network.shrink()
                else:
                    masks.extend(drawn)
        return [
            SampleSet(np.stack(masks[which * n : (which + 1) * n]), seed, self.provenance)
            for which, seed in enumerate(seeds)
        ]

    def walk(
        self, image: FloatArray, n: int, seed: int, *, between: Callable[[], None] = lambda: None
    ) -> Iterator[Step]:
        """Draw ``n`` masks step by step; see `StepwiseSampler.walk`.

        Raises
        ------
        DataFormatError
            If the image is not (H, W) with finite values in [0, 1].
        ConfigError
            If n < 1.
        DeviceError
            If the device has too little memory for one sample, or gave up.
        """
        require_samples(n)
        require_image(image)
        h, w = image.shape
        with self._errors_told():
            images = self._padded([image]).expand(n, -1, -1, -1)
            names = [(0, i) for i in range(n)]
            states = self._states(images, lambda step: self._noise(names, [seed], step, images.shape[1:]), between)
            for index, state in enumerate(states):
                yield Step(
                    index=index,
                    n_steps=self.n_steps,
                    t=float(state.t),
                    x_t=state.x_t[:, 0, :h, :w].cpu().numpy(),
                    x0_hat=state.x0_hat[:, 0, :h, :w].cpu().numpy(),
                    log_snr=float(self._denoiser.schedule.log_snr(state.t)),
                )

    def estimate(self, shape: tuple[int, int], n: int, *, between: Callable[[], None] = lambda: None) -> float:
        """Seconds that a walk of ``n`` masks of an image of this shape (H, W) will take, as the machine is now.

        One network call of one micro-batch, the second of its shape, is timed, and counted as often as the walk has
        calls; drawing noise and looking at the states come on top.

        Parameters
        ----------
        shape : (H, W) of the image, each 1 or more
        n : masks
        between : called before each network call, as in `walk`

        Raises
        ------
        ConfigError
            If n < 1, or the image would have no pixels.
        DeviceError
            If the device has too little memory for one sample, or gave up.
        """
        require_samples(n)
        if min(shape) < 1:
            raise ConfigError(f"an image of {shape[0]} x {shape[1]} pixels is impossible; give sides of at least 1")
        with self._errors_told():
            image = self._padded([np.zeros(shape, np.float32)])
            seconds = seconds_per_call(self._network, self._times[0], image, n, between)
        return seconds * self._sampler.calls(self.n_steps)

    def _errors_told(self) -> AbstractContextManager[None]:
        return device_errors_told(
            self._device,
            lost="choose the device cpu, or try once more",
            memory="draw fewer masks at once, or end what else runs there",
        )

    def _masks(
        self, padded: Tensor, names: Sequence[tuple[int, int]], seeds: Sequence[int], shape: tuple[int, ...]
    ) -> BoolArray | None:
        """The masks of the samples (image, index), (B, H, W) bool; None if memory ran out."""

        def noise(step: int) -> Tensor:
            return self._noise(names, seeds, step, padded.shape[1:])

        h, w = shape
        try:
            images = padded[[which for which, _ in names]]
            x0 = self._final(images, noise) if self._graphs is None else self._graphs(images, noise)
            masks: BoolArray = (x0[:, 0, :h, :w] > 0).cpu().numpy()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return masks

    def _forget_graphs(self) -> bool:
        """Give the memory of all captured walks back; True if there was one."""
        return self._graphs is not None and self._graphs.clear()

    def _final(self, images: Tensor, noise: Callable[[int], Tensor]) -> Tensor:
        """The end of the walk that nobody watches: x0_hat (B, 1, H, W)."""
        # Here once, and not at each network call only: so the weights are made bfloat16 once for the walk.
        with torch.inference_mode(), exactly(self._device, self._precision):
            for state in self._states(images, noise):  # noqa: B007 -- the last one is read
                pass
            return state.x0_hat

    def _states(
        self, images: Tensor, noise: Callable[[int], Tensor], between: Callable[[], None] = lambda: None
    ) -> Iterator[WalkStep]:
        """The walk of samples that each have their image in ``images`` (B, 1, H, W)."""

        def denoise(x_t: Tensor, t: Tensor, x0_before: Tensor | None) -> Tensor:
            return self._network(x_t, t, images, x0_before, between)

        return walk(denoise, self._sampler, self._denoiser.schedule, self._times, noise)

    def _noise(self, names: Sequence[tuple[int, int]], seeds: Sequence[int], step: int, shape: Sequence[int]) -> Tensor:
        """One field per sample (image, index), named by its image's seed and its index: (B, *shape)."""
        fields = [
            normal_fields(seeds[which], Purpose.SAMPLING_NOISE, [i for _, i in samples], step, shape, self._device)
            for which, samples in groupby(names, key=itemgetter(0))
        ]
        return torch.cat(fields)

    def _padded(self, images: Sequence[FloatArray]) -> Tensor:
        """The images on the device, extended at the bottom and right to the network's multiple: (M, 1, H', W')."""
        stacked = torch.from_numpy(np.stack(images).astype(np.float32))[:, None]
        backbone = self._denoiser.backbone
        assert isinstance(backbone, UNet)  # noqa: S101 -- the one backbone so far
        return pad(stacked, backbone.size_multiple).to(self._device)
