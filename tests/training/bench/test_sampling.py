"""The bench of drawing masks at a tiny size: everybody runs, and the masks are right."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from training.bench import drawers, sampling
from training.bench.drawers import FLIPS, Task
from training.bench.entrants import ENTRANTS, entrants_asked_for
from training.bench.fresh import fresh_denoiser
from training.bench.peers import NEEDS
from training.bench.sampling import bench_sampling
from training.data.phantom import phantom_case
from training.errors import CheckpointError, ConfigError

CPU = torch.device("cpu")
HERE = {name for name, needs in NEEDS.items() if all(importlib.util.find_spec(module) for module in needs)}


def test_every_contender_that_can_run_has_a_row(small):
    told = []
    outcome = bench_sampling(small, CPU, trained=None, samples=3, steps=2, rounds=2, tick=told.append)
    contenders, products = outcome.groups
    expected = [name for name, (owner, _) in ENTRANTS.items() if owner in {"ours", "plain", *HERE}]
    assert [row.name for row in contenders.rows] == expected
    assert [row.name for row in products.rows] == ["product-fp32", "product-bf16"]
    assert told == [row.name for row in (*products.rows, *contenders.rows)] * 2
    assert all(len(row.seconds) == 2 and min(row.seconds) > 0 for row in contenders.rows)
    assert {note.split(":")[0] for note in outcome.notes if "random weights" not in note} == set(NEEDS) - HERE
    json.dumps(outcome.facts(), allow_nan=False)


def test_our_masks_are_those_of_the_plain_loop(small):
    outcome = bench_sampling(
        small, CPU, trained=None, samples=5, steps=3, rounds=1, only=["ours-fp32", "plain-fp32", "ours-bf16"]
    )
    rows = {row.name: row.facts for row in outcome.groups[0].rows}
    assert rows["ours-fp32"][FLIPS] <= 1e6 / (5 * 32 * 32)  # one pixel
    assert rows["ours-fp32"]["max |dx0|"] < 1e-4
    assert 1e-5 < rows["ours-bf16"]["max |dx0|"] < 1  # so it did run in bfloat16
    assert rows["plain-fp32"][FLIPS] == rows["plain-fp32"]["max |dx0|"] == 0
    assert rows["ours-fp32"]["GFLOP/image"] == rows["plain-fp32"]["GFLOP/image"] > 0
    assert [gate.name for gate in outcome.gates] == [f"ours-fp32, random weights: {FLIPS}"]
    assert outcome.holds


def test_a_trained_model_is_compared_in_both_precisions(small, monkeypatch):
    monkeypatch.setattr(sampling, "TRAINED_CASES", 1)
    outcome = bench_sampling(small, CPU, trained="demo", samples=2, steps=3, rounds=1, only=["ours-fp32", "ours-bf16"])
    gates = {gate.name: gate for gate in outcome.gates}
    assert gates[f"ours-fp32, demo on 1 slices: {FLIPS}"].limit == pytest.approx(1e6 / (2 * 128**2))
    assert gates[f"ours-bf16, demo on 1 slices: {FLIPS}"].limit == 500
    assert outcome.holds


def test_a_reference_that_differs_fails_the_gate(small, monkeypatch):
    plain = drawers.plain_sampling
    monkeypatch.setattr(drawers, "plain_sampling", lambda *arguments: -plain(*arguments))
    outcome = bench_sampling(small, CPU, trained=None, samples=2, steps=2, rounds=1, only=["ours-fp32"])
    assert not outcome.holds


def test_a_trained_model_can_be_timed_itself():
    from training.model_card import find_weights, read_card

    config = read_card(find_weights("demo").with_suffix(".json")).config
    outcome = bench_sampling(config, CPU, model="demo", samples=1, steps=2, rounds=1, only=["ours-fp32", "plain-fp32"])
    assert outcome.settings["network"] == "demo"
    assert [gate.name for gate in outcome.gates] == [f"ours-fp32, demo: {FLIPS}"]
    assert outcome.holds
    assert [note.split(":")[0] for note in outcome.notes] == list(NEEDS)  # none folds pixels as demo does


def test_the_plain_loop_starts_from_our_noise_and_walks_our_grid(small):
    task = Task(fresh_denoiser(small), phantom_case(0, 0, 32).slice.image, 2, 4, CPU)
    states = [*task.segmenter("fp32").walk(task.picture, 2, 0)]
    assert task.times == [state.t for state in states]
    assert np.array_equal(task.noise[:, 0].numpy(), states[0].x_t)


def test_a_bench_leaves_the_network_that_it_is_given_alone(small):
    denoiser = fresh_denoiser(small)
    Task(denoiser, phantom_case(0, 0, 32).slice.image, 1, 2, CPU).own_entrant("bf16")
    assert denoiser.backbone.stem.weight.is_contiguous()
    assert denoiser.backbone.stem.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["ours", "plain-bf16", "monai", "ours-fp16"])
def test_an_unknown_contender_is_refused(small, name):
    with pytest.raises(ConfigError, match=f"unknown contender '{name}'; choose from: ours-fp32, ours-bf16, plain-fp32"):
        bench_sampling(small, CPU, only=[name])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"rounds": 0}, "at least 1 round"), ({"samples": 0}, "got 0"), ({"steps": 0}, "at least 1 step")],
)
def test_impossible_numbers_are_refused(small, wrong, says):
    with pytest.raises(ConfigError, match=says):
        bench_sampling(small, CPU, trained=None, **({"samples": 1, "steps": 1, "rounds": 1} | wrong))


def test_a_model_that_is_not_there_is_refused(small):
    with pytest.raises(CheckpointError, match="no model 'nonsense'"):
        bench_sampling(small, CPU, model="nonsense", samples=1, steps=1, rounds=1)


def test_a_peer_that_is_not_installed_is_told_with_the_remedy(small, monkeypatch):
    monkeypatch.setitem(NEEDS, "monai", ("torch", "no_such_module"))
    asked, notes = entrants_asked_for([], small)
    assert "monai" not in asked
    assert 'monai: no_such_module not installed (pip install "napari-ambiseg[bench]")' in notes
    with pytest.raises(ConfigError, match="monai-bf16: no_such_module not installed"):
        entrants_asked_for(["monai-bf16"], small)


def test_peers_cannot_stand_beside_a_network_that_folds_pixels(small):
    folded = small.model_copy(update={"network": small.network.model_copy(update={"patch": 2})})
    for name in HERE:
        with pytest.raises(ConfigError, match=r"network.patch = 2"):
            entrants_asked_for([f"{name}-fp32"], folded)


@pytest.mark.cuda
def test_on_a_gpu_the_memory_of_each_is_told_and_masks_hold(small):
    outcome = bench_sampling(small, torch.device("cuda:0"), trained=None, samples=4, steps=3, rounds=2, peak_tflops=1.0)
    assert all(row.facts["GPU MiB"] > 0 for row in outcome.groups[0].rows)
    assert outcome.groups[0].row("ours-bf16").facts["% of peak"] > 0
    assert outcome.holds
