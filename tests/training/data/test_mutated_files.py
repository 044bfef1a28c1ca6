"""Files that were damaged or tampered with, read through the child process: what is not refused is what was written.

The corpus is drawn from seeds, so each number names one file for ever.
"""

import random
import time
from collections import Counter

import h5py
import numpy as np
import pytest

from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.data.reading import open_isolated
from training.errors import DataFormatError
from training.records import AnnotatedSlice

PATIENCE = 2.0  # seconds that one answer may take here, to keep the test short
LONGEST = 10.0  # seconds that any one file may take
MARKS = (b"\x89HDF", b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"OCHK")  # HDF5's own structures begin so
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1]


def our_file(path):
    """With checksums, two splits, spacing and Hounsfield units."""
    cases = []
    for index in range(5):
        case = phantom_case(index, 3, 32).slice
        units = np.rint(case.image * 1400 - 1000).astype(np.int16)
        cases.append(
            AnnotatedSlice(case.image, case.masks, f"patient {index}", f"key {index}", (0.5, 0.7 + index), units)
        )
    write_dataset(path, {"train": cases[:3], "test": cases[3:]}, {"source": "phantom", "window": -600.5, "n": 5})


def foreign_file(path):
    """As other tools write it: no checksums, compressed, texts of any length, a range of [-0.5, 0.5]."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        for name, count in (("train", 6), ("val", 3)):
            group = file.create_group(name)
            options = {"chunks": True, "compression": "gzip", "shuffle": True, "fletcher32": name == "val"}
            group.create_dataset("images", data=(rng.random((count, 16, 16)) - 0.5).astype("f4"), **options)
            group.create_dataset("labels", data=rng.integers(0, 2, (count, 16, 16, 4), np.uint8), **options)
            group["uids"] = np.arange(count) + 10 * (name == "val")
            group.create_dataset("keys", data=[f"{name}-{i}" for i in range(count)], dtype=h5py.string_dtype())


def place(rng, content):
    """Where to damage: half the time near one of HDF5's own structures, where a flaw of the library would show."""
    if rng.random() < 0.5:
        mark = rng.choice(MARKS)
        starts = [i for i in range(len(content)) if content.startswith(mark, i)] if len(content) < 2**17 else []
        if starts:
            return min(rng.choice(starts) + rng.randrange(256), len(content) - 1)
        return rng.randrange(min(len(content), 4096))
    return rng.randrange(len(content))


