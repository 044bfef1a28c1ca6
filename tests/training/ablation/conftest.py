"""Phantom files and a small grid."""

from __future__ import annotations

import pytest

from training.ablation.grid import load_grid
from training.ablation.plan import plan_ablation
from training.ablation.scale import load_scale
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case

from .small_runs import run


def write_phantom(path, size=32, *, val_seed=1, **counts):
    """A file with so many slices of each split; a slice and its patient depend on the split's seed and place alone."""
    seeds = {"train": 0, "val": val_seed, "test": 2}
    splits = {name: [phantom_case(i, seeds[name], size).slice for i in range(n)] for name, n in counts.items()}
    write_dataset(path, splits, {}, image_type="uint8")
    return path


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """16 slices of 32 x 32 pixels to train on, 6 of each other split."""
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom.hdf5", train=16, val=6, test=6)


@pytest.fixture(scope="session")
def phantom_128(tmp_path_factory):
    """What the shipped grids are made for: 128 x 128 pixels."""
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom128.hdf5", 128, train=12, val=10)


GRID = """
title = "Predictions and samplers"

[train]
preset = "tiny"
fit.steps = 10
fit.warmup_steps = 2
fit.decay_steps = 4
fit.checkpoint_every = 4
fit.log_every = 2
diffusion.weighting = "uniform"

[score]
samples = [2]
postprocess = []
cases = 3

[[axes]]
name = "prediction"
values = [
    { label = "x", train.diffusion.prediction = "x" },
    { label = "v", train.diffusion.prediction = "v" },
]

[[axes]]
name = "sampler"
key = "draw.sampler"
values = ["ddim", "ddpm"]
"""


@pytest.fixture
def grid_file(tmp_path):
    """Writes a grid, by default two trainings and four cells, and gives its name for `load_grid`."""

    def write(text=GRID, name="small"):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def small(grid_file, phantom):
    def plan(text=GRID, name="small", scale="full", **options):
        return plan_ablation(load_grid(grid_file(text, name)), [phantom], load_scale(scale), **options)

    return plan


@pytest.fixture(scope="session")
def whole(tmp_path_factory, phantom):
    """The small grid, done at once: its results to compare with."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(GRID)
    ablation = plan_ablation(load_grid(str(folder / "small.toml")), [phantom], load_scale("full"))
    return ablation, folder / "out", *run(ablation, folder / "out")


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """For all tests here."""
