"""Scores: when the network is validated, what is remembered of it, and which model is kept."""

import json
import math

import pytest
import torch

from training.build import build_denoiser, build_objective
from training.checkpoint import load_weights
from training.fit.log import RunLog
from training.fit.scoring import Scores
from training.fit.step import TrainingStep
from training.model_card import ModelCard
from training.processes import Processes

from .tiny_runs import quick

CONFIG = quick("fit.validate_every=4", "fit.ema_decay=0.9")


class Found:
    """A validation that finds what it is told: the sum of the GED over 4 cases, or None where it was stopped."""

    def __init__(self, *totals):
        self._totals = iter(totals)

    def score(self, denoiser, should_stop):
        total = next(self._totals)
        return None if total is None else (total, 4)


def scores_of(folder, *totals, config=CONFIG):
    return Scores(Found(*totals), config.fit, folder, RunLog(folder), Processes())


def card(step):
    return ModelCard(name="run", config=CONFIG, parameters=1, step=step, sha256="")


@pytest.fixture(scope="module")
def trained():
    return TrainingStep(build_denoiser(CONFIG), build_objective(CONFIG), CONFIG.fit)


def best(folder):
    return load_weights(folder / "checkpoints" / "best.safetensors")


def test_it_is_due_every_so_many_steps_and_at_the_end(tmp_path):
    due = [done for done in range(1, 31) if scores_of(tmp_path).is_due(done)]
    assert due == [4, 8, 12, 16, 20, 24, 28, 30]
    never = Scores(None, CONFIG.fit, tmp_path, RunLog(tmp_path), Processes())
    assert not any(never.is_due(done) for done in range(1, 31))
    assert never.last_ged is None


def test_once_done_it_is_not_due_again(tmp_path, trained):
    scores = scores_of(tmp_path, 1.0)
    assert scores.take(trained, card(4))
    assert not scores.is_due(4)
    assert scores.is_due(8)


def test_checkpoints_know_the_marks_by_these_names(tmp_path):
    """Those of runs that are under way have them."""
    marks = scores_of(tmp_path).marks
    assert {name: tensor.dtype for name, tensor in marks.items()} == dict.fromkeys(
        ("best_ged", "last_ged", "validated"), torch.float64
    )
    assert math.isnan(marks["best_ged"])
    assert math.isnan(marks["last_ged"])
    assert marks["validated"] == 0


def test_the_lowest_score_is_remembered_and_its_model_kept(tmp_path, trained):
    scores = scores_of(tmp_path, 2.0, 1.0, 3.0, -0.5)
    kept = []
    for step in (4, 8, 12, 16):
        assert scores.take(trained, card(step))
        kept.append((scores.last_ged, float(scores.marks["best_ged"]), best(tmp_path)[1].step))
    assert kept == [(0.5, 0.5, 4), (0.25, 0.25, 8), (0.75, 0.25, 8), (-0.125, -0.125, 16)]
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(entry["step"], entry["validation_ged_u"]) for entry in logged] == [
        (4, 0.5),
        (8, 0.25),
        (12, 0.75),
        (16, -0.125),
    ]


def test_marks_that_are_filled_in_place_are_gone_on_from(tmp_path, trained):
    """As loading a checkpoint does."""
    scores = scores_of(tmp_path, 2.0)
    for name, value in {"best_ged": 0.25, "last_ged": 0.75, "validated": 8}.items():
        scores.marks[name].fill_(value)
    assert scores.last_ged == 0.75
    assert not scores.is_due(8)
    scores.take(trained, card(12))
    assert scores.last_ged == 0.5
    assert not (tmp_path / "checkpoints").exists()


def test_a_validation_that_was_stopped_leaves_nothing(tmp_path, trained):
    scores = scores_of(tmp_path, 2.0, None)
    scores.take(trained, card(4))
    before, log = {name: float(mark) for name, mark in scores.marks.items()}, (tmp_path / "log.jsonl").read_bytes()
    assert not scores.take(trained, card(8))
    assert {name: float(mark) for name, mark in scores.marks.items()} == before
    assert (tmp_path / "log.jsonl").read_bytes() == log
    assert best(tmp_path)[1].step == 4
    assert scores.is_due(8)


def test_the_kept_model_is_the_average(tmp_path):
    step = TrainingStep(build_denoiser(CONFIG), build_objective(CONFIG), CONFIG.fit)
    for average in step.ema.values():
        average.add_(1)
    own = {name: tensor.clone() for name, tensor in step.denoiser.state_dict().items()}
    scores_of(tmp_path, 1.0).take(step, card(4))
    tensors, _ = best(tmp_path)
    assert tensors.keys() == {f"model.{name}" for name in own}
    for name, weight in own.items():
        assert torch.equal(tensors[f"model.{name}"], weight + 1)
        assert torch.equal(step.denoiser.state_dict()[name], weight)
