"""Names of files and folders: readable, and digests of what they depend on."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from training.ablation.data import DataFile
from training.config import Config


def run_digest(config: Config, training: Iterable[DataFile]) -> str:
    """Hex digest of what a training depends on: equal for equal trainings of any grid.

    Settings at their defaults are left out, so that one which a later version adds changes no digest; whether the
    settings are the same is checked again, in full, when a training is resumed.
    """
    return digest(
        {
            "config": config.model_dump(mode="json", exclude_defaults=True),
            "data": [file.sha256 for file in training],
        }
    )


def digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def slug(text: str) -> str:
    """A part of a file's name: "ε" is "epsilon", "128 × 128" is "128-128", "-2" is "minus2"."""
    spelled = ""
    for character in unicodedata.normalize("NFKD", re.sub(r"^-(?=\d)", "minus", text)):
        if character.isascii():
            spelled += character
        elif unicodedata.category(character).startswith("L"):
            spelled += unicodedata.name(character, "").rpartition(" ")[2]
        elif not unicodedata.combining(character):
            spelled += " "
    return re.sub(r"[^a-z0-9.]+", "-", spelled.lower()).strip("-.") or "value"
