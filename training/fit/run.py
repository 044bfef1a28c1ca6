"""One training run: a folder locked by one process, opening with a manifest of what is done in it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from training.atomic import write_bytes
from training.config import Config
from training.data.dataset import Dataset
from training.data.opening import open_dataset
from training.device import pick_device
from training.errors import CheckpointError, ConfigError, DataFormatError
from training.fit.batches import Batches
from training.fit.loop import Progress, fit_model
from training.model_card import newest_checkpoint, read_card

PACKAGES = ("napari-ambiseg", "torch", "numpy", "h5py", "safetensors")
TRAIN_SPLIT = "train"


def train_run(
    config: Config,
    data: Sequence[Path],
    run_dir: Path,
    device: str = "auto",
    *,
    must_resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Train on the train splits of some files, from where the run's folder stands.

    Parameters
    ----------
    config : what to train
    data : files of annotated slices
    run_dir : gets ``manifest.json``, ``log.jsonl`` and ``checkpoints/``
    device : "auto", "cpu", "cuda" or "cuda:N"
    must_resume : insist that there is a checkpoint to go on from
    should_stop : asked after every step; on True a checkpoint is written and the run ends

    Yields
    ------
    Progress, every ``fit.log_every`` steps

    Raises
    ------
    ConfigError
        If the folder cannot be written or another process trains in it, or the loss is no longer finite.
    CheckpointError
        If there is nothing to resume, or it was made with other settings.
    DataFormatError
        If a file cannot be read or has no train split.
    DeviceError
        If the device is not there.
    """
    where = pick_device(device)
    if must_resume and newest_checkpoint(run_dir) is None:
        raise CheckpointError(f"nothing to resume in {run_dir}; leave out --resume to start there")
    sources, hashes, divisions = [], {}, {}
    for path in data:
        with open_dataset(path) as dataset:
            if TRAIN_SPLIT not in dataset.splits:
                raise DataFormatError(f"{path}: no split 'train' to train on; it has {', '.join(dataset.splits)}")
            sources.append(dataset.splits[TRAIN_SPLIT].arrays())
            hashes[str(path)], divisions[str(path)] = dataset.sha256(), _division(dataset)
    batches = Batches(sources, config.image_size, config.fit.batch_size, config.fit.seed, config.fit.augment)
    with _locked(run_dir):
        versions = {package: version(package) for package in PACKAGES} | {"python": platform.python_version()}
        described = tuple(f"{Path(path).name} sha256:{digest}" for path, digest in hashes.items())
        _require_same(config, described, run_dir)
        try:
            _write_manifest(run_dir, config, hashes, divisions, str(where), versions)
            yield from fit_model(
                config,
                batches,
                run_dir,
                where,
                training_data=described,
                made_with=versions,
                should_stop=should_stop,
            )
        except OSError as error:
            raise ConfigError(
                f"cannot write in {run_dir}: {error.strerror or error}; make room and run again, "
                f"it goes on from the last checkpoint"
            ) from error


@contextmanager
def _locked(run_dir: Path) -> Iterator[None]:
    lock = FileLock(run_dir / ".lock", timeout=0)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"another process is training in {run_dir}; wait for it or use another folder") from None
    except OSError as error:
        raise ConfigError(
            f"cannot train in {run_dir}: {error.strerror}; choose a folder that can be written"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _division(dataset: Dataset) -> dict[str, object]:
    """Which patients are in which split of a file, and by which rule, where the file says."""
    return {
        "rule": dataset.attributes.get("split"),
        "seed": dataset.attributes.get("split_seed"),
        "patients": {name: sorted(set(split.patients)) for name, split in dataset.splits.items()},
    }


def _write_manifest(
    run_dir: Path,
    config: Config,
    data: Mapping[str, str],
    divisions: Mapping[str, object],
    device: str,
    versions: Mapping[str, str],
) -> None:
    """``manifest.json``: arguments, resolved configuration, data hashes, their splits, versions, device."""
    manifest = {
        "arguments": sys.argv[1:],
        "config": config.model_dump(mode="json"),
        "data_sha256": dict(data),
        "splits": dict(divisions),
        "device": device,
        "platform": platform.platform(),
        "made_with": dict(versions),
    }
    write_bytes(run_dir / "manifest.json", json.dumps(manifest, indent=2).encode())


def _require_same(config: Config, data: tuple[str, ...], run_dir: Path) -> None:
    """Refuse to go on with a run under other settings or on other data, naming the first difference."""
    checkpoint = newest_checkpoint(run_dir)
    if checkpoint is None:
        return
    card = read_card(checkpoint.with_suffix(".json"))
    now, then = _flat(config.model_dump(mode="json")), _flat(card.config.model_dump(mode="json"))
    for key in sorted(now.keys() | then.keys()):
        if now.get(key) != then.get(key):
            raise CheckpointError(
                f"{run_dir} was trained with {key} = {then.get(key)!r}, now {now.get(key)!r}; "
                f"use the same settings to resume, or another run folder"
            )
    if data != card.training_data:
        raise CheckpointError(
            f"{run_dir} was trained on {', '.join(card.training_data)}, now {', '.join(data)}; "
            f"use the same data to resume, or another run folder"
        )


def _flat(settings: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
