"""An ablation does all of its cells, whatever happens on the way, and each training once."""

from __future__ import annotations

import errno
import json
import math
import shutil

import pytest
import safetensors

from training.ablation import run as ablation_run
from training.ablation.claims import claimed
from training.ablation.grid import load_grid
from training.ablation.plan import plan_ablation
from training.ablation.record import RECORD, CellState, Record
from training.ablation.results import read_results
from training.ablation.run import Finished, Working, ablate
from training.ablation.scale import load_scale
from training.diffusion.objective import Objective
from training.errors import ConfigError, DeviceError, DeviceLostError
from training.model_card import checkpoints, read_card

from .conftest import GRID


@pytest.fixture
def small(grid_file, phantom):
    def plan(text=GRID, name="small", scale="full", **options):
        return plan_ablation(load_grid(grid_file(text, name)), [phantom], load_scale(scale), **options)

    return plan


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory, phantom):
    """The small grid, done at once: its results to compare with."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(GRID)
    ablation = plan_ablation(load_grid(str(folder / "small.toml")), [phantom], load_scale("full"))
    return ablation, folder / "out", *run(ablation, folder / "out")


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


@pytest.mark.parametrize("stops", [(3,), (12, 1, 9)])
def test_stopped_anywhere_and_started_again_it_comes_to_the_same_scores(whole, small, tmp_path, stops):
    ablation, out = small(), tmp_path / "out"
    for stop in stops:
        asked = iter(range(10_000))
        _, outcome = run(ablation, out, should_stop=lambda asked=asked, stop=stop: next(asked) >= stop)
        assert outcome.was_stopped
        assert outcome.count("failed") == 0
    _, outcome = run(ablation, out)
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


@pytest.mark.parametrize("after", [1, 6, 7])
def test_killed_anywhere_it_comes_to_the_same_scores(whole, small, tmp_path, after):
    """Closing the generator is what the power does: no checkpoint, no goodbye."""
    ablation, out = small(), tmp_path / "out"
    work = ablate(ablation, out, device="cpu")
    for _ in range(after):
        next(work)
    work.close()
    _, outcome = run(ablation, out)
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


def test_killed_between_the_end_of_a_training_and_its_clean_up_it_goes_on(whole, small, tmp_path, monkeypatch):
    ablation, out = small(), tmp_path / "out"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ablation_run, "keep_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            run(ablation, out)
    events, outcome = run(ablation, out)
    assert trained_steps(events) == [2, 4, 6, 8, 10]  # the first training is not done again
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


def test_a_training_of_other_settings_under_the_same_name_is_not_scored(small, tmp_path):
    """As after a new version with another default, which the name does not tell."""
    ablation, out = small(), tmp_path / "out"
    run(ablation, out, part=(0, 2))
    card = checkpoints(out / "runs" / ablation.runs[0].name)[-1].with_suffix(".json")
    found = json.loads(card.read_text())
    found["config"]["fit"]["learning_rate"] = 0.5
    card.write_text(json.dumps(found))
    for cell in ablation.cells[:2]:
        (out / "small" / f"{cell.id}.json").unlink()
    _, outcome = run(ablation, out, part=(0, 2))
    assert outcome.count("failed") == 2
    assert all("was trained with fit.learning_rate = 0.5" in state.reason for state in outcome.states.values())


def test_trainings_may_be_removed_once_everything_is_scored(small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    run(ablation, out)
    shutil.rmtree(out / "runs")
    events, outcome = run(ablation, out)
    assert (events, outcome.count("done")) == ([], 4)


def test_two_at_once_share_the_trainings_and_both_end_with_all_cells(whole, small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    first = ablate(ablation, out, device="cpu")
    opening = [next(first)]  # it has begun the first training, and keeps it until it is asked again
    assert opening[0].doing == "training"
    second, others = ablate(ablation, out, device="cpu"), []
    while not (others and isinstance(others[-1], Working) and others[-1].doing == "waiting"):
        others.append(next(second))
    assert [event.cell.labels["prediction"] for event in finished(others)] == ["v", "v"]
    assert (others[-1].done, others[-1].total) == (0, 2)
    mine = opening + list(first)
    assert [event.cell.labels["prediction"] for event in finished(mine)] == ["x", "x"]
    rest = list(second)
    assert finished(rest) == []
    assert len(trained_steps(mine + others)) == 2 * 5
    assert files(out) == files(whole[1])


def test_a_scoring_that_another_process_does_is_left_to_it(small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    lock = out / ".claims" / f"small_{ablation.cells[0].id}.lock"
    with claimed(lock) as is_mine, claimed(lock) as is_mine_too:
        assert (is_mine, is_mine_too) == (True, False)
        work, events = ablate(ablation, out, device="cpu"), []
        while not (events and isinstance(events[-1], Working) and events[-1].doing == "waiting"):
            events.append(next(work))
        assert [event.cell for event in finished(events)] == list(ablation.cells[1:])
    assert [event.cell for event in finished(list(work))] == [ablation.cells[0]]


def test_parts_together_are_the_whole(whole, small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    for part in range(3):  # one of them has nothing to do
        _, outcome = run(ablation, out, part=(part, 3))
        assert outcome.count("done") == len(outcome.states) == (2, 2, 0)[part]
    assert files(out) == files(whole[1])


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


def test_the_best_checkpoint_is_scored_where_the_grid_says_so(small, tmp_path):
    text = GRID.replace("fit.log_every = 2", "fit.log_every = 2\nfit.validate_every = 5\nfit.validation_cases = 2")
    text = text.replace("[score]", '[score]\ncheckpoint = "best"')
    out = tmp_path / "out"
    _, outcome = run(small(text), out)
    assert outcome.count("done") == 4
    for cell in read_results(out)[0].cells:
        card = read_card(cell.run / "checkpoints" / "best.json")
        assert cell.scores["sampling"]["model_sha256"] == card.sha256


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
