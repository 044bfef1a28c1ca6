"""The presets, and how a preset, a file and single settings become a configuration: TOML in, JSON out."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from training.config import AugmentConfig, Config, DiffusionConfig, FitConfig, NetworkConfig, SamplingConfig
from training.errors import ConfigError


def _preset_table() -> dict[str, Config]:
    paper_fit = FitConfig(validate_every=10_000, augment=AugmentConfig(dihedral=True, probability=0.3))
    paper = Config(preset="paper-128", fit=paper_fit)
    small_fit = partial(FitConfig, learning_rate=1e-3, warmup_steps=200, determinism="repeatable")
    plain_v = DiffusionConfig(prediction="v", weighting="snr+1", log_snr_limit=15.0)
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
            diffusion=plain_v,
            fit=paper_fit,
        ),
        Config(
            preset="demo",
            network=demo_network,
            diffusion=plain_v,
            fit=small_fit(steps=12_000, decay_steps=4_000, checkpoint_every=500, validate_every=2000),
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
            diffusion=plain_v,
            sampling=SamplingConfig(steps=4),
            fit=small_fit(
                steps=300,
                learning_rate=2e-3,
                warmup_steps=20,
                decay_steps=100,
                checkpoint_every=100,
                log_every=10,
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
    return checked(merged)


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


def checked(settings: dict[str, Any]) -> Config:
    """The configuration of these settings, sections as dictionaries.

    Raises
    ------
    ConfigError
        On an unknown setting, or a value that does not fit, naming it and what would work.
    """
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
