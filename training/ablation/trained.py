"""Trainings that are complete: their last weights are kept, what it would take to train on is not.

At the paper's size a checkpoint with the optimizer's moments has 83 MB, without 28 MB, and a run keeps two; there are
dozens of runs, and a complete one is never trained on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from training.atomic import write_bytes
from training.checkpoint import BEST, EMA, MODEL, load_weights, save_weights
from training.config import Config
from training.errors import CheckpointError, ConfigError
from training.model_card import CHECKPOINTS, ModelCard, checkpoints, newest_checkpoint, read_card

TRAINED = "trained.json"


def is_complete(run_dir: Path, config: Config) -> bool:
    """Whether the training of this very configuration came to its end and its last checkpoint is there."""
    card = _last_card(run_dir)
    return card is not None and (card.step, card.config) == (config.fit.steps, config) and bool(_note(run_dir))


def is_ready(run_dir: Path, config: Config) -> bool:
    """Whether it is complete and nothing in it will change any more, so that it can be scored."""
    card = _last_card(run_dir)
    return card is not None and is_complete(run_dir, config) and _note(run_dir).get("sha256") == card.sha256


def note_complete(run_dir: Path) -> None:
    """Write down that the training came to its end; before `keep_weights`, which leaves nothing to resume."""
    write_bytes(run_dir / TRAINED, json.dumps({"is_complete": True}).encode())


def keep_weights(run_dir: Path) -> None:
    """Leave the weights (or their moving averages too, if there are any) of the last checkpoint alone.

    May be interrupted anywhere and done again; the earlier checkpoints go last.

    Raises
    ------
    CheckpointError
        If the last checkpoint cannot be read.
    """
    newest = newest_checkpoint(run_dir)
    if newest is None:
        raise CheckpointError(f"no complete checkpoint in {run_dir}; run again")
    tensors, card = load_weights(newest)
    weights = {name: tensor for name, tensor in tensors.items() if name.startswith((MODEL, EMA))}
    if len(weights) < len(tensors):
        save_weights(newest, weights, card)
    for old in checkpoints(run_dir)[:-1]:
        old.with_suffix(".json").unlink()
        old.unlink()
    sha256 = read_card(newest.with_suffix(".json")).sha256
    write_bytes(run_dir / TRAINED, json.dumps({"is_complete": True, "sha256": sha256}).encode())


def weights_to_score(run_dir: Path, which: Literal["last", "best"]) -> Path:
    """The file of weights that is scored.

    Raises
    ------
    ConfigError
        If the best ones are asked for and the training was not validated.
    """
    if which == "last":
        return run_dir
    best = run_dir / CHECKPOINTS / BEST
    if not best.is_file():
        raise ConfigError(
            f"{run_dir} has no best checkpoint; it needs a val split beside the train split and fit.validate_every"
        )
    return best


def _last_card(run_dir: Path) -> ModelCard | None:
    newest = newest_checkpoint(run_dir)
    try:
        return None if newest is None else read_card(newest.with_suffix(".json"))
    except CheckpointError:
        return None  # training from there says what is wrong with it


def _note(run_dir: Path) -> dict[str, object]:
    try:
        found = json.loads((run_dir / TRAINED).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
