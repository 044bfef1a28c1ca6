"""The only place that turns names into objects."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

import torch

from training import rng
from training.checkpoint import load_model, load_weights
from training.config import Config, GridName, PrecisionName, SamplingConfig
from training.device import pick_device
from training.diffusion.denoiser import Denoiser
from training.diffusion.objective import Objective
from training.diffusion.prediction import EpsPrediction, Prediction, VPrediction, XPrediction
from training.diffusion.samplers import Ddim, Ddpm, DpmSolverPP2M, Heun, Sampler
from training.diffusion.schedule import CosineSchedule, LinearSchedule, Schedule, SigmoidSchedule
from training.diffusion.weighting import (
    SigmoidAsPrintedWeighting,
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
from training.segmenters.device_errors import in_words
from training.segmenters.diffusion import DiffusionSegmenter
from training.segmenters.experts import AlwaysEmpty, ExpertsOracle
from training.segmenters.interface import SegmentationSampler

PREDICTIONS: dict[str, Prediction] = {"x": XPrediction(), "eps": EpsPrediction(), "v": VPrediction()}
SAMPLERS: dict[str, Sampler] = {
    "ddim": Ddim(),
    "ddpm": Ddpm("small"),
    "ddpm-large": Ddpm("large"),
    "dpmpp2m": DpmSolverPP2M(),
    "heun": Heun(),
}
REFERENCES: dict[str, SegmentationSampler] = {"experts": ExpertsOracle(), "empty": AlwaysEmpty()}


def build_schedule(config: Config) -> Schedule:
    """The noise schedule that the configuration names."""
    wish = config.diffusion
    if wish.schedule == "linear":
        return LinearSchedule(wish.input_scale, wish.log_snr_limit)
    if wish.schedule == "sigmoid":
        return SigmoidSchedule(wish.input_scale, wish.log_snr_limit, wish.sigmoid_steepness)
    return CosineSchedule(wish.input_scale, wish.log_snr_limit)


def build_backbone(config: Config) -> UNet:
    """The network that the configuration names; its weights come from torch's global generator."""
    return UNet(
        **config.network.model_dump(),
        self_conditioned=config.diffusion.self_conditioning,
        bounded=PREDICTIONS[config.diffusion.prediction].bounded,
    )


