"""Plain facts about a data set, a model or a preset, for ``ambiseg info``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.build import count_parameters
from training.config import PRESETS, Config
from training.data.dataset import Dataset, SliceDataset
from training.data.opening import open_dataset
from training.errors import ConfigError
from training.metrics import diversity
from training.model_card import SHIPPED, find_weights, read_card, shipped_models

Facts = Mapping[str, object]


def describe(what: str) -> Facts:
    """Facts about whatever ``what`` names: JSON values, in reading order.

    Parameters
    ----------
    what : a shipped model, a preset, a run folder, a ``.safetensors`` file, or a data file

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    path = Path(what)
    if what in shipped_models() or path.suffix == ".safetensors" or (path / "checkpoints").is_dir():
        return describe_model(what)
    if what in PRESETS:
        return describe_preset(PRESETS[what])
    if not path.exists():
        names = ", ".join([*shipped_models(), *PRESETS])
        raise ConfigError(f"{what!r} is no file, model or preset; models and presets are: {names}")
    with open_dataset(path) as dataset:
        return describe_dataset(dataset)


def describe_preset(config: Config) -> Facts:
    """A preset: its parameter count and every setting."""
    return {
        "kind": "preset",
        "preset": config.preset,
        "parameters": count_parameters(config),
        "config": config.model_dump(mode="json"),
    }


def describe_model(model: str) -> Facts:
    """A trained model: what its card says, and where it lies."""
    weights = find_weights(model)
    card = read_card(weights.with_suffix(".json"))
    where = {} if weights.parent == SHIPPED else {"path": str(weights)}
    return {"kind": "model", **where, "preset": card.preset, **card.model_dump(mode="json")}


def describe_dataset(dataset: Dataset) -> Facts:
    """A data set: counts, disagreement and hashes; reads everything once, and so checks the checksums too."""
    return {
        "kind": "data",
        "path": str(dataset.path),
        "sha256": dataset.sha256(),
        "checksums": dataset.verify(),
        "experts": dataset.n_experts,
        "attributes": dict(dataset.attributes),
        "splits": {name: describe_split(split) for name, split in dataset.splits.items()},
    }


def describe_split(split: SliceDataset) -> Facts:
    """One split: how many slices of how many patients, and how far its experts agree.

    ``seen_by`` counts the slices by the number of experts with a non-empty mask; ``disagreement`` is the mean over
    slices of the mean 1 - IoU between two different experts (null where there is only one expert).
    """
    masks = split.arrays().masks
    height, width = masks.shape[2:]
    seen_by = Counter(int(k) for k in masks.any(axis=(2, 3)).sum(axis=1))
    apart = float(np.mean([diversity(experts) for experts in masks]))
    return {
        "slices": len(split),
        "patients": len(set(split.patients)),
        "size": [height, width],
        "seen_by": {str(k): seen_by[k] for k in sorted(seen_by)},
        "disagreement": None if np.isnan(apart) else round(apart, 4),
    }
