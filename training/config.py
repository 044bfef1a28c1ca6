"""Everything that can be chosen about a model and its training: frozen, checked, TOML in and JSON out."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigError

PredictionName = Literal["x", "eps", "v"]
WeightingName = Literal["snr", "truncated-snr", "snr+1", "uniform", "sigmoid"]
SamplerName = Literal["ddim", "ddpm", "ddpm-large"]

Positive = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkConfig(_Section):
    """The backbone; see `training.nets.unet.UNet` for the meaning of each."""

    image_channels: Positive = 3
    base_channels: Annotated[int, Field(gt=0, multiple_of=2)] = 32
    multipliers: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 1, 2, 4)
    res_blocks: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 2, 3, 4)
    middle_blocks: Positive = 4
    heads: Positive = 1
    groups: Positive = 32
    patch: Positive = 1

    @model_validator(mode="after")
    def _levels_agree(self) -> NetworkConfig:
        if len(self.multipliers) != len(self.res_blocks):
            raise ValueError(
                f"network.multipliers has {len(self.multipliers)} levels and network.res_blocks has "
                f"{len(self.res_blocks)}; give one number per level in both"
            )
        if self.base_channels % self.groups:
            raise ValueError(f"network.groups = {self.groups} must divide network.base_channels = {self.base_channels}")
        bottom = self.base_channels * self.multipliers[-1]
        if bottom % self.heads:
            raise ValueError(f"network.heads = {self.heads} must divide the {bottom} channels of the lowest level")
        return self


class DiffusionConfig(_Section):
    """Schedule, prediction type and loss weighting."""

    schedule: Literal["cosine"] = "cosine"
    input_scale: Annotated[float, Field(gt=0)] = 0.1
    log_snr_limit: Annotated[float, Field(gt=0, le=30)] = 20.0
    prediction: PredictionName = "x"
    weighting: WeightingName = "truncated-snr"
    sigmoid_bias: float = -6.0
    weight_log_snr_limit: Annotated[float, Field(gt=0)] = 15.0


class SamplingConfig(_Section):
    """How the model draws unless it is told otherwise."""

    sampler: SamplerName = "ddim"
    steps: Positive = 10


class AugmentConfig(_Section):
    """How training slices are varied at each visit; see `training.fit.augment` for the conventions.

    Nothing happens by default, which is also what the cards written before there was augmentation mean.  The
    ranges are half-widths around "unchanged".

    Parameters
    ----------
    dihedral : flip and turn every slice by one of the 8 symmetries of the square
    probability : of each of three changes, drawn independently: rotation, scale and shift together; gamma;
        brightness and contrast together
    degrees : rotation in [-degrees, degrees]
    scale : magnification in [1 - scale, 1 + scale]
    shift : along each axis in [-shift, shift], as a share of the slice's side
    gamma : exponent in [1 - gamma, 1 + gamma]
    brightness : added, in [-brightness, brightness]
    contrast : factor in [1 - contrast, 1 + contrast]
    """

    dihedral: bool = False
    probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    degrees: Annotated[float, Field(ge=0, le=180)] = 20.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    shift: Annotated[float, Field(ge=0, le=1)] = 0.0625
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.2
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.2

    @property
    def changes_nothing(self) -> bool:
        """Whether every slice stays as it is."""
        return not self.dihedral and self.probability == 0


class FitConfig(_Section):
    """The training run.

    ``steps`` includes ``warmup_steps`` (linear rise of the learning rate) and ``decay_steps`` (cosine fall to
    zero at the very end).  ``determinism`` is "fast"; "repeatable", bit-exact on the same machine; or "portable",
    which is to keep all noise on the CPU too, and is the same as "repeatable" while all of it is made there anyway.
    """

    steps: Positive = 400_000
    batch_size: Positive = 8
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    warmup_steps: Annotated[int, Field(ge=0)] = 1000
    decay_steps: Annotated[int, Field(ge=0)] = 100_000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    determinism: Literal["fast", "repeatable", "portable"] = "fast"
    log_every: Positive = 50
    checkpoint_every: Positive = 5000
    keep_checkpoints: Annotated[int, Field(ge=2)] = 2
    augment: AugmentConfig = AugmentConfig()

    @model_validator(mode="after")
    def _ramps_fit(self) -> FitConfig:
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError(
                f"fit.warmup_steps + fit.decay_steps = {self.warmup_steps} + {self.decay_steps} exceeds "
                f"fit.steps = {self.steps}"
            )
        return self


class Config(_Section):
    """A model and how it is trained.

    ``image_size`` is the side of the square that the network is trained on; from larger slices a random crop
    is taken at each step.
    """

    preset: str = "custom"
    image_size: Positive = 128
    network: NetworkConfig = NetworkConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    sampling: SamplingConfig = SamplingConfig()
    fit: FitConfig = FitConfig()

    @model_validator(mode="after")
    def _size_divides(self) -> Config:
        multiple = self.network.patch * 2 ** (len(self.network.multipliers) - 1)
        if self.image_size % multiple:
            raise ValueError(f"image_size = {self.image_size} must be a multiple of {multiple} for this network")
        return self


def _preset_table() -> dict[str, Config]:
    paper_fit = FitConfig(augment=AugmentConfig(dihedral=True, probability=0.3))
    paper = Config(preset="paper-128", fit=paper_fit)
    small_fit = FitConfig(learning_rate=1e-3, warmup_steps=200, determinism="repeatable")
    demo_network = NetworkConfig(
        image_channels=1,
        base_channels=16,
        multipliers=(1, 2, 4),
        res_blocks=(1, 2, 2),
        middle_blocks=2,
        groups=8,
        patch=2,
    )
    presets = [
        paper,
        Config(preset="paper-64", image_size=64, sampling=SamplingConfig(sampler="ddpm"), fit=paper_fit),
        Config(
            preset="recommended",
            diffusion=DiffusionConfig(prediction="v", weighting="snr+1", log_snr_limit=15.0),
            fit=paper_fit,
        ),
        Config(
            preset="demo",
            network=demo_network,
            diffusion=DiffusionConfig(prediction="v", weighting="snr+1", log_snr_limit=15.0),
            fit=small_fit.model_copy(
                update={"steps": 12_000, "decay_steps": 4_000, "checkpoint_every": 500, "log_every": 50}
            ),
        ),
        Config(
            preset="tiny",
            image_size=32,
            network=NetworkConfig(
                image_channels=1,
                base_channels=8,
                multipliers=(1, 2),
                res_blocks=(1, 1),
                middle_blocks=1,
                groups=4,
                patch=2,
            ),
            diffusion=DiffusionConfig(prediction="v", weighting="snr+1", log_snr_limit=15.0),
            sampling=SamplingConfig(steps=4),
            fit=small_fit.model_copy(
                update={
                    "steps": 300,
                    "learning_rate": 2e-3,
                    "warmup_steps": 20,
                    "decay_steps": 100,
                    "checkpoint_every": 100,
                    "log_every": 10,
                }
            ),
        ),
    ]
    return {preset.preset: preset for preset in presets}


PRESETS = _preset_table()


def load_config(preset: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration that a preset and some overrides mean.

    Parameters
    ----------
    preset : name of a preset, or path of a ``.toml`` file with the same keys; the file may name the preset that
        it starts from as ``preset``
    overrides : ``"key=value"``, the key dotted (``"fit.steps=500"``), the value as in TOML; bare words are strings

    Raises
    ------
    ConfigError
        On an unknown preset or key, or a value that does not fit, naming it and what would work.
    """
    if preset.endswith(".toml"):
        settings = _read_toml(Path(preset))
    elif preset in PRESETS:
        settings = {"preset": preset}
    else:
        raise ConfigError(f"unknown preset {preset!r}; choose one of: {', '.join(PRESETS)}, or a .toml file")
    base = settings.get("preset", "custom")
    if base not in ("custom", *PRESETS):
        raise ConfigError(f"unknown preset {base!r} in {preset}; choose one of: custom, {', '.join(PRESETS)}")
    merged = PRESETS[base].model_dump() if base != "custom" else {}
    _merge(merged, settings)
    for override in overrides:
        _merge(merged, _parse_override(override))
    return _validated(merged)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    key = key.strip()
    if key == "preset":
        raise ConfigError(f"{override!r} would only rename the settings; choose a preset with --preset")
    if not (equals and key):
        raise ConfigError(f"cannot read the setting {override!r}; write it as key=value, such as fit.steps=500")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _merge(into: dict[str, Any], settings: dict[str, Any]) -> None:
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _validated(settings: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"unknown setting {key!r}; known here: {', '.join(_siblings(first['loc']))}") from None
        message = first["msg"].removeprefix("Value error, ")
        got = "" if first["type"] == "value_error" else f", got {first['input']!r}"
        raise ConfigError(f"setting {key}: {message}{got}" if key else message) from None


def _siblings(location: Sequence[int | str]) -> list[str]:
    """Names of the settings beside one that does not exist."""
    section: type[BaseModel] = Config
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        section = annotation
    return list(section.model_fields)