def build_denoiser(config: Config) -> Denoiser:
    """A network with fresh weights, a pure function of ``config`` (its seed included), on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_weight_seed(config.fit.seed))
        backbone = build_backbone(config)
    return Denoiser(backbone, build_schedule(config), PREDICTIONS[config.diffusion.prediction])


def build_objective(config: Config) -> Objective:
    """The loss that the configuration names."""
    wish = config.diffusion
    weightings: dict[str, Weighting] = {
        "snr": SnrWeighting(),
        "truncated-snr": TruncatedSnrWeighting(),
        "snr+1": SnrPlusOneWeighting(),
        "uniform": UniformWeighting(),
        "sigmoid": SigmoidWeighting(wish.sigmoid_bias),
        "sigmoid-as-printed": SigmoidAsPrintedWeighting(wish.sigmoid_bias),
    }
    return Objective(weightings[wish.weighting], wish.weight_log_snr_limit, derivative=wish.weight_derivative)


def build_sampler(name: str, eta: float = 0.0) -> Sampler:
    """The sampler of that name.

    Raises
    ------
    ConfigError
        If there is none, with the names that there are; or if ``eta``, the share of fresh noise of "ddim", is given
        to another one or is not within [0, 1].
    """
    if name not in SAMPLERS:
        raise ConfigError(f"unknown sampler {name!r}; choose one of: {', '.join(SAMPLERS)}")
    if not 0 <= eta <= 1:
        raise ConfigError(f"eta must be between 0 (deterministic) and 1 (as ddpm), got {eta:g}")
    if eta == 0:
        return SAMPLERS[name]
    if name != "ddim":
        raise ConfigError(f"eta = {eta:g} means nothing to the sampler {name!r}; choose ddim, or leave it out")
    return Ddim(eta)


def count_parameters(config: Config) -> int:
    """Trainable parameters of the configured network, without allocating it."""
    with torch.device("meta"):
        backbone = build_backbone(config)
    return sum(parameter.numel() for parameter in backbone.parameters())


class ModelCache:
    """Keeps the last model warm, so that drawing with it in another way does not read it again.

    One model only: the old one's memory is given back before a new one takes its own.
    """

    def __init__(self) -> None:
        self._key: tuple[Path, int, torch.device] | None = None
        self._model: tuple[Denoiser, ModelCard] | None = None

    def load(self, model: str | Path, device: torch.device) -> tuple[Denoiser, ModelCard]:
        """The model on ``device``; read anew if its file was written again, or a run has a newer checkpoint.

        Raises
        ------
        CheckpointError, DeviceError
            As in `load_segmenter`.
        """
        path = find_weights(model)
        key = (path, path.stat().st_mtime_ns, device)
        if self._model is None or self._key != key:
            self.unload()
            with in_words(device):
                self._model, self._key = _load_denoiser(path, device), key
        return self._model

    def unload(self) -> None:
        """Forget the model; its memory is free once no segmenter holds it."""
        self._key = self._model = None
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def load_segmenter(
    model: str | Path,
    device: str = "auto",
    *,
    sampler: str | None = None,
    steps: int | None = None,
    grid: str | None = None,
    eta: float | None = None,
    guidance: float | None = None,
    precision: str = "auto",
    cache: ModelCache | None = None,
) -> SegmentationSampler:
    """Open a model, ready to draw masks.

    Parameters
    ----------
    model : a shipped name (``ambiseg models``), a run folder, a ``.safetensors`` checkpoint, or one of the
        references "experts" (draws from the case's own annotations) and "empty"
    device : "auto", "cpu", "cuda" or "cuda:N"
    sampler, steps, grid, eta, guidance : as in `training.config.SamplingConfig`; None takes the model's own, but
        ``eta`` is 0 for another sampler than the model's own
    precision : "fp32"; "bf16"; or "auto", which is "bf16" on a GPU and "fp32" on a CPU
    cache : where the model is kept, and taken from if it is there already

    Returns
    -------
    A diffusion model is also a `StepwiseSampler`: its ``walk`` yields every step.

    Raises
    ------
    CheckpointError
        If there is no such model, or its file is damaged.
    ConfigError
        If there is no such sampler, grid or precision, fewer than one step is asked for, or guidance from a model
        that was never trained without its image.
    DeviceError
        If the device is not there, gave up, or has too little memory.
    """
    where = pick_device(device)
    if sampler is not None:
        build_sampler(sampler, eta or 0.0)
    for kind, wish, names in (
        ("grid", grid, get_args(GridName)),
        ("precision", precision, get_args(PrecisionName)),
    ):
        if wish is not None and wish not in names:
            raise ConfigError(f"unknown {kind} {wish!r}; choose one of: {', '.join(names)}")
    if model in REFERENCES:
        return REFERENCES[str(model)]
    denoiser, card = (ModelCache() if cache is None else cache).load(model, where)
    own = card.config.sampling
    chosen, eta = _chosen(own, sampler, eta)
    guidance = own.guidance if guidance is None else guidance
    if guidance != 1 and card.config.diffusion.image_dropout == 0:
        raise ConfigError(
            f"guidance = {guidance:g} needs a model that was also trained without images, and {model} was not; "
            f"leave guidance at 1, or train with diffusion.image_dropout=0.1"
        )
    return DiffusionSegmenter(
        denoiser,
        build_sampler(chosen, eta),
        own.steps if steps is None else steps,
        grid=own.grid if grid is None else cast(GridName, grid),
        guidance=guidance,
        precision=cast(PrecisionName, precision),
        name=str(model),
        device=where,
        provenance={"model_sha256": card.sha256, "sampler": chosen, "eta": eta},
    )


def _load_denoiser(path: Path, device: torch.device) -> tuple[Denoiser, ModelCard]:
    tensors, card = load_weights(path)
    denoiser = build_denoiser(card.config)
    load_model(denoiser, tensors, path)
    return denoiser.to(device), card


def _chosen(own: SamplingConfig, sampler: str | None, eta: float | None) -> tuple[str, float]:
    """Which sampler and eta: the model's own where nothing is asked for."""
    name = own.sampler if sampler is None else sampler
    if eta is None:
        eta = own.eta if name == own.sampler else 0.0
    return name, eta


def _weight_seed(seed: int) -> int:
    """A seed for torch's own initialisers, apart from the streams that training draws from."""
    return int(rng.generator(seed, rng.Purpose.INITIAL_WEIGHTS).integers(2**63))
