"""The same masks on a GPU as on the CPU, captured or not, in any batches, and when memory runs out.

The network is a trained one, since random weights answer nothing clearly (``docs/adr/021-how-speed-is-measured.md``).
What it predicts is told as x, eps or v in turn, so that one network passes through the arithmetic of all three.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from training.bench.accuracy import cost_against
from training.bench.bare_segmenter import BareSegmenter
from training.bench.drawers import FLIPS
from training.bench.machine import describe_machine
from training.bench.outcome import Fact, Gate, Group, Outcome, Row
from training.bench.roofline import PRECISIONS
from training.bench.targets import Finding
from training.build import PREDICTIONS, SAMPLERS, ModelCache
from training.data.phantom import phantom_case
from training.diffusion.denoiser import Denoiser
from training.diffusion.prediction import Prediction
from training.diffusion.samplers import Sampler
from training.machine import peak_memory_mib
from training.precision import Precision
from training.records import BoolArray, FloatArray
from training.segmenters.experts import require_samples

CPU = torch.device("cpu")
# Samplers of the tests of batches: a deterministic one and one that draws noise on its way.
_SPLIT_SAMPLERS = ("ddim", "ddpm")
_SEED = 3
GRAPH = "numbers changed by a graph"
_REFUSED = "walks not captured"
_RAN_OUT = "times out of memory"


@dataclass(frozen=True)
class Retold:
    """What a network predicts, told as another prediction type predicts it.

    Parameters
    ----------
    own : what the network was trained to predict
    told : how it is told
    """

    own: Prediction
    told: Prediction

    @property
    def bounded(self) -> bool:
        """As the network's own."""
        return self.own.bounded

    def to_x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The clean mask, by way of what ``told`` would have predicted."""
        x0 = self.own.to_x0(output, x_t, alpha, sigma)
        eps = (x_t - alpha * x0) / sigma
        return self.told.to_x0(self.told.target(x0, eps, alpha, sigma), x_t, alpha, sigma)

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """As ``told``."""
        return self.told.target(x0, eps, alpha, sigma)

    def log_error_ratio(self, log_snr: Tensor) -> Tensor:
        """As ``told``."""
        return self.told.log_error_ratio(log_snr)


@dataclass(frozen=True)
class Way:
    """One way to draw: names of `SAMPLERS`, `PREDICTIONS` and a precision."""

    sampler: str
    prediction: str
    precision: Precision

    @property
    def name(self) -> str:
        """Such as ``ddim of v in bf16``."""
        return f"{self.sampler} of {self.prediction} in {self.precision}"


def bench_same_masks(
    device: torch.device,
    *,
    model: str = "demo",
    samples: int = 8,
    slices: int = 4,
    steps: int = 10,
    samplers: Sequence[str] = tuple(SAMPLERS),
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Draw the same masks in every way, and compare them with the CPU's in float32.

    Parameters
    ----------
    device : what is compared with the CPU
    model : a trained model
    samples : masks of each slice
    slices : phantoms
    steps : reverse steps
    samplers : of `training.build.SAMPLERS`
    tick : told the name of each way when it was compared

    Raises
    ------
    ConfigError
        On numbers that are not possible.
    CheckpointError
        If there is no such model.
    """
    require_samples(samples)
    machine = describe_machine(device)
    denoiser, card = ModelCache().load(model, CPU)
    pictures = [phantom_case(index, 7, card.image_size).slice.image for index in range(slices)]
    study = _Study(denoiser, pictures, samples, steps, device)
    rows = []
    for sampler in samplers:
        for prediction in PREDICTIONS:
            reference = study.reference(sampler, prediction)
            for precision in PRECISIONS:
                way = Way(sampler, prediction, precision)
                rows.append(study.compared(way, reference))
                tick(way.name)
    splits = []
    for sampler in (name for name in _SPLIT_SAMPLERS if name in samplers):
        for precision in PRECISIONS:
            splits.append(study.split(Way(sampler, "v", precision)))
            tick(splits[-1].name)
    tried = len(splits) * len(study.failing_calls) * 2
    return Outcome(
        title="The same masks",
        settings={"network": model, "masks": samples, "slices": slices, "steps": steps, "beside": "cpu in fp32"},
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=(
            Group(f"{samples} masks of {slices} slices, on the device", tuple(rows), ()),
            Group("The same masks in other batches, and when memory runs out", tuple(splits), ()),
        ),
        # Else it was not tried what happens then.
        gates=(
            Gate("times that memory did not run out as it should", tried - sum(_numbers(splits, _RAN_OUT)), 0),
            Gate("walks that the device would not capture", sum(_numbers(rows, _REFUSED)), 0),
        ),
        findings=(*_flips(rows, "same"), Finding("graph", max(_numbers(rows, GRAPH))), *_flips(splits, "split")),
    )