def flip(rng, content, count=1):
    damaged = bytearray(content)
    for _ in range(count):
        damaged[place(rng, content)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def overwrite(rng, content):
    start = place(rng, content)
    length = rng.choice((1, 2, 4, 8, 8, 16, 64, 512))
    if rng.random() < 0.5 and length <= 8:
        new = (rng.choice(NUMBERS) % 2 ** (8 * length)).to_bytes(length, "little")
    else:
        new = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return (content[:start] + new + content[start + length :])[: len(content)]


def truncate(rng, content):
    return content[: rng.randrange(len(content))]


def swap(rng, content):
    length = rng.choice((8, 64, 512, 4096))
    first, second = sorted(rng.randrange(max(1, len(content) - 2 * length)) for _ in range(2))
    second += length
    a, b = content[first : first + length], content[second : second + length]
    return content[:first] + b + content[first + length : second] + a + content[second + length :]


def copy_over(rng, content):
    length = rng.choice((8, 64, 512))
    source, target = place(rng, content), place(rng, content)
    block = content[source : source + length]
    return content[:target] + block + content[target + len(block) :]


def insert(rng, content):
    start = place(rng, content)
    return content[:start] + rng.randbytes(rng.choice((1, 8, 512))) + content[start:]


def remove(rng, content):
    start = place(rng, content)
    return content[:start] + content[start + rng.choice((1, 8, 512)) :]


MUTATIONS = (
    flip,
    lambda rng, content: flip(rng, content, rng.randrange(2, 33)),
    overwrite,
    overwrite,
    overwrite,
    truncate,
    swap,
    copy_over,
    insert,
    remove,
)


def mutated(seed, content):
    rng = random.Random(seed)  # noqa: S311 - a repeatable corpus, nothing secret
    while (damaged := rng.choice(MUTATIONS)(rng, content)) == content:
        pass  # such as a block that was swapped with its like
    return damaged


def content_of(dataset):
    """Everything that a file says, after every check that there is."""
    dataset.verify()
    said = [dataset.n_experts, sorted(dataset.attributes.items())]
    for name, split in dataset.splits.items():
        whole = split.arrays()
        said += [name, split.keys, split.patients, split.spacings, whole.images.dtype, whole.images.shape]
        said += [whole.images.tobytes(), whole.masks.shape, whole.masks.tobytes()]
        for case in split:
            said += [case.key, case.image.tobytes(), case.masks.tobytes()]
            said += [case.hounsfield.tobytes() if case.hounsfield is not None else None]
    return said


class Survey:
    """What became of each file that was tried, beside a good one that must stay readable all along."""

    def __init__(self, folder, make):
        self.genuine, self.target = folder / "genuine.hdf5", folder / "mutated.hdf5"
        make(self.genuine)
        self.content = self.genuine.read_bytes()
        self.counts = Counter()
        self.wrong = []
        self.slowest = 0.0

    def __enter__(self):
        self.good = open_isolated(self.genuine)
        self.truth = content_of(self.good)
        return self

    def __exit__(self, *reason):
        self.good.close()

    def try_out(self, name, content):
        self.target.write_bytes(content)
        started = time.monotonic()
        try:
            with open_isolated(self.target, timeout=PATIENCE) as dataset:
                same = content_of(dataset) == self.truth
        except DataFormatError as error:
            told = str(error)
            assert told.startswith(str(self.target)) or "slice " in told
            assert "\n" not in told
            self.counts["refused"] += 1
            self.counts["the child died"] += "the reading process ended" in told
            self.counts["the child hung"] += "did not answer" in told
        else:
            self.counts["identical" if same else "different"] += 1
            if not same:
                self.wrong.append(name)
        self.counts["tried"] += 1
        self.slowest = max(self.slowest, time.monotonic() - started)

    def is_the_good_file_still_good(self):
        return content_of(self.good) == self.truth

    def report(self, request):
        """One line in the test run, and the same as properties for a machine."""
        names = ("tried", "refused", "the child died", "the child hung", "identical", "different")
        line = ", ".join(f"{name} {self.counts[name]}" for name in names) + f", slowest {self.slowest:.2f} s"
        request.node.user_properties += [(name, self.counts[name]) for name in names]
        request.config.pluginmanager.get_plugin("terminalreporter").write_line(f"\n{request.node.name}: {line}")


@pytest.fixture
def survey(tmp_path, request):
    def begin(make):
        with Survey(tmp_path, make) as survey:
            yield survey
            survey.report(request)
            assert survey.slowest < LONGEST
            assert survey.is_the_good_file_still_good()

    return begin


def try_mutations(survey, make, seeds):
    for state in survey(make):
        for seed in seeds:
            state.try_out(seed, mutated(seed, state.content))
        assert state.counts["refused"] > len(seeds) / 4  # else the damage would not be worth the name
    return state


SLOW = pytest.mark.slow
SEEDS = [range(130), pytest.param(range(1000, 3000), marks=[SLOW, pytest.mark.timeout(1800)])]
FOREIGN_SEEDS = [range(70), pytest.param(range(1000, 2000), marks=[SLOW, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize("seeds", SEEDS, ids=len)
def test_of_a_mutated_file_with_checksums_nothing_wrong_is_believed(survey, seeds):
    assert try_mutations(survey, our_file, seeds).wrong == []


@pytest.mark.parametrize("seeds", FOREIGN_SEEDS, ids=len)
def test_a_mutated_file_without_checksums_does_no_harm(survey, seeds):
    """What it says may be wrong: nothing in it could tell.  That the program goes on is asserted by `survey`."""
    assert try_mutations(survey, foreign_file, seeds).counts["tried"] == len(seeds)


@pytest.mark.parametrize("seeds", [range(10), pytest.param(range(1000, 1200), marks=SLOW)], ids=len)
def test_a_mutated_file_of_the_published_slices_does_no_harm(survey, shared_data, seeds):
    content = (shared_data / "lidc_published.hdf5").read_bytes()
    assert try_mutations(survey, lambda path: path.write_bytes(content), seeds).counts["tried"] == len(seeds)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_single_flipped_bit_anywhere_is_refused_or_changes_nothing(survey):
    rng = random.Random(2026)  # noqa: S311
    for state in survey(our_file):
        for bit in rng.sample(range(8 * len(state.content)), 1000):
            damaged = bytearray(state.content)
            damaged[bit // 8] ^= 1 << bit % 8
            state.try_out(bit, bytes(damaged))
    assert state.wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("make", [our_file, foreign_file])
def test_a_file_cut_off_at_any_percent_is_refused(survey, make):
    for state in survey(make):
        for percent in range(100):
            state.try_out(percent, state.content[: len(state.content) * percent // 100])
    assert state.counts["refused"] == state.counts["tried"] == 100
