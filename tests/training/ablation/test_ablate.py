"""An ablation does all of its cells, each training once, and says what it was done on."""

from __future__ import annotations

import json

import pytest
import safetensors

from training.ablation.grid import load_grid
from training.ablation.plan import plan_ablation
from training.ablation.record import RECORD, Record
from training.ablation.results import read_results
from training.ablation.scale import load_scale
from training.errors import ConfigError
from training.model_card import checkpoints, read_card

from .conftest import GRID
from .small_runs import files, finished, run, trained_steps


def test_all_cells_are_scored_and_cells_share_their_training(whole):
    ablation, out, events, outcome = whole
    assert [event.state for event in finished(events)] == ["done"] * 4
    assert (outcome.count("done"), outcome.was_stopped) == (4, False)
    assert trained_steps(events) == [2, 4, 6, 8, 10] * 2  # two trainings for four cells
    assert {path.name for path in (out / "runs").iterdir()} == {run.name for run in ablation.runs}
    (grid,) = read_results(out)
    for cell in grid.cells:
        assert cell.scores["sampling"]["sampler"] == cell.labels["sampler"]
        assert (cell.scores["cases"], cell.scores["samples"], cell.scores["split"]) == (3, [2], "val")
        assert cell.cost["masks"] == 6
        assert (
            read_card(checkpoints(cell.run)[-1].with_suffix(".json")).config.diffusion.prediction
            == (cell.labels["prediction"])
        )


def test_scores_are_those_of_the_last_checkpoint(whole):
    _, out, _, _ = whole
    (grid,) = read_results(out)
    for cell in grid.cells:
        card = read_card(checkpoints(cell.run)[-1].with_suffix(".json"))
        assert (card.step, card.sha256) == (10, cell.scores["sampling"]["model_sha256"])


def test_a_complete_training_keeps_its_last_weights_alone(whole):
    ablation, out, _, _ = whole
    for one in ablation.runs:
        (kept,) = checkpoints(out / "runs" / one.name)
        with safetensors.safe_open(kept, "pt") as file:
            assert {name.partition(".")[0] for name in file.keys()} == {"model"}  # noqa: SIM118


def test_the_record_says_what_was_done_on_what(whole, phantom):
    ablation, out, _, _ = whole
    found = json.loads((out / "small" / RECORD).read_text())
    assert found["data"]["scored"]["sha256"] == ablation.data.scored.sha256
    assert found["data"]["training"] == [{"path": str(phantom), "sha256": ablation.data.scored.sha256}]
    assert found["seeds"] == {"training": [0], "noise": [0], "crop": [0]}
    assert (found["scale"]["name"], found["notice"], found["split"]) == ("full", "", "val")
    assert [cell["state"] for cell in found["cells"]] == ["done"] * 4


def test_the_same_command_again_does_nothing(whole):
    ablation, out, _, _ = whole
    before = files(out)
    events, outcome = run(ablation, out)
    assert events == []
    assert (outcome.count("done"), outcome.was_stopped) == (4, False)
    assert files(out) == before


def test_the_best_checkpoint_is_scored_where_the_grid_says_so(small, tmp_path):
    text = GRID.replace("fit.log_every = 2", "fit.log_every = 2\nfit.validate_every = 5\nfit.validation_cases = 2")
    text = text.replace("[score]", '[score]\ncheckpoint = "best"')
    out = tmp_path / "out"
    _, outcome = run(small(text), out)
    assert outcome.count("done") == 4
    for cell in read_results(out)[0].cells:
        card = read_card(cell.run / "checkpoints" / "best.json")
        assert cell.scores["sampling"]["model_sha256"] == card.sha256


def test_a_folder_of_another_scale_data_or_setting_is_refused_and_left_alone(whole, small, phantom_128):
    _, out, _, _ = whole
    before = files(out)
    with pytest.raises(ConfigError, match=r"made with scale = full, now 0\.5"):
        run(small(scale="0.5"), out)
    with pytest.raises(ConfigError, match="made with settings = "):
        run(small(settings={"fit.seed": 1}), out)
    other = plan_ablation(small().grid, [phantom_128], load_scale("full"))
    with pytest.raises(ConfigError, match="made with training data = "):
        run(other, out)
    assert files(out) == before


