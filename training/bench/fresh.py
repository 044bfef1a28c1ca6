"""Networks with random weights and no idle part: layers that start at zero would make the masks all zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from training.build import build_denoiser
from training.config import Config
from training.diffusion.denoiser import Denoiser

Network = TypeVar("Network", bound=nn.Module)


def fresh_denoiser(config: Config) -> Denoiser:
    """Our own network, as at the start of a training but for its layers of zeros; a pure function of ``config``."""
    return fresh_network(lambda: build_denoiser(config), config.fit.seed)


def fresh_network(build: Callable[[], Network], seed: int = 0) -> Network:
    """A network in evaluation mode, its layers of zeros with weights like the others; a pure function of ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and not layer.weight.any():
                layer.reset_parameters()
    return network.eval()
