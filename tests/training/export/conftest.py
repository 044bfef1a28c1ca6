"""Cases with drawn masks that several tests write and read."""

from __future__ import annotations

import numpy as np
import pytest

from training.export import DrawnCase
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, SampleSet, Trajectory

SHAPE = (24, 40)
N, K, STEPS = 3, 2, 4
PROVENANCE = {"model": "demo", "model_sha256": "ab" * 32, "steps": STEPS, "sampler": "ddim", "guidance": None}


@pytest.fixture
def case() -> AnnotatedSlice:
    """A slice on which no two directions are alike: masks are one corner's, and the second expert saw nothing."""
    rng = np.random.default_rng(3)
    masks = np.zeros((K, *SHAPE), bool)
    masks[0, 2:5, 3:11] = True
    masks[0, 2:9, 3] = True
    return AnnotatedSlice(rng.random(SHAPE).astype(np.float32), masks, "P-1", "slice 7", spacing_mm=(0.5, 0.75))


@pytest.fixture
def masks() -> np.ndarray:
    """(N, H, W): masks of different sizes that overlap, the last one empty."""
    masks = np.zeros((N, *SHAPE), bool)
    masks[0, 3:6, 4:12] = True
    masks[1, 2:4, 3:6] = True
    return masks


@pytest.fixture
def walk(masks: np.ndarray) -> Trajectory:
    """From noise to the masks in four steps."""
    t = np.linspace(1, 0, STEPS + 1, dtype=np.float32)
    signal = np.where(masks, 1.0, -1.0)
    noise = np.random.default_rng(1).standard_normal(masks.shape)
    x_t = np.stack([(1 - s) * signal + s * noise for s in t])
    return Trajectory(t, x_t.astype(np.float16), np.stack([(1 - s) * signal for s in t]).astype(np.float16))


@pytest.fixture
def drawn(case: AnnotatedSlice, masks: np.ndarray, walk: Trajectory) -> DrawnCase:
    """All of it; post-processing empties the smaller mask."""
    cleaning = Cleaning(relative_area=0.5)
    return DrawnCase(case, SampleSet(masks, 11, PROVENANCE), walk, cleaning.apply(masks), cleaning)
