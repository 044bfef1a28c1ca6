"""The models that a user can choose: shipped ones, references, checkpoints of a folder, and those chosen before.

Torch-free: a model's card says all that is shown of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

from training.atomic import write_bytes
from training.config import Config
from training.errors import AmbisegError, CheckpointError
from training.model_card import CHECKPOINTS, ModelCard, find_weights, read_card, shipped_models
from training.segmenters.experts import REFERENCES

_REMEMBERED = 12  # paths
_SYNTHETIC = "synthetic"


class KnownModels:
    """Names of models, and their cards.

    Parameters
    ----------
    folder : is looked through for runs and checkpoints; "" for none
    memory : file in which paths that the user chose are kept; None takes the user's folder for states of programs
    """

    def __init__(self, folder: str = "", memory: Path | None = None) -> None:
        self._folder = Path(folder) if folder else None
        self._memory = memory or user_state_path("napari-ambiseg", appauthor=False) / "models.json"
        self._shipped = shipped_models()
        self._chosen = self._remembered()
        self._cards: dict[Path, tuple[int, ModelCard]] = {}
        self._found: tuple[str, ...] = ()
        self.look()

    def names(self) -> tuple[str, ...]:
        """All that can be chosen: shipped, found, chosen before, references."""
        return tuple(dict.fromkeys([*self._shipped, *self._found, *self._chosen, *REFERENCES]))

    def choose(self, path: str) -> str:
        """Take a checkpoint or training folder of the user's own in, and remember it; returns its name.

        Raises
        ------
        CheckpointError
            If it is no model.
        """
        name = str(Path(path).absolute())
        self.card(name)
        self._chosen = [name, *(other for other in self._chosen if other != name)][:_REMEMBERED]
        with suppress(OSError):  # a memory that cannot be written is none, and no reason to refuse the model
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._memory, json.dumps(self._chosen).encode())
        return name

    def card(self, name: str) -> ModelCard | None:
        """The card of a model; None for a reference, which has none.

        Raises
        ------
        CheckpointError
            If there is no such model, or its card is damaged.
        """
        if name in REFERENCES:
            return None
        if name in self._shipped:
            return self._shipped[name]
        path = find_weights(name).with_suffix(".json")
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        if path not in self._cards or self._cards[path][0] != stamp:
            self._cards[path] = (stamp, read_card(path))
        return self._cards[path][1]

    def size(self, name: str) -> int | None:
        """Side in pixels of the squares that a model was made for; None for a reference, and where there is no card."""
        try:
            card = self.card(name)
        except CheckpointError:  # of a file that is gone, the drawing will tell
            return None
        return None if card is None else card.image_size

    def look(self) -> None:
        """Look through the folder for runs and checkpoints, at its top."""
        self._found = tuple(self._in_folder())

    def _in_folder(self) -> Iterator[str]:
        if self._folder is None or not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            is_checkpoint = path.suffix == ".safetensors" and path.with_suffix(".json").is_file()
            if is_checkpoint or (path / CHECKPOINTS).is_dir():
                yield str(path)

    def _remembered(self) -> list[str]:
        """The paths chosen before that still are models."""
        try:
            kept = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [path for path in kept if isinstance(path, str) and _is_model(path)] if isinstance(kept, list) else []


def is_synthetic(card: ModelCard) -> bool:
    """Whether a model has seen synthetic slices only, as far as its card tells."""
    data = card.training_data
    return _SYNTHETIC in card.licence.lower() or (bool(data) and all(one.startswith("phantom") for one in data))


def takes_guidance(config: Config) -> bool:
    """Whether a model was trained without some of its images, as guidance needs."""
    return config.diffusion.image_dropout > 0


def about(card: ModelCard) -> dict[str, str]:
    """What a card says, as short lines by what they are about; what it does not say is left out."""
    said = {
        "What": card.summary,
        "Trained on": ", ".join(one.split(" sha256:")[0] for one in card.training_data),
        "Slices": f"{card.image_size} x {card.image_size} pixels",
        "Scores": _scores(card),
        "Draws with": f"{card.sampler}, {card.steps} steps",
        "Size": f"{card.parameters:,} parameters, {card.step:,} training steps",
        "Licence": card.licence,
        "SHA-256": card.sha256[:16],
    }
    return {what: text for what, text in said.items() if text}


def _scores(card: ModelCard) -> str:
    """GED and Dice with the data that they are of; "" where the card has none."""
    by_experts = card.scores.get("scores", {})
    for experts, found in by_experts.items():
        raw = found.get("raw", {})
        with suppress(KeyError, TypeError):
            data = f"{card.scores['cases']} slices of {card.scores['data']} ({card.scores['split']})"
            return (
                f"GED (U) {raw['ged_u']['mean']:.3f} [{raw['ged_u']['low']:.3f}, {raw['ged_u']['high']:.3f}], "
                f"dice {raw['dice']['mean']:.3f} on {data}, {experts} experts"
            )
    return ""


def _is_model(path: str) -> bool:
    try:
        find_weights(path)
    except AmbisegError:
        return False
    return True
