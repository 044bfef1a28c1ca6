"""Batches of small slices, for tests."""

import hashlib

import numpy as np
import torch

from training.config import AugmentConfig, Config, DiffusionConfig, FitConfig, NetworkConfig
from training.data.dataset import SliceArrays, intensity
from training.fit.batches import Batches

ANY_SIZE = NetworkConfig(multipliers=(1,), res_blocks=(1,))
FIELDS = ("visits", "indices", "image", "x0", "t", "eps", "self_conditioned")
CPU = torch.device("cpu")
PAPER = AugmentConfig(dihedral=True, probability=0.5)


def settings(image_size, batch_size, seed=0, augment=None, **diffusion):
    fit = FitConfig(batch_size=batch_size, seed=seed, augment=augment or AugmentConfig())
    return Config(image_size=image_size, network=ANY_SIZE, fit=fit, diffusion=DiffusionConfig(**diffusion))


def batches_of(sources, *choices, rank=0, processes=1, **more):
    return Batches(sources, settings(*choices, **more), CPU, rank, processes)


def source(n, k=3, size=8, first=0):
    """Slices whose grey level is their number, with one row marked per expert."""
    images = np.repeat(np.arange(first, first + n, dtype=np.uint8), size * size).reshape(n, size, size)
    masks = np.zeros((n, k, size, size), bool)
    for expert in range(k):
        masks[:, expert, expert] = True
    return SliceArrays(images, masks)


def unstructured(n, size, k=3, seed=0):
    numbers = np.random.default_rng(seed)
    images = numbers.integers(0, 256, (n, *size)).astype(np.uint8)
    return SliceArrays(images, numbers.random((n, k, *size)) < 0.3)


def every_kind():
    """Sources of three shapes, two types and three numbers of experts; everything that can be drawn is drawn."""
    large = unstructured(4, (20, 17), k=2)
    sources = [
        unstructured(4, (8, 8)),
        SliceArrays(intensity(large.images), large.masks),
        unstructured(4, (8, 13), k=1),
    ]
    return sources, {"augment": PAPER, "image_dropout": 0.3, "self_conditioning": True, "seed": 2}


def digest(batch):
    arrays = [np.asarray(getattr(batch, name)) for name in FIELDS]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