def test_a_grid_that_grew_keeps_what_is_done(whole, small, tmp_path):
    out = tmp_path / "out"
    run(small(), out)
    grown = small(GRID.replace('["ddim", "ddpm"]', '["ddim", "ddpm", "heun"]'))
    events, outcome = run(grown, out)
    assert [event.cell.labels["sampler"] for event in finished(events)] == ["heun", "heun"]
    assert trained_steps(events) == []
    assert outcome.count("done") == 6


def test_grids_share_their_trainings(small, tmp_path):
    out = tmp_path / "out"
    run(small(), out)
    other = GRID.replace('values = ["ddim", "ddpm"]', "values = [2, 3]").replace("draw.sampler", "draw.steps")
    events, outcome = run(small(other, "other"), out)
    assert outcome.count("done") == 4
    assert trained_steps(events) == []
    assert [grid.name for grid in read_results(out)] == ["other", "small"]


def test_what_cannot_be_made_is_missing_with_its_reason(small, tmp_path):
    text = GRID.replace('label = "v", train.diffusion.prediction = "v"', 'label = "p", train.preset = "phiseg"')
    text += '\n[[missing]]\nwhere = { prediction = "x", sampler = "ddpm" }\nreason = "not made yet"\n'
    _, outcome = run(small(text), tmp_path / "out")
    assert outcome.was_stopped is False
    assert [(state.state, state.reason) for state in outcome.states.values()] == [
        ("done", ""),
        ("missing", "not made yet"),
        ("missing", "the preset 'phiseg' is not there yet"),
        ("missing", "the preset 'phiseg' is not there yet"),
    ]


def test_a_smaller_scale_is_told_in_the_record_and_in_the_names_of_files(small, tmp_path):
    ablation, out = small(scale="0.5"), tmp_path / "out"
    run(ablation, out)
    (grid,) = read_results(out)
    assert grid.facts["scale"]["name"] == "0.5"
    assert grid.facts["scale"]["changed"]["fit.steps"] == {"from": [10], "to": [5]}
    assert "do not compare with the paper's" in grid.facts["notice"]
    assert all("_0.5_" in cell.scores_path.name and "0.5" in cell.run.name for cell in grid.cells)
    assert {cell.scores["cases"] for cell in grid.cells} == {2}  # of the grid's 3


def test_settings_of_the_user_are_told_as_a_scale_is(small, tmp_path):
    ablation = small(settings={"fit.seed": 5})
    record = Record(tmp_path / "out", ablation)
    record.write({})
    (grid,) = read_results(tmp_path / "out")
    assert grid.facts["scale"]["name"] == "full with fit.seed = 5"
    assert "fit.seed = 5" in grid.facts["notice"]
    assert {run.config.fit.seed for run in ablation.runs} == {5}


def test_fig9_runs_whole_at_tiny_with_all_values_of_r(phantom_128, tmp_path):
    ablation = plan_ablation(load_grid("fig9"), [phantom_128], load_scale("tiny"))
    _, outcome = run(ablation, tmp_path)
    assert [state.state for state in outcome.states.values()] == ["done", "missing"]
    (grid,) = read_results(tmp_path)
    scores = grid.cells[0].scores["scores"]
    keys = ["raw", *(f"postprocessed {r:g}" for r in ablation.cells[0].score.postprocess)]
    assert {n: list(found) for n, found in scores.items()} == {"4": keys, "16": keys}
    for found in scores.values():
        assert found["postprocessed 0"] == found["raw"]


@pytest.mark.slow
def test_table3_runs_whole_at_tiny(phantom_128, tmp_path):
    ablation = plan_ablation(load_grid("table3"), [phantom_128], load_scale("tiny"))
    _, outcome = run(ablation, tmp_path)
    assert outcome.count("done") == 24


def test_an_ablation_runs_on_real_slices(shared_data, tmp_path):
    ablation = plan_ablation(load_grid("fig9"), [shared_data / "lidc_sample.hdf5"], load_scale("tiny"))
    _, outcome = run(ablation, tmp_path)
    assert outcome.count("done") == 1
