"""Settings by their dotted names: from TOML, over a preset, to a configuration, and how two configurations differ."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from training.config import Config
from training.errors import ConfigError
from training.presets import checked, load_config

Settings = dict[str, Any]
Document = TypeVar("Document", bound=BaseModel)
_DEEPEST = 8  # levels of tables; ours have three


class Section(BaseModel):
    """A table of one of our TOML files: frozen, strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def flat(tables: Mapping[str, Any], prefix: str = "") -> Settings:
    """``{"fit": {"steps": 5}}`` as ``{"fit.steps": 5}``."""
    if prefix.count(".") > _DEEPEST:
        raise ConfigError(f"unknown setting {prefix[:60]!r}; settings are not nested that deep")
    found: Settings = {}
    for key, value in tables.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def parsed_settings(texts: Sequence[str]) -> Settings:
    """The settings of a command line, each ``KEY=VALUE`` with the value as in TOML; bare words are strings.

    Raises
    ------
    ConfigError
        If one is not of that form.
    """
    found: Settings = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise ConfigError(f"cannot read the setting {text!r}; write it as key=value, such as fit.steps=500")
        if key == "preset":
            raise ConfigError(f"{text!r} would train other models than the grid is about; edit a copy of the grid")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def resolved(settings: Settings, preset: str) -> Config:
    """The configuration of a preset with some settings put over it, by their dotted names.

    Raises
    ------
    ConfigError
        On an unknown preset or setting, or a value that does not fit.
    """
    tables = load_config(preset).model_dump()
    for key, value in settings.items():
        *sections, name = key.split(".")
        table = tables
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise ConfigError(f"unknown setting {key!r}; {section!r} is a setting and not a section of settings")
        table[name] = value
    return checked(tables)


def read_toml(path: Path, kind: str, document: type[Document]) -> Document:
    """Read and check one of our TOML files.

    Raises
    ------
    ConfigError
        If it cannot be read or is not such a file, naming the first key that is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the {kind} {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"the {kind} {path} is not valid TOML: {error}") from error
    try:
        return document.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"the {kind} {path} has an unknown key {where!r}") from None
        got = "" if first["type"] in ("value_error", "missing") else f", got {str(first['input'])[:80]!r}"
        raise ConfigError(f"the {kind} {path}: {where + ': ' if where else ''}{message}{got}") from None
