"""The only place that turns names into objects."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training import rng
from training.checkpoint import MODEL, load_model, load_weights
from training.config import Config, SamplerName
from training.device import pick_device
from training.diffusion.denoiser import Denoiser
from training.diffusion.objective import Objective
from training.diffusion.prediction import EpsPrediction, Prediction, VPrediction, XPrediction
from training.diffusion.samplers import Ddim, Ddpm, Sampler
from training.diffusion.schedule import CosineSchedule
from training.diffusion.weighting import (
    SigmoidWeighting,
    SnrPlusOneWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
    Weighting,
)
from training.errors import ConfigError
from training.model_card import ModelCard, find_weights
from training.nets.unet import UNet
from training.segmenters.diffusion import DiffusionSegmenter
from training.segmenters.experts import AlwaysEmpty, ExpertsOracle
from training.segmenters.interface import SegmentationSampler

PREDICTIONS: dict[str, Prediction] = {"x": XPrediction(), "eps": EpsPrediction(), "v": VPrediction()}
SAMPLERS: dict[str, Sampler] = {"ddim": Ddim(), "ddpm": Ddpm("small"), "ddpm-large": Ddpm("large")}
REFERENCES: dict[str, SegmentationSampler] = {"experts": ExpertsOracle(), "empty": AlwaysEmpty()}


def build_denoiser(config: Config) -> Denoiser:
    """A network with fresh weights, a pure function of ``config`` (its seed included), on the CPU."""
    prediction = PREDICTIONS[config.diffusion.prediction]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_weight_seed(config.fit.seed))
        backbone = UNet(**config.network.model_dump(), bounded=prediction.bounded)
    schedule = CosineSchedule(config.diffusion.input_scale, config.diffusion.log_snr_limit)
    return Denoiser(backbone, schedule, prediction)


def build_objective(config: Config) -> Objective:
    """The loss that the configuration names."""
    weightings: dict[str, Weighting] = {
        "snr": SnrWeighting(),
        "truncated-snr": TruncatedSnrWeighting(),
        "snr+1": SnrPlusOneWeighting(),
        "uniform": UniformWeighting(),
        "sigmoid": SigmoidWeighting(config.diffusion.sigmoid_bias),
    }
    return Objective(weightings[config.diffusion.weighting], config.diffusion.weight_log_snr_limit)


def build_sampler(name: str) -> Sampler:
    """The sampler of that name.

    Raises
    ------
    ConfigError
        If there is none, with the names that there are.
    """
    if name not in SAMPLERS:
        raise ConfigError(f"unknown sampler {name!r}; choose one of: {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def count_parameters(config: Config) -> int:
    """Trainable parameters of the configured network, without allocating it."""
    with torch.device("meta"):
        backbone = UNet(**config.network.model_dump())
    return sum(parameter.numel() for parameter in backbone.parameters())


def load_segmenter(
    model: str | Path,
    device: str = "auto",
    *,
    sampler: SamplerName | str | None = None,
    steps: int | None = None,
) -> SegmentationSampler:
    """Open a model, ready to draw masks.

    Parameters
    ----------
    model : a shipped name (``ambiseg models``), a run folder, a ``.safetensors`` checkpoint, or one of the
        references "experts" (draws from the case's own annotations) and "empty"
    device : "auto", "cpu", "cuda" or "cuda:N"
    sampler, steps : "ddim", "ddpm" or "ddpm-large", and how many network calls; None takes the model's own

    Returns
    -------
    A diffusion model is also a `StepwiseSampler`: its ``walk`` yields every step.

    Raises
    ------
    CheckpointError
        If there is no such model, or its file is damaged.
    ConfigError
        If there is no such sampler, or fewer than one step is asked for.
    DeviceError
        If the device is not there.
    """
    where = pick_device(device)
    if sampler is not None:
        build_sampler(sampler)
    if model in REFERENCES:
        return REFERENCES[str(model)]
    path = find_weights(model)
    tensors, card = load_weights(path)
    denoiser = build_denoiser(card.config)
    load_model(denoiser, tensors, path)
    chosen = sampler or card.config.sampling.sampler
    return DiffusionSegmenter(
        denoiser,
        build_sampler(chosen),
        card.config.sampling.steps if steps is None else steps,
        name=str(model),
        device=where,
        provenance={"model_sha256": card.sha256, "sampler": chosen},
    )


def load_model_weights(model: str | Path) -> tuple[dict[str, Tensor], ModelCard]:
    """A model's own tensors, without those of its optimizer, and its card; errors as in `load_segmenter`."""
    tensors, card = load_weights(find_weights(model))
    return {name: tensor for name, tensor in tensors.items() if name.startswith(MODEL)}, card


def _weight_seed(seed: int) -> int:
    """A seed for torch's own initialisers, apart from the streams that training draws from."""
    return int(rng.generator(seed, rng.Purpose.INITIAL_WEIGHTS).integers(2**63))
