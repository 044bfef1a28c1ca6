"""The only place that turns names into objects."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast, get_args

import torch

from training import rng
from training.checkpoint import load_model, load_weights
from training.config import Config, GridName, PrecisionName, PredictionName, SamplingConfig, WeightingName
from training.device import device_errors_told, pick_device
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
from training.presets import checked
from training.sampling_wish import SamplingWish
from training.segmenters.diffusion import DiffusionSegmenter
from training.segmenters.experts import REFERENCES
from training.segmenters.interface import SegmentationSampler

PREDICTIONS: dict[PredictionName, Prediction] = {"x": XPrediction(), "eps": EpsPrediction(), "v": VPrediction()}
SAMPLERS: Mapping[str, Sampler] = {
    "ddim": Ddim(),
    "ddpm": Ddpm("small"),
    "ddpm-large": Ddpm("large"),
    "dpmpp2m": DpmSolverPP2M(),
    "heun": Heun(),
}


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
    weightings: dict[WeightingName, Weighting] = {
        "snr": SnrWeighting(),
        "truncated-snr": TruncatedSnrWeighting(),
        "snr+1": SnrPlusOneWeighting(),
        "uniform": UniformWeighting(),
        "sigmoid": SigmoidWeighting(wish.sigmoid_bias),
        "sigmoid-as-printed": SigmoidAsPrintedWeighting(wish.sigmoid_bias),
    }
    return Objective(weightings[wish.weighting], wish.weight_log_snr_limit, derivative=wish.weight_derivative)


def build_sampler(name: str, eta: float = 0.0) -> Sampler:
    """The sampler of that name; only "ddim" reads ``eta``, the share of fresh noise.

    Raises
    ------
    ConfigError
        If there is none, with the names that there are.
    """
    _require_known("sampler", name, SAMPLERS)
    return Ddim(eta) if name == "ddim" else SAMPLERS[name]


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
            with _loading(device):
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
    wish: SamplingWish = SamplingWish(),
    *,
    cache: ModelCache | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> SegmentationSampler:
    """Open a model, ready to draw masks.

    Parameters
    ----------
    model : a shipped name (``ambiseg models``), a run folder, a ``.safetensors`` checkpoint, or one of the
        references "experts" (draws from the case's own annotations) and "empty"
    device : "auto", "cpu", "cuda" or "cuda:N"
    wish : how to draw
    cache : where the model is kept, and taken from if it is there already
    tell : gets a line when memory runs out and fewer samples go through the network together from then on

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
    for kind, name, known in (
        ("sampler", wish.sampler, SAMPLERS),
        ("grid", wish.grid, get_args(GridName)),
        ("precision", wish.precision, get_args(PrecisionName)),
    ):
        if name is not None:
            _require_known(kind, name, known)
    if model in REFERENCES:
        return REFERENCES[str(model)].segmenter
    denoiser, card = (ModelCache() if cache is None else cache).load(model, where)
    way = _sampling(card.config, wish)
    with _loading(where):
        return DiffusionSegmenter(
            denoiser,
            build_sampler(way.sampler, way.eta),
            way.steps,
            grid=way.grid,
            guidance=way.guidance,
            precision=cast(PrecisionName, wish.precision),
            name=str(model),
            device=where,
            provenance={"model_sha256": card.sha256, "sampler": way.sampler, "eta": way.eta},
            tell=tell,
        )


def _loading(device: torch.device) -> AbstractContextManager[None]:
    return device_errors_told(
        device,
        lost="choose the device cpu, or try once more",
        memory="end what else runs there, or choose the device cpu",
    )


def _load_denoiser(path: Path, device: torch.device) -> tuple[Denoiser, ModelCard]:
    tensors, card = load_weights(path)
    denoiser = build_denoiser(card.config)
    load_model(denoiser, tensors, path)
    return denoiser.to(device), card


def _sampling(config: Config, wish: SamplingWish) -> SamplingConfig:
    """How a model draws: as it was made to, but for what is asked; checked as all settings are."""
    own = config.sampling.model_dump()
    if wish.sampler not in (None, own["sampler"]):
        own["eta"] = 0.0
    asked = {name: value for name in own if (value := getattr(wish, name)) is not None}
    if "steps" in asked:
        asked["steps"] = operator.index(asked["steps"])  # of NumPy's integers too
    return checked(config.model_dump() | {"sampling": own | asked}).sampling


def _require_known(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigError(f"unknown {kind} {name!r}; choose one of: {', '.join(known)}")


def _weight_seed(seed: int) -> int:
    """A seed for torch's own initialisers, apart from the streams that training draws from."""
    return int(rng.generator(seed, rng.Purpose.INITIAL_WEIGHTS).integers(2**63))
