"""What the window does and the command that it offers for it: the same masks, the same numbers."""

import json
import math
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_ambiseg.commands import demo_command, prepare_command, run_command, sample_command
from napari_ambiseg.controller import Controller
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.sample_data import DEMO, PhantomCases
from napari_ambiseg.settings import Settings
from napari_ambiseg.state import IDLE
from training.data.field import Field
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.errors import ConfigError
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

WISHES = {"model": "demo", "wish": SamplingWish(), "n": 4, "seed": 7}


def shell(command, folder):
    """Run a copied command as its reader would; returns what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603 - what the user would paste
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def real(viewer):
    """A controller with the real sampling process."""
    controller = Controller(viewer, settings=Settings())
    yield controller
    controller.close()


def drawn(controller):
    """The run that Generate gives."""
    controller.generate()
    deadline = time.monotonic() + 90
    while controller.state.sampling.status != IDLE:
        assert time.monotonic() < deadline, controller.state.sampling.message
        controller.tick()
        time.sleep(0.01)
    controller.tick()
    assert controller.results.run is not None, controller.state.sampling.message
    return controller.results.run


def same(number, other):
    return (number is None and math.isnan(other)) or number == other


def assert_same_numbers(said, measures):
    assert {name for name, value in measures.scores.items() if not same(said["scores"][name], value)} == set()
    for estimator, ends in measures.ranges.items():
        assert all(same(one, other) for one, other in zip(said["ged_interval"][estimator], ends, strict=True))


@pytest.mark.slow
def test_the_command_of_a_demo_case_gives_its_masks_and_numbers(real, tmp_path):
    real.opener.open_demo()
    real.opener.open_case(21)
    real.state.sampling.n_samples, real.state.sampling.seed = 4, 7
    real.state.sampling.wish = SamplingWish(sampler="ddpm", steps=3)
    real.state.postprocessing.cleaning = cleaning = Cleaning(threshold=0.1, smallest_object=3, relative_area=0.3)
    run = drawn(real)
    out = shell(run_command(run, cleaning, as_json=True), tmp_path)
    said = json.loads(out[out.index("{") :])
    with h5py.File(tmp_path / "samples.hdf5") as file:
        assert np.array_equal(file["samples"][()].astype(bool), run.masks)
        assert np.array_equal(file["cleaned"][()].astype(bool), real.results.masks)
        assert file.attrs["model_sha256"] == run.provenance["model_sha256"]
    assert_same_numbers(said["raw"], real.state.disagreement.raw)
    assert_same_numbers(said["cleaned"], real.state.disagreement.processed)


def test_the_command_of_a_field_of_a_file_gives_its_masks_and_numbers(real, tmp_path):
    path = tmp_path / "two words.hdf5"
    write_dataset(path, {"val": [phantom_case(i, 2, 192).slice for i in range(2)]}, {})
    real.opener.open_path(path)
    real.opener.open_case(1)
    real.state.placing.field = field = Field(20, 40, 128, 128)
    real.state.sampling.n_samples = 3
    real.state.sampling.wish = SamplingWish(steps=2)
    run = drawn(real)
    said = json.loads(shell(run_command(run, as_json=True), tmp_path))
    assert said["field"] == str(field)
    with h5py.File(tmp_path / "samples.hdf5") as file:
        assert np.array_equal(file["samples"][()].astype(bool), run.masks)
    assert_same_numbers(said["raw"], real.state.disagreement.raw)
    assert_same_numbers(said["raw"], SampleMeasures.of(run.masks, run.case))


def test_the_demo_command_writes_the_demo_cases_and_each_command_finds_its_own(tmp_path):
    shell(demo_command(), tmp_path)
    cases = PhantomCases()
    with open_dataset(tmp_path / "demo.hdf5") as dataset:
        for index in range(len(cases)):
            words = shlex.split(sample_command(Origin(DEMO, "synthetic", index), Field(0, 0, 128, 128), **WISHES))
            split, at = words[words.index("--split") + 1], int(words[words.index("--index") + 1])
            written, shown = dataset.case(split, at), cases[index]
            assert np.array_equal(written.image, shown.image)
            assert np.array_equal(written.masks, shown.masks)
            assert written.key == shown.key


def test_a_command_is_safe_for_a_shell_and_says_only_what_is_wished_for(tmp_path):
    path = tmp_path / "it's; a $(file).hdf5"
    path.touch()
    command = sample_command(
        Origin(str(path), "val", 3), Field(1, 2, 64, 64), **WISHES | {"model": "/runs/my model"}, out="a b.npz"
    )
    assert shlex.split(command) == [
        *("ambiseg", "sample", "/runs/my model", str(path), "a b.npz", "--split", "val", "--index", "3"),
        *("--field", "1,2,64", "--samples", "4", "--seed", "7"),
    ]


def test_all_wishes_are_in_the_command(tmp_path):
    path = tmp_path / "cases.hdf5"
    path.touch()
    wish = SamplingWish(sampler="ddim", steps=7, grid="uniform", eta=0.5, guidance=2.0, precision="bf16")
    cleaning = Cleaning(threshold=-0.2, fill_holes=True, smallest_object=9, relative_area=0.25)
    command = sample_command(
        Origin(str(path), "val", 0), Field(0, 0, 8, 8), **WISHES | {"wish": wish}, device="cuda:1", cleaning=cleaning
    )
    words = " ".join(shlex.split(command))
    assert " ".join(wish.options()) in words
    assert " ".join(cleaning.options()) in words
    assert words.endswith("--device cuda:1")


def test_a_relative_path_is_made_absolute_since_a_shell_may_stand_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cases.hdf5").touch()
    command = sample_command(Origin("cases.hdf5", "val", 0), Field(0, 0, 8, 8), **WISHES)
    assert str(tmp_path / "cases.hdf5") in command


def test_a_case_that_lies_in_no_file_has_no_command():
    with pytest.raises(ConfigError, match="no file that a command could read"):
        sample_command(Origin("a layer", "", 0), Field(0, 0, 8, 8), **WISHES)


def test_a_demo_case_that_there_is_not_has_no_command():
    with pytest.raises(ConfigError, match="no demo case 24; choose 0 to 23"):
        sample_command(Origin(DEMO, "synthetic", 24), Field(0, 0, 8, 8), **WISHES)


def test_the_command_of_a_conversion_makes_the_file_that_the_window_makes(slices_folder, tmp_path):
    command = prepare_command(str(slices_folder), str(tmp_path / "new.hdf5"), "lidc-slices", size=64)
    shell(command, tmp_path)
    with open_dataset(tmp_path / "new.hdf5") as dataset:
        splits = [dataset.split(name) for name in dataset.splits]
        assert sum(len(split) for split in splits) == 5
        assert {split[0].image.shape for split in splits} == {(64, 64)}


def test_of_a_conversion_only_what_differs_is_said():
    assert prepare_command("in", "out.hdf5", "nifti") == "ambiseg prepare in out.hdf5 --layout nifti"
    full = prepare_command("in", "out.hdf5", "nifti", window="-1000..400", size=128)
    assert shlex.split(full)[-4:] == ["--window", "-1000..400", "--size", "128"]
