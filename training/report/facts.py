"""Plain facts about a data set, a model or a preset, for ``ambiseg info``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import Config
from training.data.dataset import Dataset, SliceDataset
from training.data.reading import open_isolated
from training.errors import ConfigError
from training.metrics.overlap import count_pairs
from training.model_card import CHECKPOINTS, SHIPPED, find_weights, read_card, shipped_models
from training.presets import PRESETS, load_config

Facts = Mapping[str, object]


def describe(what: str, as_preset: bool = False) -> Facts:
    """Facts about whatever ``what`` names: JSON values, in reading order.

    Parameters
    ----------
    what : a data file, a shipped model, a run folder, a ``.safetensors`` file, a preset, or a ``.toml`` file
    as_preset : take it for a preset or a ``.toml`` file, where a shipped model has the same name

    Raises
    ------
    ConfigError
        If it is none of these, or the settings in a ``.toml`` file do not fit.
    """
    path = Path(what)
    if as_preset or path.suffix == ".toml":
        return describe_preset(load_config(what))
    if what in shipped_models() or path.suffix == ".safetensors" or (path / CHECKPOINTS).is_dir():
        return describe_model(what)
    if what in PRESETS:
        return describe_preset(PRESETS[what])
    if not (path.is_file() or path.is_dir()):
        names = ", ".join(dict.fromkeys([*shipped_models(), *PRESETS]))
        raise ConfigError(f"{what!r} is no file, model or preset; models and presets are: {names}")
    with open_isolated(path) as dataset:
        return describe_dataset(dataset)


def describe_preset(config: Config) -> Facts:
    """A preset: its parameter count and every setting."""
    from training.build import count_parameters  # torch, which data and cards need not wait for

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
        "attributes": {name: _unpacked(value) for name, value in dataset.attributes.items()},
        "splits": {name: describe_split(split) for name, split in dataset.splits.items()},
    }


def describe_split(split: SliceDataset) -> Facts:
    """One split: how many slices of how many patients, and how far its experts agree.

    ``seen_by`` counts the slices by the number of experts with a non-empty mask; ``empty_by_slot`` is the share of
    empty masks of each expert.  Means over slices, two empty masks having IoU and dice 1, null where there is no pair:
    ``disagreement`` is the mean 1 - IoU of two different experts and ``dice`` their mean dice; ``..._with_self`` counts
    the pairs of an expert with itself too, as the V-statistic does.  ``always_empty`` scores a prediction
    of empty masks alone: its GED (V, for any number of them) and its dice.
    """
    masks = split.arrays().masks
    height, width = masks.shape[2:]
    found = masks.any(axis=(2, 3))
    seen_by = Counter(int(k) for k in found.sum(axis=1))
    pairs = [count_pairs(experts, experts) for experts in masks]
    iou, dice = np.array([pair.iou for pair in pairs]), np.array([pair.dice for pair in pairs])
    distance_with_self = 1 - iou.mean(axis=(1, 2))
    spacings = Counter(split.spacings)
    return {
        "slices": len(split),
        "patients": len(set(split.patients)),
        "size": [height, width],
        "pixel_spacing": f"known for {len(split) - spacings[None]} of {len(split)} slices",
        "seen_by": {str(k): seen_by[k] for k in sorted(seen_by)},
        "empty_by_slot": [round(float(share), 4) for share in 1 - found.mean(axis=0)],
        "disagreement": _rounded(1 - _over_distinct(iou)),
        "disagreement_with_self": _rounded(distance_with_self),
        "dice": _rounded(_over_distinct(dice)),
        "dice_with_self": _rounded(dice.mean(axis=(1, 2))),
        "always_empty": {
            "ged_v": _rounded(2 * found.mean(axis=1) - distance_with_self),
            "dice": _rounded(1 - found.mean(axis=1)),
        },
    }


def _over_distinct(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means (N,) over the off-diagonal of (N, K, K); NaN for one expert."""
    k = scores.shape[1]
    if k == 1:
        return np.full(len(scores), np.nan)
    return np.asarray((scores.sum(axis=(1, 2)) - scores.trace(axis1=1, axis2=2)) / (k * (k - 1)))


def _rounded(scores: NDArray[np.float64]) -> float | None:
    mean = float(scores.mean())
    return None if np.isnan(mean) else round(mean, 4)


def _unpacked(value: object) -> object:
    """An attribute as it is, or what its JSON holds, at any depth: a conversion keeps its options and counts so."""
    if isinstance(value, dict):
        return {name: _unpacked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item) for item in value]
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            return _unpacked(json.loads(value))
        except ValueError:
            return value
    return value
