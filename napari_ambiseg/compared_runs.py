"""The runs that can be compared, case by case, and which of them are A and B.  No Qt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from napari_ambiseg.kept_runs import KEPT_OF_A_CASE, Letter
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.runs import Run

KEPT_BYTES = 2**28  # of all runs; the cases looked at longest ago make way


class ComparedRuns:
    """Runs of each case, without their walks, the oldest first; few of each, and not many bytes in all.

    Attributes
    ----------
    chosen : the run of the case that is shown which was chosen as B; None is the newest but A
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Origin, list[Run]] = OrderedDict()
        self._pinned: dict[Origin, Run] = {}
        self.chosen: Run | None = None

    def of(self, origin: Origin | None) -> tuple[Run, ...]:
        """The runs of a case, the oldest first; none of no case."""
        return () if origin is None else tuple(self._kept.get(origin, ()))

    def first(self, origin: Origin | None) -> Run | None:
        """Run A of a case; None where none is pinned."""
        return None if origin is None else self._pinned.get(origin)

    def second(self, origin: Origin | None) -> Run | None:
        """Run B of the case that is shown: the one that was chosen, else the newest but A."""
        first = self.first(origin)
        if self.chosen is not None and self.chosen is not first:
            return self.chosen
        return next((run for run in reversed(self.of(origin)) if run is not first), None)

    def all(self) -> dict[Origin, tuple[tuple[Run, Letter], ...]]:
        """The runs of every case, the oldest first, with the letters that the user gave them."""
        return {origin: tuple((run, self._letter(origin, run)) for run in runs) for origin, runs in self._kept.items()}

    def pin(self, origin: Origin, run: Run) -> None:
        """Take a run of a case as its A."""
        self._pinned[origin] = run

    def add(self, origin: Origin, run: Run) -> Run:
        """Take in a run of the case that is shown; the run as it is kept.  A new one is B unless it is pinned."""
        kept, is_new = self._keep(origin, run)
        if is_new:
            self._drop_oldest(origin)
            self.chosen = None
        return kept

    def recollect(self, origin: Origin, runs: Iterable[tuple[Run, Letter]]) -> None:
        """Take in runs of the case that is shown, the oldest first, with the letters that they had."""
        for run, letter in runs:
            kept, _ = self._keep(origin, run)
            if letter == "A":
                self._pinned[origin] = kept
            elif letter == "B":
                self.chosen = kept
        self._drop_oldest(origin)

    def _keep(self, origin: Origin, run: Run) -> tuple[Run, bool]:
        """The run as it is kept, and whether it was not before."""
        runs = self._kept.setdefault(origin, [])
        self._kept.move_to_end(origin)
        known = next((kept for kept in runs if kept.is_same(run)), None)
        kept = known or replace(run, frames=None)
        if known is None:
            runs.append(kept)
        return kept, known is None

    def _letter(self, origin: Origin, run: Run) -> Letter:
        if run is self._pinned.get(origin):
            return "A"
        return "B" if run is self.chosen else ""

    def _drop_oldest(self, origin: Origin) -> None:
        runs, pinned = self._kept[origin], self._pinned.get(origin)
        while len(runs) > KEPT_OF_A_CASE:
            runs.remove(next(run for run in runs if run is not pinned))
        while len(self._kept) > 1 and sum(run.nbytes for kept in self._kept.values() for run in kept) > KEPT_BYTES:
            gone, _ = self._kept.popitem(last=False)
            self._pinned.pop(gone, None)
