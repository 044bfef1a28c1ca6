"""Runs of small ablations, and what they leave."""

from __future__ import annotations

from training.ablation.results import read_results
from training.ablation.run import Finished, Working, ablate


def run(ablation, out, **options):
    """All events and the outcome."""
    events, work = [], ablate(ablation, out, device="cpu", **options)
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, end.value


def finished(events):
    return [event for event in events if isinstance(event, Finished)]


def trained_steps(events):
    return [event.done for event in events if isinstance(event, Working) and event.doing == "training"]


def files(out):
    """The scores of all cells, by cell, without the names of folders."""
    return {
        cell.scores_path.name: (cell.scores["scores"], cell.scores_path.with_suffix(".csv").read_bytes())
        for grid in read_results(out)
        for cell in grid.cells
    }
