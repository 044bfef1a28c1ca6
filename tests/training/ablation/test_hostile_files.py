"""Grids, scales and settings that are wrong: one line that says what, and nothing is done."""

from __future__ import annotations

import pytest

from training.ablation.grid import load_grid
from training.ablation.plan import plan_ablation
from training.ablation.scale import load_scale
from training.ablation.settings import parsed_settings
from training.errors import AmbisegError, ConfigError, DataFormatError

from .conftest import GRID, write_phantom

AXIS = 'title = "t"\n[[axes]]\nname = "a"\n'


def plan(grid_file, phantom, text, scale="full", **options):
    return plan_ablation(load_grid(grid_file(text)), [phantom], load_scale(scale), **options)


def with_axis(values, key=None):
    return f'title = "t"\ntrain.preset = "tiny"\n[[axes]]\nname = "a"\nvalues = {values}\n' + (
        f'key = "{key}"\n' if key else ""
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "title: Field required"),
        ('title = "t"', "axes: Field required"),
        ('title = "t"\naxes = []', "axes"),
        ("title = 3\naxes = []", "title"),
        ('title = "t"\ncolour = "red"\n' + AXIS[12:] + 'values = [{ label = "x" }]', "unknown key 'colour'"),
        (AXIS + "values = []", "axes.0.values"),
        (AXIS + 'values = "abc"', "axes.0.values"),
        (AXIS + "values = [1, 2]", "axes.0.values.0"),
        (AXIS + 'values = [{ label = "x" }, { label = "x" }]', "the label 'x' twice"),
        (AXIS + 'values = [{ label = "" }]', "label"),
        (AXIS + 'values = [{ label = "a\\nb" }]', "label"),
        (AXIS + 'values = [{ label = "x", trian.preset = "tiny" }]', "unknown key 'axes.0.values.0.trian'"),
        (AXIS + 'values = [{ label = "x", train = 3 }]', "axes.0.values.0.train"),
        (AXIS + 'key = "steps"\nvalues = [1, 2]', "must begin with train, draw or score"),
        (AXIS + 'key = "train.fit.steps"\nvalues = [1, 1]', "the label '1' twice"),
        (AXIS + 'key = "train.fit.steps"\nvalues = [[1]]', "must be plain"),
        ('title = "t"\n[[axes]]\nname = "../up"\nvalues = [{ label = "x" }]', "axes.0.name"),
        (AXIS + 'values = [{ label = "x" }]\n' + AXIS[12:] + 'values = [{ label = "x" }]', "two axes 'a'"),
        (AXIS + 'values = [{ label = "x" }]\n[[missing]]\nwhere = { b = "x" }\nreason = "r"', "no axis 'b'"),
        (AXIS + 'values = [{ label = "x" }]\n[[missing]]\nwhere = { a = "y" }\nreason = "r"', "no value 'y'"),
        ("title = ", "not valid TOML"),
        ("a = " + "[" * 5000, "TOML"),
    ],
)
def test_a_grid_that_is_wrong_is_one_line(grid_file, text, said):
    with pytest.raises(ConfigError) as error:
        load_grid(grid_file(text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "small.toml" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (with_axis('[{ label = "x", train.fit.stepps = 3 }]'), "unknown setting 'fit.stepps'"),
        (with_axis('[{ label = "x", train.fit.steps = "many" }]'), "fit.steps"),
        (with_axis('[{ label = "x", train.fit.steps.more = 1 }]'), "fit.steps"),
        (with_axis('[{ label = "x", train.nothing.at.all = 1 }]'), "unknown setting 'nothing'"),
        (with_axis('[{ label = "x", train.fit = 1 }]'), "fit"),
        (with_axis('[{ label = "x", train.preset = "typo" }]'), "unknown preset 'typo'"),
        (with_axis('[{ label = "x", train.preset = 3 }]'), "unknown preset '3'"),
        (with_axis('[{ label = "x", draw.colour = 1 }]'), "unknown setting 'draw.colour'"),
        (with_axis('[{ label = "x", draw.sampler = "euler" }]'), "draw.sampler"),
        (with_axis('[{ label = "x", draw.steps = 0 }]'), "draw.steps"),
        (with_axis('[{ label = "x", score.samples = [] }]'), "score.samples"),
        (with_axis('[{ label = "x", score.samples = [0] }]'), "score.samples"),
        (with_axis('[{ label = "x", score.postprocess = [2.0] }]'), "score.postprocess"),
        (with_axis('[{ label = "x", score.split = "test" }]'), "one for the whole grid"),
        (with_axis('[{ label = "x", train.' + "a." * 5000 + "b = 1 }]"), "not nested that deep"),
        (with_axis('[{ label = "x" }, { label = "y" }]'), "come out as the same"),
        (with_axis('[{ label = "x", train.image_size = 64 }]'), "slices of 32 x 32"),
        (with_axis('[{ label = "x", score.random_crop = 48 }]'), "too small for random squares of 48"),
        (AXIS + 'values = [{ label = "x" }]', "no preset"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(grid_file, phantom, text, said):
    with pytest.raises(ConfigError) as error:
        plan(grid_file, phantom, text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_cells_that_differ_in_the_scored_cases_alone_are_not_made_the_same_by_the_scale(grid_file, phantom):
    text = with_axis("[2, 4]", "score.cases")
    assert [cell.score.cases for cell in plan(grid_file, phantom, text).cells] == [2, 4]
    with pytest.raises(ConfigError, match="come out as the same"):
        plan(grid_file, phantom, text, scale="0.01")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "title: Field required"),
        ('title = "t"\ntrain.preset = "demo"', "names a preset"),
        ('title = "t"\nfactor = 2.0', "factor"),
        ('title = "t"\nscore.cases = 0', "score.cases"),
        ('title = "t"\nscore.samples = 4', "unknown key 'score.samples'"),
        ("[", "not valid TOML"),
    ],
)
def test_a_scale_that_is_wrong_is_one_line(grid_file, text, said):
    with pytest.raises(ConfigError) as error:
        load_scale(grid_file(text, "own"))
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["0", "-1", "2", "nan", "inf", "small", "", "1/2"])
def test_a_scale_that_is_no_number_in_reach_says_what_there_is(name):
    with pytest.raises(ConfigError, match="tiny"):
        load_scale(name)


