"""One training run: a folder locked by one process, opening with a manifest of what is done in it."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch

from training.checkpoint import run_card
from training.config import Config
from training.data.dataset import Attribute, SliceArrays
from training.data.opening import open_dataset
from training.device import device_errors_told
from training.errors import CheckpointError, ConfigError, DataFormatError
from training.fit.batches import Batches
from training.fit.loop import Surroundings, fit_model
from training.fit.manifest import begin_session
from training.fit.progress import Ending, Progress
from training.fit.validation import Validation
from training.lock import locked
from training.machine import versions
from training.model_card import ModelCard, newest_checkpoint
from training.processes import Processes, joined_processes

TRAIN_SPLIT, VALIDATION_SPLIT = "train", "val"
# Settings that a resumed run may change, as no weight and no line of the log depends on them.
CHANGE_NO_NUMBER = {"fit.checkpoint_every", "fit.keep_checkpoints"}


def train_run(
    config: Config,
    data: Sequence[Path],
    run_dir: Path,
    device: str = "auto",
    *,
    must_resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _: None,
    tensorboard: bool = False,
    timeout: float = 600.0,
) -> Generator[Progress, None, Ending]:
    """Train on the train splits of some files, from where the run's folder stands.

    Started in several processes by ``torchrun``, they train together, and the first one owns the folder.

    Parameters
    ----------
    config : what to train
    data : files of annotated slices; the network is validated on the first one that has a val split
    run_dir : gets ``manifest.json``, ``log.jsonl`` and ``checkpoints/``
    device : "auto", "cpu", "cuda" or "cuda:N"; of several processes each takes its own GPU
    must_resume : insist that there is a checkpoint to go on from
    should_stop : asked after every step, on a GPU every 16th; on True a checkpoint is written and the run ends
    tell : gets a line for each thing that the user should know before training starts
    tensorboard : also log for TensorBoard
    timeout : seconds for which one process waits for another

    Yields
    ------
    Progress, every ``fit.log_every`` steps

    Returns
    -------
    Ending

    Raises
    ------
    ConfigError
        If the folder cannot be written or another process trains in it, or the loss is no longer finite.
    CheckpointError
        If there is nothing to resume, or it was made with other settings.
    DataFormatError
        If a file cannot be read or has no train split.
    DeviceError
        If the device is not there or gives up, or another process is lost.
    OtherProcessError
        If another process says what failed.
    """
    with joined_processes(device, timeout) as processes, _device_errors_told(processes.device), ExitStack() as held:

        def asked_to_stop() -> bool:
            return should_stop() or processes.is_orphaned

        with processes.together():
            if must_resume and newest_checkpoint(run_dir) is None:
                raise CheckpointError(f"nothing to resume in {run_dir}; leave out --resume to start there")
            sources, validation = _read(data, config, processes, asked_to_stop)
        if processes.any(asked_to_stop()):
            card = run_card(run_dir)
            return Ending(card.step if card else 0, is_complete=False)
        with processes.together():
            arrays = [source.arrays for source in sources]
            batches = Batches(arrays, config, processes.device, processes.rank, processes.count)
        described = tuple(f"{source.path.name} sha256:{source.sha256}" for source in sources)
        with processes.together():
            _require_same_everywhere(described, processes)
        with processes.together():
            if processes.is_first:
                held.enter_context(locked(run_dir))
                card = run_card(run_dir)
                if card is not None:
                    _require_same(config, described, run_dir, card)
                notes = [*config.cautions, *_about_validation(sources, config)]
                for note in notes:
                    tell(note)
                with _writing(run_dir):
                    _begin(run_dir, config, sources, processes, card.step if card else 0, notes)
        surroundings = Surroundings(described, versions(), asked_to_stop, _SliceNames(sources), tensorboard)
        with _writing(run_dir):
            return (yield from fit_model(config, batches, run_dir, processes, validation, surroundings))


@dataclass(frozen=True, eq=False)
class _Source:
    """One file and what it gives to a run.

    Parameters
    ----------
    path, sha256 : which file
    rule, seed : how it was split, where the file says
    patients : who is in which split
    arrays : the training slices
    validation_pixels : (H, W) of the val split's first slice; None without one
    """

    path: Path
    sha256: str
    rule: Attribute | None
    seed: Attribute | None
    patients: Mapping[str, list[str]]
    arrays: SliceArrays
    validation_pixels: tuple[int, ...] | None

    @property
    def division(self) -> dict[str, object]:
        """What the manifest keeps of how the file is split."""
        return {"rule": self.rule, "seed": self.seed, "patients": self.patients}


@dataclass(frozen=True, eq=False)
class _SliceNames:
    """Numbers of slices, counted over all files, as the user knows them: by file."""

    sources: Sequence[_Source]

    def __call__(self, numbers: Sequence[int]) -> str:
        ends = list(accumulate(len(source.arrays) for source in self.sources))
        named = []
        for place, source in enumerate(self.sources):
            start = ends[place] - len(source.arrays)
            if own := [str(i - start) for i in numbers if start <= i < ends[place]]:
                named.append(f"{', '.join(own)} of {source.path.name}")
        return " and ".join(named)


def _read(
    data: Sequence[Path], config: Config, processes: Processes, should_stop: Callable[[], bool]
) -> tuple[list[_Source], Validation | None]:
    """All files' train splits, and the cases to validate on; less where someone asked to stop meanwhile."""
    sources: list[_Source] = []
    validation: Validation | None = None
    for path in data:
        if should_stop():
            break
        with open_dataset(path) as dataset:
            if TRAIN_SPLIT not in dataset.splits:
                raise DataFormatError(f"{path}: no split 'train' to train on; it has {', '.join(dataset.splits)}")
            arrays, cases = dataset.splits[TRAIN_SPLIT].arrays(), dataset.splits.get(VALIDATION_SPLIT)
            pixels = cases[0].image.shape if cases else None
            digest = dataset.sha256()
            if twin := next((source for source in sources if source.sha256 == digest), None):
                raise DataFormatError(f"{path} is the same file as {twin.path}; give each only once")
            sources.append(
                _Source(
                    Path(path),
                    digest,
                    rule=dataset.attributes.get("split"),
                    seed=dataset.attributes.get("split_seed"),
                    patients={name: sorted(set(split.patients)) for name, split in dataset.splits.items()},
                    arrays=arrays,
                    validation_pixels=pixels,
                )
            )
            if cases and validation is None and config.fit.validate_every:
                validation = Validation(cases, config, processes.device, processes.rank, processes.count)
    return sources, validation


