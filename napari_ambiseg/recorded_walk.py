"""A walk of the demo model that comes with the program: it plays without torch.  No Qt.

The file holds where the walk begins and the clean mask predicted at each of its states, in eight bits a pixel.  The
noisy states in between follow from these, since the walk is DDIM's without fresh noise (Song et al. 2021): with
alpha^2 = sigmoid(log SNR) and sigma^2 = 1 - alpha^2,

    x_s = sigma_s / sigma_t x_t + (alpha_s - sigma_s / sigma_t alpha_t) x0_hat.

``python docs/demo_walk.py`` makes the file anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.runs import Frames, Run
from training.data.field import Field
from training.metrics import iou
from training.records import AnnotatedSlice, FloatArray, Step
from training.sampling_wish import SamplingWish

FILE = Path(__file__).with_name("demo_walk.npz")
#: What it is of: a demo case on which two of four experts outlined something, and how it was drawn.
CASE, MODEL, N_SAMPLES, SEED = 19, "demo", 8, 0
_NOISE_STEP, _MASK_STEP = 1 / 16, 1 / 32  # between two stored values

Int8Array = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class RecordedWalk:
    """The states of a walk of N masks in T steps, small.

    Parameters
    ----------
    noise : (N, H, W) int8, 16ths: where it begins
    x0_hat : (T, N, H, W) int8, each half way between two 32nds, so that the sign is kept: predicted masks
    t, log_snr : (T + 1,) of each state
    provenance : what drew it
    """

    noise: Int8Array
    x0_hat: Int8Array
    t: FloatArray
    log_snr: FloatArray
    provenance: Mapping[str, str | int | float | None]

    @classmethod
    def of(cls, steps: Iterable[Step], provenance: Mapping[str, str | int | float | None]) -> RecordedWalk:
        """Record a walk of DDIM without fresh noise; its last state is what was predicted before, and is left out."""
        seen = list(steps)
        x0_hat = np.stack([step.x0_hat for step in seen[:-1]])
        return cls(
            noise=np.clip(np.rint(seen[0].x_t / _NOISE_STEP), -128, 127).astype(np.int8),
            x0_hat=np.clip(np.floor(x0_hat / _MASK_STEP), -128, 127).astype(np.int8),
            t=np.array([step.t for step in seen], np.float32),
            log_snr=np.array([step.log_snr for step in seen], np.float32),
            provenance=dict(provenance),
        )

    def write(self, path: Path = FILE) -> None:
        """Write it to a file."""
        arrays = {"noise": self.noise, "x0_hat": self.x0_hat, "t": self.t, "log_snr": self.log_snr}
        np.savez_compressed(path, provenance=np.array(json.dumps(self.provenance)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path = FILE) -> RecordedWalk:
        """The one that comes with the program."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(kept["noise"], kept["x0_hat"], kept["t"], kept["log_snr"], json.loads(str(kept["provenance"])))

    def states(self) -> tuple[FloatArray, FloatArray]:
        """x_t and x0_hat of all states, (T + 1, N, H, W) float32 each."""
        predicted = (self.x0_hat.astype(np.float32) + 0.5) * _MASK_STEP
        alpha, sigma = (np.sqrt(1 / (1 + np.exp(-sign * self.log_snr.astype(np.float64)))) for sign in (1, -1))
        noisy = [self.noise.astype(np.float32) * _NOISE_STEP]
        for at, following in pairwise(range(len(predicted))):
            kept = sigma[following] / sigma[at]
            noisy.append((kept * noisy[-1] + (alpha[following] - kept * alpha[at]) * predicted[at]).astype(np.float32))
        return np.stack([*noisy, predicted[-1]]), np.concatenate([predicted, predicted[-1:]])

    def run(self, case: AnnotatedSlice, origin: Origin, place: Place) -> Run:
        """The same as a finished drawing of its case, with its walk."""
        x_t, x0_hat = self.states()
        masks = x0_hat > 0
        n_steps, n = len(self.x0_hat), len(self.noise)
        changes = [1 - float(iou(after, before).mean()) for before, after in pairwise(masks)]
        frames = Frames(
            steps=tuple(range(n_steps + 1)),
            n_steps=n_steps,
            times=tuple(self.t.tolist()),
            log_snr=tuple(self.log_snr.tolist()),
            measures=tuple(SampleMeasures.of(shown, case) for shown in masks),
            x_t=x_t.swapaxes(0, 1).astype(np.float16),
            x0_hat=x0_hat.swapaxes(0, 1).astype(np.float16),
            changes=(float("nan"), *changes),
        )
        return Run(
            case=case,
            origin=origin,
            field=Field(0, 0, *case.image.shape),
            place=place,
            model=MODEL,
            wish=SamplingWish(),
            n=n,
            seed=SEED,
            device="cpu",
            masks=masks[-1],
            provenance=self.provenance,
            x0_hat=x0_hat[-1],
            frames=frames,
        )
