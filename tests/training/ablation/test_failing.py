"""What fails in an ablation: a cell, or all of it, and what is told."""

from __future__ import annotations

import errno
import math

import pytest

from training.ablation import run as ablation_run
from training.ablation.record import CellState, Record
from training.ablation.results import read_results
from training.ablation.run import ablate
from training.diffusion.objective import Objective
from training.errors import ConfigError, DeviceError, DeviceLostError

from .conftest import GRID
from .small_runs import files, run


def test_a_failed_training_fails_its_cells_and_no_other_and_is_tried_again(whole, small, tmp_path, monkeypatch):
    ablation, out, trained = small(), tmp_path / "out", []
    reason = "the loss or its gradient was not finite in the 4 steps up to step 9"
    original = ablation_run.train_run

    def failing(config, *arguments, **options):
        trained.append(config.diffusion.prediction)
        if config.diffusion.prediction == "x":
            raise ConfigError(reason)
        return (yield from original(config, *arguments, **options))

    with monkeypatch.context() as patch:
        patch.setattr(ablation_run, "train_run", failing)
        _, outcome = run(ablation, out)
    assert trained == ["x", "v"]  # not once for each cell
    assert (outcome.count("failed"), outcome.count("done"), outcome.was_stopped) == (2, 2, False)
    (grid,) = read_results(out)
    assert [(cell.state, cell.reason) for cell in grid.cells] == [("failed", reason)] * 2 + [("done", "")] * 2
    _, outcome = run(ablation, out)
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


def test_a_failure_that_a_later_process_means_to_try_again_is_still_one_here(small, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise ConfigError("no")
        yield

    monkeypatch.setattr(ablation_run, "train_run", failing)
    ablation, out = small(), tmp_path / "out"
    work = ablate(ablation, out, device="cpu")
    assert next(work).state == "failed"
    Record(out, ablation).write({ablation.cells[0].id: CellState("missing", "not done yet")})
    try:
        while True:
            next(work)
    except StopIteration as end:
        outcome = end.value
    assert (outcome.count("failed"), outcome.was_stopped) == (4, False)


def test_a_loss_that_is_not_finite_is_a_failed_cell_with_its_reason(small, tmp_path, monkeypatch):
    original = Objective.__call__

    def overflowing(self, *arguments, **options):
        return original(self, *arguments, **options) * math.inf

    monkeypatch.setattr(Objective, "__call__", overflowing)
    _, outcome = run(small(), tmp_path / "out", part=(0, 2))
    reasons = {state.reason for state in outcome.states.values()}
    assert (outcome.count("failed"), len(reasons)) == (2, 1)
    assert "the loss or its gradient was not finite" in reasons.pop()


def test_a_failed_scoring_fails_its_cell_alone(small, tmp_path):
    text = GRID.replace('label = "v"', 'label = "v", score.checkpoint = "best"')
    _, outcome = run(small(text), tmp_path / "out")
    states = list(outcome.states.values())
    assert [state.state for state in states] == ["done", "done", "failed", "failed"]
    assert "no best checkpoint" in states[-1].reason


def test_a_lost_device_ends_the_work_and_leaves_the_cells_to_be_done(small, tmp_path, monkeypatch):
    def lost(*_, **__):
        raise DeviceLostError("cuda:0 gave up")
        yield

    monkeypatch.setattr(ablation_run, "train_run", lost)
    with pytest.raises(DeviceLostError):
        run(small(), tmp_path / "out")
    (grid,) = read_results(tmp_path / "out")
    assert {cell.state for cell in grid.cells} == {"missing"}


def test_a_full_disk_ends_the_work(small, tmp_path, monkeypatch):
    def full(*_, **__):
        raise ConfigError("cannot write") from OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(ablation_run, "train_run", full)
    with pytest.raises(ConfigError, match="cannot write"):
        run(small(), tmp_path / "out")


def test_a_device_that_is_not_there_is_told_before_anything_is_written(small, tmp_path):
    with pytest.raises(DeviceError, match="cuda:99"):
        list(ablate(small(), tmp_path / "out", device="cuda:99"))
    assert not (tmp_path / "out").exists()


def test_it_is_not_for_torchrun(small, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one device"):
        list(ablate(small(), tmp_path / "out", device="cpu"))
