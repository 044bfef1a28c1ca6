"""The bench of training steps at a tiny size."""

import importlib.util
import json
import math

import pytest
import torch

from training.bench import trainers
from training.bench.entrants import ENTRANTS
from training.bench.fresh import fresh_denoiser
from training.bench.peers import NEEDS
from training.bench.trainers import LOSS_ERROR, Training
from training.bench.training_step import MAX_STEPS, STEPS_TOGETHER, bench_training
from training.config import AugmentConfig
from training.errors import ConfigError

CPU = torch.device("cpu")
HERE = {name for name, needs in NEEDS.items() if all(importlib.util.find_spec(module) for module in needs)}


def test_every_contender_that_can_run_has_a_row(small):
    outcome = bench_training(small, CPU, rounds=2, slices=4)
    rows = {row.name: row for row in outcome.groups[0].rows}
    assert [*rows] == [name for name, (owner, _) in ENTRANTS.items() if owner in {"ours", "plain", *HERE}]
    assert rows["ours-fp32"].facts[LOSS_ERROR] < 1e-5
    assert 0 < rows["ours-bf16"].facts[LOSS_ERROR] < 2e-2
    assert all(rows[name].facts[LOSS_ERROR] is None for name in rows if ENTRANTS[name][0] in HERE)
    assert [gate.holds for gate in outcome.gates] == [True, True]
    json.dumps(outcome.facts(), allow_nan=False)


def test_a_step_is_forward_and_backward(small):
    outcome = bench_training(small, CPU, rounds=1, slices=4, only=["ours-fp32"])
    training = Training(small, fresh_denoiser(small), 1, CPU, 4)
    one = torch.zeros(1, 1, 32, 32)
    from training.bench.roofline import count_gflop

    with torch.no_grad():
        forward = count_gflop(lambda: training._denoiser(one, torch.zeros(1), one))
    # The stem needs no gradient for its input.
    assert 2.8 * forward < outcome.groups[0].rows[0].facts["GFLOP/image"] < 3 * forward


def test_each_call_trains_for_as_many_steps_as_were_asked_for(small):
    training = Training(small, fresh_denoiser(small), 3, CPU, 4)
    for entrant in (training.own_entrant("fp32"), training.plain_entrant()):
        calls = []
        hook = entrant.network.backbone.register_forward_pre_hook(lambda _, inputs, calls=calls: calls.append(inputs))
        before = entrant.network.backbone.stem.weight.clone()
        entrant.call()
        hook.remove()
        assert [len(inputs[0]) for inputs in calls] == [4, 4, 4]
        assert (entrant.network.backbone.stem.weight != before).any()
    assert training.images == 12


def test_what_our_batches_cost_lies_within_the_call_that_uses_them(small):
    training = Training(small, fresh_denoiser(small), 3, CPU, 4)
    ahead, told = training._batches.ahead, []

    def watched(steps):
        told.append(("opened", steps))
        try:
            yield from ahead(steps)
        finally:
            told.append(("closed", steps))

    kept = []  # so that nothing is closed for want of a reader
    training._batches.ahead = lambda steps: kept.append(watched(steps)) or kept[-1]
    entrant = training.own_entrant("fp32")
    entrant.call()
    entrant.call()
    # Four steps come before, so that one is captured on a GPU; the first call warms up.
    expected = [range(4, 7), range(7, 10), range(10, 13)]
    assert told == [(what, steps) for steps in expected for what in ("opened", "closed")]


def test_a_call_that_breaks_leaves_nobody_making_batches(small, monkeypatch):
    training = Training(small, fresh_denoiser(small), 3, CPU, 4)
    entrant, closed = training.own_entrant("fp32"), []

    def watched(steps):
        try:
            yield from [None] * len(steps)
        finally:
            closed.append(steps)

    kept = []
    training._batches.ahead = lambda steps: kept.append(watched(steps)) or kept[-1]
    with pytest.raises(AttributeError):
        entrant.call()
    assert closed == [range(7, 10)]


def test_a_gpu_takes_many_steps_together_where_nobody_says_how_many(small):
    assert STEPS_TOGETHER == {"cpu": 1, "cuda": 50}
    outcome = bench_training(small, CPU, rounds=1, slices=4, only=["plain-fp32"])
    assert outcome.settings["steps timed together"] == 1


def test_a_bench_can_outlast_the_run_that_its_preset_describes(small):
    short = small.model_copy(update={"fit": small.fit.model_copy(update={"steps": 2})})
    outcome = bench_training(short, CPU, steps=3, rounds=2, slices=4, only=["ours-fp32"])
    assert min(outcome.groups[0].rows[0].seconds) > 1e-3


def test_what_the_plain_loop_lacks_is_left_out(small):
    fit = small.fit.model_copy(update={"augment": AugmentConfig(dihedral=True, probability=1.0), "ema_decay": 0.9})
    diffusion = small.diffusion.model_copy(update={"self_conditioning": True, "image_dropout": 0.5})
    outcome = bench_training(
        small.model_copy(update={"fit": fit, "diffusion": diffusion}), CPU, rounds=1, slices=4, only=["ours-fp32"]
    )
    assert outcome.holds


def test_an_engine_that_learns_something_else_fails_the_gate(small, monkeypatch):
    step = trainers.TrainingStep
    monkeypatch.setattr(
        trainers, "TrainingStep", lambda network, objective, *rest: step(network, _twice(objective), *rest)
    )
    outcome = bench_training(small, CPU, rounds=1, slices=4, only=["ours-fp32"])
    assert not outcome.holds
    assert math.isclose(outcome.gates[0].value, 1, rel_tol=0.2)


def _twice(objective):
    return lambda *arguments: 2 * objective(*arguments)


@pytest.mark.parametrize("steps", [0, MAX_STEPS + 1])
def test_impossible_steps_are_refused(small, steps):
    with pytest.raises(ConfigError, match=f"got {steps}"):
        bench_training(small, CPU, steps=steps)


def test_an_unknown_contender_is_refused(small):
    with pytest.raises(ConfigError, match="unknown contender 'mine'"):
        bench_training(small, CPU, only=["mine"])


@pytest.mark.cuda
def test_on_a_gpu_everybody_trains(small):
    outcome = bench_training(small, torch.device("cuda:0"), steps=20, rounds=2, slices=8)
    assert all(row.facts["GPU MiB"] > 0 for row in outcome.groups[0].rows)
    assert outcome.holds
