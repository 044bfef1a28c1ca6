"""What a model's card says of it, which has to stand beside its scores: what it was trained on, above all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.errors import CheckpointError
from training.model_card import find_weights, read_card
from training.report.heading import short


def model_note(scores: Mapping[str, Any]) -> str:
    """``demo: Small model ...; trained on phantom.hdf5 (sha256 ef82c764a582)``, in a line.

    Nothing for a reference, for a model that is no longer where it was evaluated, and for another one in its place.
    """
    recorded = (scores.get("sampling") or {}).get("model_sha256")
    if not recorded:
        return ""
    model = str(scores["segmenter"])
    try:
        card = read_card(find_weights(model).with_suffix(".json"))
    except (CheckpointError, OSError, ValueError):  # the latter for a name that no file can have
        return ""
    if card.sha256 != recorded:
        return ""
    data = ", ".join(f"{name} (sha256 {short(digest)})" for name, digest in map(_data, card.training_data))
    said = [card.summary.rstrip(". "), f"trained on {data}" if data else ""]
    return f"{model}: {'; '.join(filter(None, said))}." if any(said) else ""


def _data(line: str) -> tuple[str, str]:
    """Name and hash of a line such as ``phantom.hdf5 sha256:ef82..``."""
    name, _, digest = line.rpartition(" sha256:")
    return name.rpartition("/")[2], digest
