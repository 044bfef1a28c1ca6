"""The shipped grids are what the paper says, cell by cell, and a cell's training is known by what it depends on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from itertools import product

import pytest

from training.ablation.grid import GRIDS, load_grid, shipped
from training.ablation.names import run_digest
from training.ablation.plan import plan_ablation
from training.ablation.scale import SCALES, load_scale
from training.ablation.settings import parsed_settings, resolved
from training.presets import PRESETS

from .conftest import write_phantom

NAMES = ("fig6", "fig7", "fig8", "fig9", "table1", "table2", "table3", "table4")


@pytest.fixture(scope="module")
def planned(phantom_128):
    def plan(name, scale="full", **options):
        return plan_ablation(load_grid(name), [phantom_128], load_scale(scale), **options)

    return plan


def of(ablation, **labels):
    """The cells with these labels."""
    return [cell for cell in ablation.cells if labels.items() <= cell.labels.items()]


def test_all_grids_and_scales_are_shipped():
    assert shipped(GRIDS) == sorted(NAMES)
    assert shipped(SCALES) == ["laptop", "tiny"]


@pytest.mark.parametrize(("name", "scale"), list(product(NAMES, ("full", "laptop", "tiny", "0.1"))))
def test_every_grid_is_possible_at_every_scale(planned, name, scale):
    ablation = planned(name, scale)
    assert ablation.cells
    assert len({cell.id for cell in ablation.cells}) == len(ablation.cells)
    assert all(cell.run is not None or cell.absent for cell in ablation.cells)
    assert ablation.is_as_printed == (scale == "full")
    assert bool(ablation.changed) == (scale != "full")


def test_table_3_has_24_trainings_as_in_the_paper(planned):
    ablation = planned("table3")
    assert len(ablation.cells) == len(ablation.runs) == 24
    crops = {"128 × 128 central crop": (128, None, "ddim"), "64 × 64 random crop": (64, 64, "ddpm")}
    predictions = {"x": "x", "ε": "eps", "v": "v"}
    weightings = {"SNR": "snr", "Trunc. SNR": "truncated-snr", "SNR+1": "snr+1", "Uniform": "uniform"}
    for crop, prediction, weighting in product(crops, predictions, weightings):
        (cell,) = of(ablation, crop=crop, prediction=prediction, weighting=weighting)
        config, (side, random_crop, sampler) = cell.run.config, crops[crop]
        assert config.diffusion.prediction == predictions[prediction]
        assert config.diffusion.weighting == weightings[weighting]
        assert config.diffusion.input_scale == 0.1
        assert (config.fit.steps, config.fit.decay_steps) == (50_000, 10_000)
        assert (config.fit.batch_size, config.fit.learning_rate, config.fit.clip_norm) == (8, 1e-4, 1.0)
        assert (config.image_size, cell.score.random_crop, cell.score.crop_seed) == (side, random_crop, 0)
        assert (config.sampling.sampler, config.sampling.steps) == (sampler, 10)
        assert cell.draw.model_dump(exclude_none=True) == {}
        assert (cell.score.samples, cell.score.postprocess, cell.score.split) == ((4,), (), "val")
        assert (cell.score.cases, cell.score.checkpoint) == (None, "last")


@pytest.mark.parametrize(("name", "preset", "crop"), [("table1", "paper-128", None), ("table2", "paper-64", 64)])
def test_tables_1_and_2_train_ours_as_the_preset_and_say_that_the_baselines_are_missing(planned, name, preset, crop):
    ablation = planned(name)
    ours, baselines = of(ablation, model="Ours"), [cell for cell in ablation.cells if cell.labels["model"] != "Ours"]
    assert ours[0].run.config == PRESETS[preset]
    assert (ours[0].run.config.fit.steps, ours[0].run.config.fit.decay_steps) == (400_000, 100_000)
    assert (ours[0].score.samples, ours[0].score.postprocess, ours[0].score.random_crop) == ((4, 16), (0.5,), crop)
    assert len(baselines) == 5
    for cell in baselines:
        assert cell.run is None
        assert "is not there yet" in cell.absent
        assert cell.score.checkpoint == "best"
    assert ablation.grid.paper_split == "test"


def test_another_split_has_results_of_its_own_and_the_same_trainings(planned, tmp_path):
    path = write_phantom(tmp_path / "all.hdf5", 128, train=4, val=2, test=2)
    val, test = (plan_ablation(load_grid("table1"), [path], load_scale("full"), split=s) for s in (None, "test"))
    assert (val.folder, test.folder) == ("table1", "table1-test")
    assert val.runs == test.runs
    assert not {cell.id for cell in val.cells} & {cell.id for cell in test.cells}


def test_table_4_has_one_cell_that_can_be_made(planned):
    ablation = planned("table4")
    assert len(ablation.cells) == 10
    (ours,) = [cell for cell in ablation.cells if cell.run is not None]
    assert ours.labels == {"architecture": "Diff Unet", "model": "Ours"}
    assert ours.run.config == PRESETS["paper-128"]
    assert len({cell.absent for cell in ablation.cells}) == 1 + 4 + 2  # ours; four presets; two that have no backbone


def test_fig_6_draws_in_many_ways_from_the_two_models_of_tables_1_and_2(planned):
    ablation = planned("fig6")
    assert [run.config for run in ablation.runs] == [PRESETS["paper-128"], PRESETS["paper-64"]]
    assert {run.name for run in ablation.runs} == {planned(table).runs[0].name for table in ("table1", "table2")}
    ways = Counter((cell.labels["crop"], cell.draw.sampler, cell.draw.steps) for cell in ablation.cells)
    steps = {way[2] for way in ways}
    assert {1, 10, 1000} <= steps
    assert len(ways) == len(ablation.cells) == 2 * 2 * len(steps)
    assert {cell.labels["sampler"].lower() == cell.draw.sampler for cell in ablation.cells} == {True}
    assert {cell.score.samples for cell in ablation.cells} == {(4,)}


def test_fig_7_varies_the_bias_of_the_sigmoid_weighting_with_its_derivative(planned):
    ablation = planned("fig7")
    biases = {cell.run.config.diffusion.sigmoid_bias for cell in ablation.cells}
    assert {-6.0, 2.0} <= biases
    assert len(ablation.runs) == 2 * len(biases)
    for cell in ablation.cells:
        diffusion = cell.run.config.diffusion
        assert (diffusion.weighting, diffusion.weight_derivative, diffusion.prediction) == ("sigmoid", True, "x")
        assert float(cell.labels["bias"]) == diffusion.sigmoid_bias
        assert (cell.run.config.fit.steps, cell.run.config.fit.decay_steps) == (50_000, 10_000)


def test_fig_8_varies_the_input_scale_and_shares_a_training_with_table_3(planned):
    ablation = planned("fig8")
    scales = {cell.run.config.diffusion.input_scale for cell in ablation.cells}
    assert {0.1, 1.0} <= scales
    assert all(float(cell.labels["input_scale"]) == cell.run.config.diffusion.input_scale for cell in ablation.cells)
    assert {(cell.score.samples, cell.score.postprocess) for cell in ablation.cells} == {((4,), (0.5,))}
    shared = {run.name for run in ablation.runs} & {run.name for run in planned("table3").runs}
    expected = [
        cell.run.name
        for cell in planned("table3").cells
        if (cell.labels["prediction"], cell.labels["weighting"]) == ("x", "Trunc. SNR")
    ]
    assert shared == set(expected)


def test_fig_9_post_processes_one_set_of_masks_in_many_ways(planned):
    ablation = planned("fig9")
    ours, baseline = ablation.cells
    assert ours.score.samples == (4, 16)
    assert (min(ours.score.postprocess), max(ours.score.postprocess)) == (0.0, 1.0)
    assert 0.5 in ours.score.postprocess
    assert (baseline.labels["model"], baseline.run) == ("Prob. UNet (AA)", None)


@pytest.mark.parametrize("parts", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("name", NAMES)
def test_the_parts_have_each_cell_once_and_a_training_in_one_part_alone(planned, name, parts):
    ablation = planned(name)
    found = [ablation.of_part(part, parts) for part in range(parts)]
    assert Counter(cell.id for cells in found for cell in cells) == Counter(cell.id for cell in ablation.cells)
    runs = [{cell.run.name for cell in cells if cell.run} for cells in found]
    assert sum(map(len, runs)) == len(ablation.runs)
    assert max(map(len, runs)) - min(map(len, runs)) <= 1


def test_tiny_leaves_out_the_many_steps_and_says_so(planned):
    ablation = planned("fig6", "tiny")
    assert {cell.draw.steps for cell in ablation.cells} == {1, 2, 3, 5, 10, 20}
    assert {(axis, label) for axis, label, _ in ablation.left_out} == {
        ("steps", label) for label in ("50", "100", "200", "500", "1000")
    }


def test_no_scale_thins_an_axis_of_what_is_trained(planned):
    for name, scale in product(("table3", "fig7", "fig8"), ("tiny", "laptop", "0.001")):
        assert len(planned(name, scale).cells) == len(planned(name).cells)
        assert not planned(name, scale).left_out


def test_a_number_multiplies_steps_ramps_and_cases(planned):
    ablation = planned("table3", "0.1")
    fit = ablation.runs[0].config.fit
    assert (fit.steps, fit.warmup_steps, fit.decay_steps) == (5_000, 100, 1_000)
    assert {cell.score.cases for cell in ablation.cells} == {1}  # of 10
    assert ablation.changed["fit.steps"] == ([50_000], [5_000])
    assert ablation.changed["score.cases"] == ([10], [1])
    assert set(ablation.changed) == {"fit.steps", "fit.warmup_steps", "fit.decay_steps", "score.cases"}


def test_the_smallest_number_still_trains_a_step(planned):
    fit = planned("table3", "1e-9").runs[0].config.fit
    assert fit.steps == 1
    assert fit.warmup_steps + fit.decay_steps <= 1


def test_the_name_of_a_training_follows_its_settings_and_data_alone(phantom_128, tmp_path):
    grid, scale = load_grid("table3"), load_scale("full")
    names = [run.name for run in plan_ablation(grid, [phantom_128], scale).runs]
    copy = shutil.copy(phantom_128, tmp_path / "renamed.hdf5")
    assert [run.name for run in plan_ablation(grid, [copy], scale).runs] == names
    other = write_phantom(tmp_path / "other.hdf5", 128, train=3, val=2)
    for changed in (
        plan_ablation(grid, [other], scale),
        plan_ablation(grid, [phantom_128], scale, {"fit.seed": 1}),
        plan_ablation(grid, [phantom_128], load_scale("tiny")),
    ):
        assert not {run.name for run in changed.runs} & set(names)


def test_the_digest_of_a_training_is_the_same_in_every_version():
    """Else a user's finished trainings would be done again; the number is what it was when this was written."""
    config = resolved({"fit.steps": 6000, "diffusion.input_scale": 0.2}, "demo")
    assert run_digest(config, [])[:10] == "b033e70bbe"


def test_planning_needs_no_torch(phantom_128):
    code = (
        "import sys\n"
        "from training.ablation.grid import load_grid\n"
        "from training.ablation.plan import plan_ablation\n"
        "from training.ablation.results import read_results\n"
        "from training.ablation.scale import load_scale\n"
        f"assert plan_ablation(load_grid('table3'), [{str(phantom_128)!r}], load_scale('tiny')).cells\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_settings_of_the_command_line_are_read_as_toml():
    assert parsed_settings(["fit.steps=5", "fit.precision = fp32", "network.multipliers=[1, 2]"]) == {
        "fit.steps": 5,
        "fit.precision": "fp32",
        "network.multipliers": [1, 2],
    }
