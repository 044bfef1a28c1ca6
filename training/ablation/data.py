"""What an ablation trains on and what it scores, found in the user's files; torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.opening import open_dataset
from training.errors import ConfigError


@dataclass(frozen=True)
class DataFile:
    """A file of slices and its name among results."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Data:
    """What is trained on and what is scored.

    Parameters
    ----------
    training : the files that have a train split, in the order they were given
    pixels : (H, W) of the training slices of each
    scored : the first file that has the scored split
    split : that split
    cases : how many slices it has
    scored_pixels : (H, W) of its first slice
    cautions : what the user should know
    """

    training: tuple[DataFile, ...]
    pixels: tuple[tuple[int, ...], ...]
    scored: DataFile
    split: str
    cases: int
    scored_pixels: tuple[int, ...]
    cautions: tuple[str, ...]


def read_data(paths: Sequence[Path], split: str) -> Data:
    """Look at the files: what can be trained on, and what is scored.

    Raises
    ------
    DataFormatError
        If one cannot be read.
    ConfigError
        If none has a train split, none has the scored split, or a file is given twice.
    """
    training: list[DataFile] = []
    pixels: list[tuple[int, ...]] = []
    scored: tuple[DataFile, int, tuple[int, ...], set[str]] | None = None
    trained_patients: set[str] = set()
    cautions, have = [], set()
    for path in map(Path, paths):
        with open_dataset(path) as dataset:
            file = DataFile(path, dataset.sha256())
            if file.sha256 in have:
                raise ConfigError(f"{path} was given twice, or under two names; give each file once")
            have.add(file.sha256)
            if train := dataset.splits.get("train"):
                training.append(file)
                pixels.append(train[0].image.shape)
                trained_patients.update(train.patients)
            if cases := dataset.splits.get(split):
                if scored is None:
                    scored = (file, len(cases), cases[0].image.shape, set(cases.patients))
                else:
                    cautions.append(f"the split {split} of {scored[0].path} is scored, that of {path} is not")
    names = ", ".join(map(str, paths))
    if not training:
        raise ConfigError(f"no file has a split 'train' to train on: {names}")
    if scored is None:
        raise ConfigError(f"no file has a split {split!r} to score: {names}; choose another with --split")
    file, count, size, patients = scored
    if split != "train" and (both := sorted(patients & trained_patients)):
        cautions.append(
            f"{len(both)} patients ({', '.join(both[:3])}{', ...' if len(both) > 3 else ''}) of the scored split are, "
            f"by these names, also trained on, so that the scores flatter"
        )
    return Data(tuple(training), tuple(pixels), file, split, count, size, tuple(cautions))