def _about_validation(sources: Sequence[_Source], config: Config) -> list[str]:
    if not config.fit.validate_every:
        return []
    having = [source for source in sources if source.validation_pixels is not None]
    if not having:
        return ["no file has a val split, so the network is not validated and no best checkpoint is kept"]
    first, size, notes = having[0], config.image_size, []
    if len(having) > 1:
        notes.append(f"the network is validated on the val split of {first.path.name} alone")
    if first.validation_pixels != (size, size):
        notes.append(
            f"the network is validated on a random square of {size} x {size} pixels of each case, as it is trained; "
            f"`ambiseg evaluate --random-crop {size}` is what compares with it"
        )
    trained_on = {patient for source in sources for patient in source.patients[TRAIN_SPLIT]}
    if both := sorted(trained_on.intersection(first.patients[VALIDATION_SPLIT])):
        named = ", ".join(both[:3]) + (", ..." if len(both) > 3 else "")
        notes.append(
            f"{len(both)} patients ({named}) of the val split of {first.path.name} are, by these names, also trained "
            f"on, so that validation flatters; prepare the files with one rule of splitting"
        )
    return notes


def _begin(
    run_dir: Path,
    config: Config,
    sources: Sequence[_Source],
    processes: Processes,
    from_step: int,
    notes: Sequence[str],
) -> None:
    begin_session(
        run_dir,
        config,
        {str(source.path): source.sha256 for source in sources},
        {str(source.path): source.division for source in sources},
        processes,
        from_step,
        notes,
    )


@contextmanager
def _writing(run_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "make room" if full else f"see to {error.filename or run_dir}"
        raise ConfigError(
            f"cannot write in {run_dir}: {error.strerror or error}; {remedy} and run again, "
            f"it goes on from the last checkpoint"
        ) from error


def _device_errors_told(device: torch.device) -> AbstractContextManager[None]:
    return device_errors_told(
        device,
        lost="start the same command again, it goes on from the last checkpoint; if it gives up again, restart the "
        "machine or choose --device cpu",
        memory="set a smaller fit.batch_size or network, or share the batch among more processes, each with a device "
        "of its own",
    )


def _require_same_everywhere(data: tuple[str, ...], processes: Processes) -> None:
    """Refuse to train on other data than the first process does."""
    own = int.from_bytes(hashlib.sha256("\n".join(data).encode()).digest()[:6])  # what a float64 holds exactly
    (first,) = processes.sum([own if processes.is_first else 0])
    if own != first:
        raise DataFormatError(
            f"process {processes.rank} reads other data than the first process ({', '.join(data)}); "
            f"the same files, in the same order, must be everywhere"
        )


def _require_same(config: Config, data: tuple[str, ...], run_dir: Path, card: ModelCard) -> None:
    """Refuse to go on with a run under other settings or on other data than its card's; name the first difference."""
    now, then = _flat(config.model_dump(mode="json")), _flat(card.config.model_dump(mode="json"))
    for key in sorted((now.keys() | then.keys()) - CHANGE_NO_NUMBER):
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