class _Study:
    """One network on some slices; arguments as of `bench_same_masks`."""

    def __init__(
        self, denoiser: Denoiser, pictures: Sequence[FloatArray], samples: int, steps: int, device: torch.device
    ) -> None:
        self._denoiser, self._pictures, self._device = denoiser, pictures, device
        self._samples, self._steps = samples, steps
        #: Calls of the network at which memory runs out.
        self.failing_calls = sorted({1, 2, steps})

    def reference(self, sampler: str, prediction: str) -> list[FloatArray]:
        """The clean masks of the CPU in float32, for each slice (N, H, W)."""
        segmenter = self._segmenter(Way(sampler, prediction, "fp32"), CPU)
        return [_watched(segmenter, picture, self._samples) for picture in self._pictures]

    def compared(self, way: Way, reference: Sequence[FloatArray]) -> Row:
        """Masks as users draw them beside the reference, and a captured walk beside a plain one."""
        segmenter = self._segmenter(way, self._device)
        costs, seconds, changed = [], [], 0
        for picture, x0_hat in zip(self._pictures, reference, strict=True):
            plain = segmenter.predict(picture, self._samples, _SEED)
            for _ in range(3):  # as it is, captured, replayed
                changed += _differing(segmenter.predict(picture, self._samples, _SEED, replay=True), plain)
            began = perf_counter()
            masks = segmenter.draw(picture, self._samples, _SEED).masks
            seconds.append(perf_counter() - began)
            costs.append(cost_against(masks, plain, x0_hat))
        flips = sum(cost.flips_per_million for cost in costs) / len(costs)
        facts: dict[str, Fact] = {FLIPS: flips, "max |dx0|": max(cost.max_delta for cost in costs), GRAPH: changed}
        return Row(way.name, tuple(seconds), facts | {_REFUSED: segmenter.refused_captures})

    def split(self, way: Way) -> Row:
        """Masks one by one, some at once, of all slices together, and with memory that runs out at some call."""
        segmenter = self._segmenter(way, self._device)
        n = self._samples
        expected = [segmenter.draw(picture, n, _SEED).masks for picture in self._pictures]
        drawn: list[tuple[BoolArray, BoolArray]] = []
        for some in sorted({1, 3, n // 2, n - 1} & set(range(1, n))):
            masks = segmenter.draw(self._pictures[0], some, _SEED).masks
            drawn.append((masks, expected[0][:some]))
        together = segmenter.draw_many(self._pictures, n, [_SEED] * len(self._pictures))
        drawn += [(one.masks, masks) for one, masks in zip(together, expected, strict=True)]
        seconds, ran_out = [], 0
        for call, captured in product(self.failing_calls, (False, True)):
            began = perf_counter()
            masks, failed = self._drawn_with_little_memory(way, call, captured)
            seconds.append(perf_counter() - began)
            drawn.append((masks, expected[0]))
            ran_out += failed
        flipped, pixels = sum(int((a != b).sum()) for a, b in drawn), sum(a.size for a, _ in drawn)
        facts: dict[str, Fact] = {FLIPS: 1e6 * flipped / pixels, "masks": sum(len(a) for a, _ in drawn)}
        return Row(f"{way.sampler} in {way.precision}", tuple(seconds), facts | {_RAN_OUT: ran_out})

    def _drawn_with_little_memory(self, way: Way, call: int, captured: bool) -> tuple[BoolArray, bool]:
        """The masks of the first slice, where memory runs out once; and whether it did.

        Parameters
        ----------
        way : to draw
        call : of the network, at which it does
        captured : while the walk is captured, where there is such a thing
        """
        segmenter = self._segmenter(way, self._device)
        picture, n = self._pictures[0], self._samples
        if captured:
            segmenter.draw(picture, n, _SEED)
        calls, failed = count(1), False

        def full(_: nn.Module, __: tuple[Tensor, ...]) -> None:
            nonlocal failed
            if captured and self._device.type == "cuda" and not torch.cuda.is_current_stream_capturing():
                return
            if next(calls) == call:
                failed = True
                raise torch.OutOfMemoryError("CUDA out of memory, as a measurement wants it")

        segmenter.network.register_forward_pre_hook(full)
        return segmenter.draw(picture, n, _SEED).masks, failed

    def _segmenter(self, way: Way, device: torch.device) -> BareSegmenter:
        network = copy.deepcopy(self._denoiser)
        network.prediction = Retold(network.prediction, PREDICTIONS[way.prediction])  # type: ignore[index]
        sampler: Sampler = SAMPLERS[way.sampler]
        return BareSegmenter(network, sampler, self._steps, precision=way.precision, device=device)


def _watched(segmenter: BareSegmenter, picture: FloatArray, samples: int) -> FloatArray:
    *_, last = segmenter.walk(picture, samples, _SEED)
    return last.x0_hat


def _differing(one: FloatArray, other: FloatArray) -> int:
    """Numbers that are not the same to the last bit."""
    return int((one.view(np.uint32) != other.view(np.uint32)).sum())


def _numbers(rows: Sequence[Row], title: str) -> list[float]:
    return [float(str(row.facts[title])) for row in rows]


def _flips(rows: Sequence[Row], target: str) -> Iterator[Finding]:
    """The worst of each precision."""
    by_precision: Mapping[str, list[Row]] = {
        precision: [row for row in rows if row.name.endswith(precision)] for precision in PRECISIONS
    }
    for precision, own in by_precision.items():
        if own:
            yield Finding(f"{target}-{precision}", max(_numbers(own, FLIPS)))
