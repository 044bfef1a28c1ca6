"""Drawn masks as a file of their own."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np

from training.atomic import write_bytes
from training.errors import ConfigError
from training.records import AnnotatedSlice, SampleSet, Trajectory


def write_samples(path: Path, case: AnnotatedSlice, samples: SampleSet, trajectory: Trajectory | None = None) -> None:
    """Write one case with its drawn masks to HDF5.

    Datasets: ``image`` (H, W) float32, ``experts`` (K, H, W) uint8, ``samples`` (N, H, W) uint8; with a trajectory
    also ``trajectory/t`` (T + 1,), ``trajectory/x_t`` and ``trajectory/x0_hat`` (T + 1, N, H, W) float16.
    Attributes: the case's key and patient, the seed, and the samples' provenance.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    # Through memory: libhdf5 crashes the process where a disk is full.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["image"] = case.image
        file["experts"] = case.masks.astype(np.uint8)
        file["samples"] = samples.masks.astype(np.uint8)
        if trajectory is not None:
            for name in ("t", "x_t", "x0_hat"):
                file[f"trajectory/{name}"] = getattr(trajectory, name)
        file.attrs.update({"key": case.key, "patient": case.patient, "seed": samples.seed})
        file.attrs.update({name: value for name, value in samples.provenance.items() if value is not None})
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
