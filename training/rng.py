"""Randomness as a pure function of (seed, purpose, id, step).

No global state and no generator that is carried along: any number can be asked for again, in any order, on any
number of processes.  That is what makes a resumed run equal the uninterrupted one and a sample independent of
the batch it was drawn in (``docs/adr/006-randomness-is-a-function.md``).

The generator is the counter-based Philox 4x64 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*,
SC 2011), from NumPy: key = (seed, purpose), counter = (0, 0, step, id).  Gaussian fields, which a GPU has to make for
itself, are `training.noise`'s.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np

from training.errors import ConfigError


class Purpose(IntEnum):
    """What a stream of numbers is for.  The values are part of every published result: never renumber."""

    SAMPLING_NOISE = 0
    TRAINING_NOISE = 1
    TRAINING_TIMES = 2
    TRAINING_ORDER = 3
    TRAINING_EXPERT = 4
    INITIAL_WEIGHTS = 5
    EXPERT_ORACLE = 6
    TRAINING_AUGMENTATION = 7
    SLICE_CROP = 8
    SELF_CONDITIONING = 9
    IMAGE_DROPOUT = 10


def generator(seed: int, purpose: Purpose, *, id_: int = 0, step: int = 0) -> np.random.Generator:
    """The generator at one place of the stream.

    Raises
    ------
    ConfigError
        If the seed is negative or does not fit into 64 bits.
    """
    if not 0 <= seed < 2**64:
        raise ConfigError(f"seed must be between 0 and 2**64 - 1, got {seed}")
    key = np.array([seed, purpose], np.uint64)
    counter = np.array([0, 0, step, id_], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def case_seed(seed: int, key: str) -> int:
    """The seed of one case, in [0, 2^63): a stable function of the evaluation's seed and the case's key.

    Different cases get independent noise, and a case keeps its own whatever else is evaluated beside it.
    """
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
