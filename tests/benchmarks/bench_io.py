"""How fast slices come from disk, beside the way the field stores them: gzip-compressed float64, slice by slice.

    python tests/benchmarks/bench_io.py lidc_train_*.hdf5 [--pictures LIDC-IDRI-slices] [--rounds 5]

Writes the train splits of the given files, or phantoms where none is given, once in the project's form and once as
gzip float64 with the same labels; reads both in turns, and prints medians, their ratio, and the largest difference.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from training.data.forms.interface import Tally
from training.data.forms.sniffing import open_form
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.data.prepare import Plan, prepare
from training.records import AnnotatedSlice

RANDOM_READS = 4000


def slices_of(files: list[Path], phantoms: int) -> Iterator[AnnotatedSlice]:
    """The train slices of real files, or synthetic ones."""
    if not files:
        yield from (phantom_case(index, seed=0).slice for index in range(phantoms))
    for path in files:
        with open_dataset(path) as dataset:
            yield from dataset.splits["train"]


def write_peer(path: Path, cases: Iterator[AnnotatedSlice], n: int) -> None:
    """Float64 images and uint8 labels, gzip at h5py's default level, one slice to a chunk."""
    first = next(cases)
    (h, w), k = first.image.shape, first.n_experts
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (n, h, w), "f8", chunks=(1, h, w), compression="gzip")
        labels = file.create_dataset("labels", (n, h, w, k), "u1", chunks=(1, h, w, k), compression="gzip")
        for index, case in enumerate(itertools.chain([first], cases)):
            images[index] = case.image
            labels[index] = np.moveaxis(case.masks, 0, -1)


def read_peer(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Slice by slice into memory."""
    with h5py.File(path, "r") as file:
        images, labels = file["images"], file["labels"]
        pairs = [(images[index], labels[index]) for index in range(len(images))]
    return np.stack([image for image, _ in pairs]), np.stack([label for _, label in pairs])


def read_ours(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The whole split, its checksums compared."""
    with open_dataset(path) as dataset:
        arrays = dataset.splits["train"].arrays()
    return arrays.images, arrays.masks


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call; what it returns is let go of outside of it."""
    begin = time.perf_counter()
    result = call()
    took = time.perf_counter() - begin
    del result
    return took


def random_reads(path: Path) -> float:
    """Single slices in random order, checked records with float32 images, per second."""
    with open_dataset(path) as dataset:
        split = dataset.splits["train"]
        order = np.random.default_rng(0).integers(len(split), size=RANDOM_READS).tolist()
        return RANDOM_READS / seconds(lambda: deque((split[index] for index in order), maxlen=0))


def random_rows(path: Path) -> float:
    """The images and labels of single slices as they are stored, as the peer gives them."""
    with open_dataset(path) as dataset:
        split = dataset.splits["train"]
        order = np.random.default_rng(0).integers(len(split), size=RANDOM_READS).tolist()
        rows = ((split.images.read(i, i + 1), split.labels.read(i, i + 1)) for i in order)
        return RANDOM_READS / seconds(lambda: deque(rows, maxlen=0))


def random_peer(path: Path) -> float:
    """The same from the peer's file."""
    with h5py.File(path, "r") as file:
        images, labels = file["images"], file["labels"]
        order = np.random.default_rng(0).integers(len(images), size=RANDOM_READS).tolist()
        return RANDOM_READS / seconds(lambda: deque(((images[i], labels[i]) for i in order), maxlen=0))


def conversion(source: Path, folder: Path) -> tuple[float, int]:
    """Slices per second of `prepare`, and how many there are."""
    report = {}
    took = seconds(lambda: report.update(prepare(source, folder / "made.hdf5", Plan(), lambda _: None).facts))
    return int(str(report["slices"])) / took, int(str(report["slices"]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--phantoms", type=int, default=2000, help="how many synthetic slices, where no file is given")
    parser.add_argument("--pictures", type=Path, help="a folder of pictures to convert")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ours, peer = Path(name) / "ours.hdf5", Path(name) / "peer.hdf5"
        # Phantoms are 8-bit too.
        is_eight_bit = all(open_form(path).image_type == "uint8" for path in asked.files)
        write_dataset(
            ours,
            {"train": slices_of(asked.files, asked.phantoms)},
            {},
            image_type="uint8" if is_eight_bit else "float32",
        )
        with open_dataset(ours) as dataset:
            count = len(dataset.splits["train"])
        write_peer(peer, slices_of(asked.files, asked.phantoms), count)
        (images, masks), (peer_images, peer_labels) = read_ours(ours), read_peer(peer)  # also warms the system's cache
        white = 255 if images.dtype == np.uint8 else 1
        print(f"{count} slices; ours {ours.stat().st_size / 1e6:.0f} MB, peer {peer.stat().st_size / 1e6:.0f} MB")
        print("largest difference of intensity", float(np.abs(images / np.float64(white) - peer_images).max()))
        print("different mask pixels", int((np.moveaxis(masks, 1, -1) != peer_labels).sum()))
        del images, masks, peer_images, peer_labels
        times = [(seconds(lambda: read_ours(ours)), seconds(lambda: read_peer(peer))) for _ in range(asked.rounds)]
        mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"load all: ours {mine:.3f} s, gzip float64 {theirs:.3f} s, ratio {theirs / mine:.1f}")
        rates = [(random_reads(ours), random_rows(ours), random_peer(peer)) for _ in range(asked.rounds)]
        records, rows, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"random slices, as stored: ours {rows:.0f}/s, gzip float64 {theirs:.0f}/s, ratio {rows / theirs:.1f}")
        print(f"random slices, as checked records: ours {records:.0f}/s, ratio {records / theirs:.1f}")
        if asked.pictures:
            made = [conversion(asked.pictures, Path(name)) for _ in range(asked.rounds)]
            rate = statistics.median(rate for rate, _ in made)
            print(f"prepare {asked.pictures.name}: {made[0][1]} slices at {rate:.0f}/s")
            read = [seconds(lambda: list(open_form(asked.pictures).read(Tally()))) for _ in range(asked.rounds)]
            print(f"  of which reading the pictures takes {statistics.median(read):.2f} s")


if __name__ == "__main__":
    main()