def test_neither_the_scale_nor_the_user_replaces_what_an_axis_varies(grid_file, phantom):
    scale = grid_file('title = "t"\ntrain.diffusion.prediction = "v"', "own")
    with pytest.raises(ConfigError, match=r"own' sets diffusion\.prediction, which the axis 'prediction' varies"):
        plan(grid_file, phantom, GRID, scale=scale)
    for settings in ({"diffusion.prediction": "x"}, {"diffusion": {}}):
        with pytest.raises(ConfigError, match=r"--set sets diffusion\.prediction"):
            plan(grid_file, phantom, GRID, settings=settings)


def test_a_scale_that_leaves_nothing_of_an_axis_is_refused(grid_file, phantom):
    scale = grid_file('title = "t"\ndraw.most_steps = 2', "own")
    with pytest.raises(ConfigError, match="leaves nothing of 'a'"):
        plan(grid_file, phantom, with_axis("[5, 10]", "draw.steps"), scale=scale)


def test_a_scale_of_ones_own_replaces_settings_and_lowers_a_fixed_number_of_steps(grid_file, phantom):
    scale = grid_file('title = "t"\ntrain.fit.batch_size = 2\ndraw.most_steps = 2\nscore.cases = 5', "own")
    text = GRID.replace("[score]", "[draw]\nsteps = 3\n\n[score]")
    ablation = plan(grid_file, phantom, text, scale=scale)
    assert {run.config.fit.batch_size for run in ablation.runs} == {2}
    assert {cell.draw.steps for cell in ablation.cells} == {2}
    assert {cell.score.cases for cell in ablation.cells} == {3}  # the grid's own are fewer
    assert dict(ablation.changed) == {"draw.steps": ([3], [2]), "fit.batch_size": ([8], [2])}


@pytest.mark.parametrize("text", ["fit.steps", "=3", "fit.steps=", "preset=demo", ""])
def test_a_setting_of_the_command_line_that_is_none_is_refused(text):
    with pytest.raises(ConfigError):
        parsed_settings([text])


@pytest.mark.parametrize("name", ["table5", "", "../table3", "nowhere.toml", "bad name!.toml"])
def test_a_grid_that_is_not_there_says_what_there_is(name):
    with pytest.raises(ConfigError, match=r"table3|nowhere|letters"):
        load_grid(name)


def test_what_is_trained_and_scored_follows_from_the_splits_that_files_have(grid_file, tmp_path):
    train, val = write_phantom(tmp_path / "train.hdf5", train=4), write_phantom(tmp_path / "val.hdf5", val=2)
    grid, full = load_grid(grid_file()), load_scale("full")
    data = plan_ablation(grid, [train, val], full).data
    assert [file.path for file in data.training] == [train]
    assert (data.scored.path, data.cases, data.scored_pixels) == (val, 2, (32, 32))
    with pytest.raises(ConfigError, match="no file has a split 'val'"):
        plan_ablation(grid, [train], full)
    with pytest.raises(ConfigError, match="no file has a split 'train'"):
        plan_ablation(grid, [val], full)
    with pytest.raises(ConfigError, match="given twice"):
        plan_ablation(grid, [train, val, train], full)
    with pytest.raises(ConfigError, match=r"score\.split"):
        plan_ablation(grid, [train, val], full, split="all")
    with pytest.raises(DataFormatError, match="no such file"):
        plan_ablation(grid, [tmp_path / "none.hdf5"], full)


def test_patients_that_are_trained_on_and_scored_are_told(grid_file, tmp_path):
    grid, full = load_grid(grid_file()), load_scale("full")
    apart = write_phantom(tmp_path / "apart.hdf5", train=4, val=2)
    assert plan_ablation(grid, [apart], full).data.cautions == ()
    both = [write_phantom(tmp_path / "t.hdf5", train=4), write_phantom(tmp_path / "v.hdf5", val=2, val_seed=0)]
    (caution,) = plan_ablation(grid, both, full).data.cautions
    assert caution.startswith(
        "1 patients (phantom-s0-p000000) of the scored split are, by these names, also trained on"
    )
    assert plan_ablation(grid, both, full, split="train").data.cautions == ()  # who asks for it knows


@pytest.mark.parametrize(("part", "parts"), [(1, 1), (8, 8), (-1, 8), (0, 0)])
def test_a_part_that_is_none_is_refused_with_the_way_of_counting(grid_file, phantom, part, parts):
    ablation = plan(grid_file, phantom, GRID)
    with pytest.raises(AmbisegError, match="counted from 0"):
        ablation.of_part(part, parts)
