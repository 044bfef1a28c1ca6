"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from training.config import GridName, SamplerName
from training.errors import ConfigError

_RUN_FOLDER = "a run folder (its newest checkpoint; the best one is RUN/checkpoints/best.safetensors)"
Model = Annotated[
    str, typer.Argument(help=f"A shipped name (see `ambiseg models`), {_RUN_FOLDER} or a .safetensors file.")
]
Data = Annotated[Path, typer.Argument(help="Annotated slices: an HDF5 file in PHiSeg's layout.")]
Split = Annotated[str, typer.Option(help="train, val or test.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Sampler = Annotated[str | None, typer.Option(help=f"{', '.join(get_args(SamplerName))}; the model's own if left out.")]
Steps = Annotated[int | None, typer.Option(help="Reverse steps; the model's own if left out.")]
Grid = Annotated[
    str | None,
    typer.Option(
        help=f"How the steps' times are spread: {', '.join(get_args(GridName))}; the model's own if left out."
    ),
]
Eta = Annotated[
    float | None, typer.Option(help="Share of fresh noise of ddim, from 0 to 1; the model's own if left out.")
]
Guidance = Annotated[
    float | None,
    typer.Option(help="Classifier-free guidance, 1 is none; for models trained without some of their images."),
]
Precision = Annotated[
    str, typer.Option(help="fp32; bf16; or auto, which is bf16 on a GPU that has it and fp32 elsewhere.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Names the noise: the same seed draws the same masks.")]
RandomCrop = Annotated[
    int | None, typer.Option(help="Look at a square of so many pixels at a random place of each slice.")
]
CropSeed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Names the random places.")]
Segmenter = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=f"A shipped name (see `ambiseg models`), {_RUN_FOLDER}, a .safetensors file, or one of experts and empty.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def require_crop(crop_seed: int, random_crop: int | None) -> None:
    """Refuse a seed that would name nothing."""
    if crop_seed and random_crop is None:
        raise ConfigError("--crop-seed means nothing without --random-crop; leave it out")
