"""The three levels of determinism as torch's process-wide switches, on for the length of a block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.config import FitConfig
from training.precision import Precision, pick_precision


@contextmanager
def numerics(fit: FitConfig) -> Iterator[None]:
    """What ``fit.determinism`` asks for; the switches are as before when the block ends, however it ends.

    "fast" lets cuDNN time its algorithms and uses TF32; "repeatable" takes deterministic algorithms only; "portable"
    also multiplies in full float32.
    """
    deterministic = fit.determinism != "fast"
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it; read when it starts
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, precisions = torch.backends.cudnn.benchmark, (matmul.fp32_precision, convolution.fp32_precision)
    try:
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = not deterministic
        matmul.fp32_precision = convolution.fp32_precision = "ieee" if fit.determinism == "portable" else "tf32"
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
        matmul.fp32_precision, convolution.fp32_precision = precisions


def training_precision(fit: FitConfig, device: torch.device) -> Precision:
    """In which precision the network is trained there; "portable" is float32 everywhere."""
    return "fp32" if fit.determinism == "portable" else pick_precision(fit.precision, device)
