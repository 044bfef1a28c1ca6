"""A million slices evaluated in one go: is memory flat, and how many slices go through in a second?

    python tests/benchmarks/million_slices.py --cases 1000000
    torchrun --nproc-per-node 2 tests/benchmarks/million_slices.py --cases 1000000 --into FOLDER

Slices are a pool of phantoms under ever new keys, made when they are asked for; masks come from a bank of other
experts of the same phantom, so that drawing costs nothing and every score has something to measure.  All else is what
`ambiseg evaluate` does: n = 4 and 16, raw and post-processed, every score, journals, and the merge into table and
summary.  What was interrupted goes on, if the folder is given.

"peak" is the most that this process ever held; that of the merge includes the bootstrap.  The summary holds sums for
each patient (about 1 kB), all taken before the first slice is scored.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import psutil

from training.data.phantom import PhantomCase, phantom_case
from training.evaluation.cases import IndexedCase, Plan, ScoredBlock, score_block
from training.evaluation.journal import Journals
from training.evaluation.outcome import Files, publish
from training.evaluation.request import Request
from training.evaluation.run import ONE_DAY
from training.evaluation.summary import Summary
from training.evaluation.work import Work
from training.machine import versions
from training.processes import joined_processes
from training.records import AnnotatedSlice, FloatArray, SampleSet

POOL, BANK, SLICES_PER_PHANTOM_PATIENT = 64, 64, 4
SHARES = (0.01, 0.1, 0.5, 1.0)


class ManySlices:
    """As many slices as one asks for, of a few phantoms."""

    def __init__(self, pool: list[PhantomCase], cases: int, per_patient: int) -> None:
        self._pool = [case.slice for case in pool]
        names = [f"patient-{number:07d}" for number in range(-(-cases // per_patient))]
        self.patients = [names[index // per_patient] for index in range(cases)]

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, index: int) -> AnnotatedSlice:
        phantom = self._pool[index % len(self._pool)]
        return replace(phantom, key=f"{index % len(self._pool)}-{index}", patient=self.patients[index])


class OtherExperts:
    """Draws masks of other experts of the same phantom, from a bank of them."""

    name = "other-experts"
    provenance = MappingProxyType({"model": name})

    def __init__(self, pool: list[PhantomCase], number: int | None = None) -> None:
        self._banks = [case.draw_experts(BANK, seed=1) for case in pool]
        self._number = number

    def given(self, case: AnnotatedSlice) -> OtherExperts:
        known = OtherExperts([], int(case.key.split("-")[0]))
        known._banks = self._banks
        return known

    def draw(self, image: FloatArray, n: int, seed: int) -> SampleSet:
        chosen = np.random.default_rng(seed).integers(BANK, size=n)
        return SampleSet(self._banks[self._number][chosen], seed, self.provenance)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--per-patient", type=int, default=4, help="slices of a patient")
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--into", type=Path, help="where the files stay; a temporary folder if left out")
    arguments = parser.parse_args()

    pool = [phantom_case(SLICES_PER_PHANTOM_PATIENT * index, seed=20, size=arguments.size) for index in range(POOL)]
    segmenter, plan = OtherExperts(pool), Plan((4, 16), (0.5,), seed=0)
    slices = ManySlices(pool, arguments.cases, arguments.per_patient)
    request = Request(
        segmenter=segmenter.name, data=f"{POOL} phantoms of {arguments.size} pixels", data_sha256="", split="test",
        cases=arguments.cases, crop=None, sampling=dict(segmenter.provenance), plan=plan, made_with=versions(),
        git_commit=None,
    )  # fmt: skip
    with ExitStack() as held:
        folder = arguments.into or Path(held.enter_context(TemporaryDirectory()))
        files = Files(folder / "scores.json")
        processes = held.enter_context(joined_processes("cpu", ONE_DAY))
        files.parts.mkdir(parents=True, exist_ok=True)

        def tell(line: str) -> None:
            if processes.is_first:
                print(line, flush=True)

        def score(cases: Sequence[IndexedCase]) -> ScoredBlock:
            return score_block(segmenter, cases, plan)

        patients = len(set(slices.patients))
        tell(f"{arguments.cases:,} slices of {patients:,} patients, {processes.count} process(es)")
        tell("          RSS     peak  slices a second")
        summary = Summary(plan, slices.patients, len(pool[0].slice.masks))
        journals = watched(Work(request, files.parts, slices, score, processes, lambda: False, tell), len(slices), tell)
        if not processes.is_first:
            return
        journaled = sum(path.stat().st_size for path in files.parts.iterdir())
        begin = time.perf_counter()
        content = publish(files, request, summary, journals, {}, keep=True)
        seconds = time.perf_counter() - begin
        tell(f"merge  {memory()}  {arguments.cases / seconds:.0f}, in {seconds:.1f} s")
        written = files.summary.stat().st_size, files.table.stat().st_size
        tell("journals {:.1f} MB, summary {:.3f} MB, table {:.1f} MB".format(*(x / 1e6 for x in (journaled, *written))))
        for name in ("ged_u", "ncc"):
            tell(f"n = 16, raw, {name}: {content['scores']['16']['raw'][name]}")


def watched(work: Work, cases: int, tell: Callable[[str], None]) -> Journals:
    """All cases scored, with a line now and then."""
    marks, begin, before = list(SHARES), time.perf_counter(), None
    walk = work.all_cases()
    while True:
        try:
            progress = next(walk)
        except StopIteration as end:
            return end.value
        if before is None:
            before, begin = progress.done, time.perf_counter()
        while marks and progress.done >= marks[0] * cases:
            rate = (progress.done - before) / (time.perf_counter() - begin)
            tell(f"{marks.pop(0):5.0%}  {memory()}  {rate:.0f}")


def memory() -> str:
    """Resident memory now, and the most that it ever was, in MiB."""
    now = psutil.Process().memory_info().rss / 2**20
    return f"{now:7.1f}  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:7.1f}"


if __name__ == "__main__":
    main()
