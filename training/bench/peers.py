"""Other libraries' diffusion networks and samplers, as their users run them.

Each gets the widths of our own configuration, as many residual blocks per level as its interface permits, attention at
the lowest level alone, and the grey image concatenated to the noisy mask.  They are imported when they are asked for,
and never needed by anything but the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from training.bench.fresh import fresh_network
from training.config import Config
from training.precision import Precision, autocast

# What each peer cannot do without; MONAI's attention is written with einops.
NEEDS = {"monai": ("monai", "einops"), "diffusers": ("diffusers",)}

# Of the peers' own time axis, which their samplers stride over.
_TRAIN_TIMESTEPS = 1000
_PREDICTION_TYPES = {"x": "sample", "eps": "epsilon", "v": "v_prediction"}


@dataclass(frozen=True)
class Peer:
    """Another library's network with its scheduler.

    Parameters
    ----------
    name : of the library
    network : (B, 1 + image channels, H, W) -> (B, 1, H, W)
    predict : calls a network of this kind: (network, x, timesteps (1,) or (B,)) -> output
    scheduler : the library's own DDIM, which has ``set_timesteps``, ``step`` and ``add_noise``
    """

    name: str
    network: nn.Module
    predict: Callable[[nn.Module, Tensor, Tensor], Tensor]
    scheduler: Any


def absent(config: Config) -> dict[str, str]:
    """Why a peer cannot run, by its name; those that can are left out."""
    reasons = {}
    for name, needs in NEEDS.items():
        missing = [module for module in needs if find_spec(module) is None]
        if missing:
            reasons[name] = f'{" and ".join(missing)} not installed (pip install "napari-ambiseg[bench]")'
        elif config.network.patch != 1:
            reasons[name] = f"its network does not fold pixels, as network.patch = {config.network.patch} does"
    return reasons


def build_peer(name: str, config: Config) -> Peer:
    """The peer of that name with random weights, no layer of them zero, on the CPU, in evaluation mode."""
    return {"monai": _monai, "diffusers": _diffusers}[name](config)


@torch.no_grad()
def sample_with(peer: Peer, noise: Tensor, images: Tensor, steps: int, precision: Precision) -> Tensor:
    """Draw masks by the peer's own DDIM.

    Parameters
    ----------
    noise : (B, 1, H, W) where the masks start
    images : (B, C, H, W) normalised grey images, C of them alike
    steps : network calls
    precision : "bf16" is torch's autocast around the network

    Returns
    -------
    (B, 1, H, W), the clean masks, in [-1, 1]
    """
    peer.scheduler.set_timesteps(steps)
    x = noise
    for t in peer.scheduler.timesteps:
        with autocast(x.device, precision):
            output = peer.predict(peer.network, torch.cat([x, images], dim=1), t[None].to(x.device))
        x = peer.scheduler.step(output, t, x)[0]
    return x


def _monai(config: Config) -> Peer:
    nets, schedulers = import_module("monai.networks.nets"), import_module("monai.networks.schedulers")
    channels = _channels(config)
    network = fresh_network(
        lambda: nets.DiffusionModelUNet(
            spatial_dims=2,
            in_channels=1 + config.network.image_channels,
            out_channels=1,
            channels=channels,
            num_res_blocks=config.network.res_blocks,
            attention_levels=[level == len(channels) - 1 for level in range(len(channels))],
            num_head_channels=channels[-1] // config.network.heads,
            norm_num_groups=config.network.groups,
        )
    )
    scheduler = schedulers.DDIMScheduler(
        num_train_timesteps=_TRAIN_TIMESTEPS,
        schedule="cosine",
        prediction_type=_PREDICTION_TYPES[config.diffusion.prediction],
    )
    return Peer("monai", network, lambda net, x, t: net(x, timesteps=t.float()), scheduler)


def _diffusers(config: Config) -> Peer:
    library = import_module("diffusers")
    channels = _channels(config)
    plain = len(channels) - 1
    network = fresh_network(
        lambda: library.UNet2DModel(
            sample_size=config.image_size,
            in_channels=1 + config.network.image_channels,
            out_channels=1,
            block_out_channels=channels,
            layers_per_block=max(1, round(sum(config.network.res_blocks) / len(channels))),
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
            attention_head_dim=channels[-1] // config.network.heads,
            norm_num_groups=config.network.groups,
        )
    )
    scheduler = library.DDIMScheduler(
        num_train_timesteps=_TRAIN_TIMESTEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=_PREDICTION_TYPES[config.diffusion.prediction],
    )
    return Peer("diffusers", network, lambda net, x, t: net(x, t).sample, scheduler)


def _channels(config: Config) -> tuple[int, ...]:
    return tuple(config.network.base_channels * m for m in config.network.multipliers)
