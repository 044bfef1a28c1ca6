"""Standard normal fields as a pure function of (seed, purpose, id, step), made on the device that needs them.

The counter-based generator Philox 4x32 with ten rounds (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*,
SC 2011), written in integer arithmetic that every device does alike, then Box and Muller's transform in float64,
rounded to float32 last.  So a CPU and a GPU start from the same fields, whatever the batch, the number of devices or
the order in which they are asked for (``docs/adr/017-noise-where-it-is-used.md``).  One place of the stream is

    key = seed (64 bits),   counter = (block, step + 2^24 purpose, low half of id, high half of id),

and gives four 32-bit words, so four numbers; block b makes the pixels 4 b ... 4 b + 3 in row-major order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from training.errors import ConfigError
from training.rng import Purpose

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, added to the key at each round
_LOW = 0xFFFFFFFF
_MAX_STEP = 2**24


def normal_fields(
    seed: int,
    purpose: Purpose,
    ids: Sequence[int] | Tensor,
    step: int,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
) -> Tensor:
    """One field per id: (len(ids), *shape) float32 on ``device``.

    Parameters
    ----------
    seed : in [0, 2^64)
    purpose : what the numbers are for
    ids : which samples or visits, each in [0, 2^63); as a tensor, int64 and already on ``device``
    step : in [0, 2^24)
    shape : of one field

    Raises
    ------
    ConfigError
        If the seed or the step is out of range.
    """
    if not 0 <= seed < 2**64:
        raise ConfigError(f"seed must be between 0 and 2**64 - 1, got {seed}")
    if not 0 <= step < _MAX_STEP:
        raise ConfigError(f"the step of a noise field must be between 0 and {_MAX_STEP - 1}, got {step}")
    count = math.prod(shape)
    blocks = torch.arange(-(-count // 4), device=device)[None]
    id_ = torch.as_tensor(ids, dtype=torch.int64, device=device)[:, None]
    counter = (blocks, torch.full_like(blocks, step + _MAX_STEP * purpose), id_ & _LOW, id_ >> 32)
    words = torch.stack(torch.broadcast_tensors(*philox(counter, (seed & _LOW, seed >> 32))), dim=-1)
    # (word + 1/2) / 2^32 lies inside (0, 1), so the logarithm is finite.
    uniform = (words.double() + 0.5) / 2**32
    radius = (-2 * uniform[..., 0::2].log()).sqrt()
    angle = 2 * math.pi * uniform[..., 1::2]
    normal = torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1)
    return normal.flatten(1)[:, :count].float().view(-1, *shape)


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox 4x32-10: four 32-bit words per counter, as int64 tensors that broadcast against one another."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        # The product wraps around at 2^64 in int64; both halves are still its true bits.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32 & _LOW) ^ c1 ^ k0, p1 & _LOW, (p0 >> 32 & _LOW) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3
