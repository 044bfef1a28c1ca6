"""How fast slices come from disk, beside the way the field stores them: gzip-compressed float64, slice by slice."""

from __future__ import annotations

import itertools
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from training.bench.machine import describe_machine
from training.bench.outcome import Gate, Group, Outcome, Row
from training.bench.rounds import Contender, interleave, require_rounds
from training.data.dataset import ImageType, SliceArrays, white_level
from training.data.forms.interface import Found, Tally
from training.data.forms.sniffing import open_form
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.data.prepare import Plan, prepare
from training.errors import ConfigError, DataFormatError
from training.machine import peak_memory_mib
from training.records import AnnotatedSlice

_SPLIT = "train"
# Float32 against float64.
_INTENSITY_ERROR = 1e-6


def bench_io(
    files: Sequence[Path] = (),
    *,
    phantoms: int = 2000,
    size: int = 128,
    pictures: Path | None = None,
    reads: int = 4000,
    rounds: int = 5,
    tick: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Time loading a whole split, single slices in random order, and the conversion of a folder of pictures.

    The slices are written once in the project's form and once as gzip float64 with the same labels.

    Parameters
    ----------
    files : of annotated slices, whose train splits are taken; none is synthetic ones
    phantoms, size : how many synthetic slices, and their side
    pictures : a folder of pictures to convert as well
    reads : single slices in one call
    rounds, tick : as everywhere

    Raises
    ------
    ConfigError
        On numbers that are not possible.
    DataFormatError
        If a file cannot be read or has no train split.
    """
    require_rounds(rounds)
    if phantoms < 1 or reads < 1:
        raise ConfigError(f"at least 1 slice and 1 read are needed, got {phantoms} and {reads}")
    machine = describe_machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as name:
        ours, peer = Path(name) / "ours.hdf5", Path(name) / "peer.hdf5"
        count = _write_both(ours, peer, files, phantoms, size)
        gates = _differences(read_ours(ours), read_peer(peer))  # also warms the system's cache
        order = np.random.default_rng(0).integers(count, size=reads).tolist()
        measured = [
            _group(
                f"All {count:,} slices into memory",
                {"ours": partial(read_ours, ours), "gzip-float64": partial(read_peer, peer)},
                count,
                rounds,
                tick,
            ),
            _group(
                f"{reads:,} single slices in random order",
                {
                    "ours-as-stored": partial(random_rows, ours, order),
                    "ours-checked-records": partial(random_records, ours, order),
                    "gzip-float64": partial(random_peer, peer, order),
                },
                reads,
                rounds,
                tick,
            ),
        ]
        if pictures is not None:
            made = Path(name) / "made.hdf5"
            calls: dict[str, Callable[[], object]] = {
                "prepare": partial(convert, pictures, made),
                "reading-the-pictures": partial(read_pictures, pictures),
            }
            measured.append(_group(f"Conversion of {pictures.name}", calls, convert(pictures, made), rounds, tick))
        sizes = ours.stat().st_size, peer.stat().st_size
    return Outcome(
        title="Reading slices",
        settings={
            "data": ", ".join(map(str, files)) or f"phantoms of {size} x {size}",
            "slices": count,
            "ours MB": sizes[0] / 1e6,
            "gzip-float64 MB": sizes[1] / 1e6,
        },
        machine=machine | {"peak_memory_mib": peak_memory_mib()},
        groups=tuple(measured),
        gates=gates,
    )


def read_ours(path: Path) -> SliceArrays:
    """The whole split, its checksums compared."""
    with open_dataset(path) as dataset:
        return dataset.splits[_SPLIT].arrays()


def read_peer(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Slice by slice into memory: (N, H, W) and (N, H, W, K)."""
    with h5py.File(path, "r") as file:
        images, labels = file["images"], file["labels"]
        pairs = [(images[index], labels[index]) for index in range(len(images))]
    return np.stack([image for image, _ in pairs]), np.stack([label for _, label in pairs])


def random_records(path: Path, order: Sequence[int]) -> None:
    """Single slices as checked records with float32 images."""
    with open_dataset(path) as dataset:
        split = dataset.splits[_SPLIT]
        deque((split[index] for index in order), maxlen=0)


def random_rows(path: Path, order: Sequence[int]) -> None:
    """The images and labels of single slices as they are stored, as the peer gives them."""
    with open_dataset(path) as dataset:
        split: Any = dataset.splits[_SPLIT]
        deque(((split.images.read(i, i + 1), split.labels.read(i, i + 1)) for i in order), maxlen=0)


def random_peer(path: Path, order: Sequence[int]) -> None:
    """The same from the peer's file."""
    with h5py.File(path, "r") as file:
        images, labels = file["images"], file["labels"]
        deque(((images[i], labels[i]) for i in order), maxlen=0)


def convert(source: Path, out: Path) -> int:
    """Convert a folder of pictures; how many slices that gave."""
    return int(str(prepare(source, out, Plan(), lambda _: None).facts["slices"]))


def read_pictures(source: Path) -> list[Found]:
    """The part of a conversion that is reading."""
    return list(open_form(source).read(Tally()))


def _write_both(ours: Path, peer: Path, files: Sequence[Path], phantoms: int, size: int) -> int:
    # Phantoms are 8-bit too.
    is_eight_bit = all(open_form(path).image_type == "uint8" for path in files)
    image_type: ImageType = "uint8" if is_eight_bit else "float32"
    write_dataset(ours, {_SPLIT: _slices_of(files, phantoms, size)}, {}, image_type=image_type)
    with open_dataset(ours) as dataset:
        count = len(dataset.splits[_SPLIT])
    _write_peer(peer, _slices_of(files, phantoms, size), count)
    return count


def _slices_of(files: Sequence[Path], phantoms: int, size: int) -> Iterator[AnnotatedSlice]:
    if not files:
        yield from (phantom_case(index, 0, size).slice for index in range(phantoms))
    for path in files:
        with open_dataset(path) as dataset:
            if _SPLIT not in dataset.splits:
                raise DataFormatError(f"{path}: no split 'train'; it has {', '.join(dataset.splits)}")
            yield from dataset.splits[_SPLIT]


def _write_peer(path: Path, cases: Iterator[AnnotatedSlice], n: int) -> None:
    """Float64 images and uint8 labels, gzip at h5py's default level, one slice to a chunk."""
    first = next(cases)
    (h, w), k = first.image.shape, first.n_experts
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (n, h, w), "f8", chunks=(1, h, w), compression="gzip")
        labels = file.create_dataset("labels", (n, h, w, k), "u1", chunks=(1, h, w, k), compression="gzip")
        for index, case in enumerate(itertools.chain([first], cases)):
            images[index] = case.image
            labels[index] = np.moveaxis(case.masks, 0, -1)


def _differences(ours: SliceArrays, peer: tuple[NDArray[np.float64], NDArray[np.uint8]]) -> tuple[Gate, Gate]:
    images, labels = peer
    white = white_level(ours.images.dtype)
    intensity = max(float(np.abs(a / white - b).max()) for a, b in zip(ours.images, images, strict=True))
    pixels = sum(int((np.moveaxis(a, 0, -1) != b).sum()) for a, b in zip(ours.masks, labels, strict=True))
    return (
        Gate("largest difference of an intensity", intensity, _INTENSITY_ERROR),
        Gate("different mask pixels", float(pixels), 0.0),
    )


def _group(
    title: str, calls: Mapping[str, Callable[[], object]], number: int, rounds: int, tick: Callable[[str], None]
) -> Group:
    seconds = interleave([Contender(name, call) for name, call in calls.items()], rounds, None, tick)
    rows = tuple(Row(name, times, {"slices/s": number / median(times)}) for name, times in seconds.items())
    return Group(title, rows, (next(iter(calls)),))
