"""The command `sample`: its masks, cleaned masks and numbers are those that Python gives for the same wish."""

import json
import math

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from training import load_segmenter, open_dataset
from training.cli import app
from training.data.crops import random_crop
from training.data.field import Field
from training.diffusion.denoiser import Denoiser
from training.errors import ConfigError
from training.metrics import compare, ged_interval, tally
from training.metrics.glossary import NAMES
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

WISH = SamplingWish("ddpm", 3)
N, SEED = 6, 7
FIELD = Field(20, 16, 96, 88)
RUN = CliRunner()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "phantom.hdf5"
    assert RUN.invoke(app, ["phantom", str(path), "--cases", "20", "--seed", "3"]).exit_code == 0
    return path


@pytest.fixture(scope="module")
def case(data):
    """A slice that an expert has something on."""
    with open_dataset(data) as dataset:
        found = dataset.case("train", 0)
    assert FIELD.cut(found).n_found == 4
    return found


def sample(data, out, *options, model="demo", split="train"):
    """What the command prints."""
    words = [model, data, out, "--split", split, "--samples", N, "--seed", SEED, "--device", "cpu", *options]
    if model == "demo":
        words += WISH.options()
    done = RUN.invoke(app, ["sample", *map(str, words)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture(scope="module")
def last(case):
    """The end of the walk that the command makes, in the field: masks of several sizes."""
    *_, last = load_segmenter("demo", "cpu", WISH).walk(FIELD.cut(case).image, N, SEED)
    assert len(set(last.masks.sum((1, 2)))) > 3
    return last


def test_the_file_has_the_masks_that_python_draws(data, case, tmp_path):
    out = tmp_path / "masks.hdf5"
    said = sample(data, out, "--trajectory")
    drawn = load_segmenter("demo", "cpu", WISH).draw(case.image, N, SEED)
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["samples"], drawn.masks)
        np.testing.assert_array_equal(file["experts"], case.masks)
        np.testing.assert_array_equal(file["image"], case.image)
        assert file["trajectory/x_t"].shape == file["trajectory/x0_hat"].shape == (4, N, 128, 128)
        np.testing.assert_array_equal(file["trajectory/x0_hat"][-1] > 0, drawn.masks)
        assert (file.attrs["seed"], file.attrs["sampler"], file.attrs["key"]) == (SEED, "ddpm", case.key)
        assert "cleaned" not in file
        assert "field" not in file.attrs
    assert case.key in said
    assert said.splitlines()[-1] == "ddpm, 3 steps (trailing), 3 network calls, fp32, cpu"


CLEANINGS = [
    Cleaning(relative_area=0.9),
    Cleaning(fill_holes=True, smallest_object=20),
    Cleaning(threshold=-0.25),
    Cleaning(0.4, True, 5, 0.3),
]


@pytest.mark.parametrize("cleaning", CLEANINGS, ids=lambda cleaning: " ".join(cleaning.options()))
def test_a_field_is_drawn_cleaned_and_scored_by_itself(data, case, last, tmp_path, cleaning):
    out, part = tmp_path / "masks.hdf5", FIELD.cut(case)
    told = json.loads(sample(data, out, "--field", FIELD, *cleaning.options(), "--json"))
    cleaned = cleaning.apply(last.masks, last.x0_hat)
    assert (cleaned != last.masks).any()
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["samples"], last.masks)
        np.testing.assert_array_equal(file["cleaned"], cleaned)
        np.testing.assert_array_equal(file["experts"], case.masks)
        assert Field.parse(file.attrs["field"]) == FIELD
    assert (told["key"], told["field"], told["n"], told["seed"]) == (case.key, str(FIELD), N, SEED)
    assert (told["n_found"], told["n_experts"]) == (part.n_found, 4)
    assert Cleaning(**told["cleaning"]) == cleaning
    assert told["provenance"] == dict(load_segmenter("demo", "cpu", WISH).provenance)
    for name, masks in (("raw", last.masks), ("cleaned", cleaned)):
        assert tuple(told[name]["scores"]) == NAMES
        found = [math.nan if value is None else value for value in told[name]["scores"].values()]
        np.testing.assert_array_equal(found, tally(masks, part.masks).scores())
        pairs = compare(masks, part.masks)
        assert told[name]["ged_interval"] == {who: list(ged_interval(pairs, who)) for who in ("U", "V")}


def test_without_a_wish_to_clean_nothing_is_said_to_be_cleaned(data, tmp_path):
    told = json.loads(sample(data, tmp_path / "masks.hdf5", "--json", "--smallest-object", 1))
    assert (told["cleaning"], told["cleaned"], told["field"]) == (None, None, None)


def test_a_single_mask_has_no_range_and_undefined_numbers_are_null(data, tmp_path):
    told = json.loads(sample(data, tmp_path / "masks.hdf5", "--json", "--samples", 1, model="experts"))
    assert told["raw"]["scores"]["ged_u"] is None
    assert told["raw"]["ged_interval"] == {"U": [None, None], "V": [None, None]}
    said = sample(data, tmp_path / "masks.hdf5", "--samples", 1, model="experts")
    assert "raw: GED (V) " in said
    assert "[" not in said


def test_a_person_reads_both_numbers(data, case, last, tmp_path):
    said = sample(data, tmp_path / "masks.hdf5", "--field", FIELD, "--postprocess", 0.6).splitlines()
    part = FIELD.cut(case)
    low, high = ged_interval(compare(last.masks, part.masks))
    assert said[0].endswith(f"of 4 experts drew one within {FIELD}")
    ged = compare(last.masks, part.masks).ged("U").value
    assert said[1].startswith(f"raw: GED (U) {ged:.3f} [{low:.3f}, {high:.3f}], dice ")
    assert said[2].startswith("cleaned: GED (U) ")
    assert said[2].endswith("empty")


def test_the_oracle_draws_from_the_experts_of_the_field(data, case, tmp_path):
    out = tmp_path / "masks.hdf5"
    sample(data, out, "--field", FIELD, model="experts")
    masks = FIELD.cut(case).masks
    with h5py.File(out) as file:
        assert all(any(np.array_equal(drawn, expert) for expert in masks) for drawn in file["samples"][:] > 0)


def test_a_random_crop_is_a_case_of_its_own(data, case, tmp_path):
    out = tmp_path / "masks.hdf5"
    told = json.loads(sample(data, out, "--random-crop", 32, "--json"))
    crop = random_crop(case, 32, 0)
    assert told["key"] == crop.key
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["image"], crop.image)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--field", "0,0,129"], "field 0,0,129 reaches row 129 and column 129, the image has 128 x 128 pixels"),
        (["--field", "here"], "cannot read the field 'here'"),
        (["--field", "0,0,32", "--random-crop", "32"], "--field and --random-crop both say where to look"),
        (["--threshold", "1.5"], "threshold 1.5 is impossible"),
        (["--smallest-object", "-2"], "smallest object of -2 pixels is impossible"),
        (["--postprocess", "2"], "relative area 2.0 is impossible"),
    ],
)
def test_impossible_wishes_are_refused_before_anything_is_drawn(data, tmp_path, options, says):
    with pytest.raises(ConfigError, match=says):
        sample(data, tmp_path / "masks.hdf5", *options)
    assert list(tmp_path.iterdir()) == []


def test_memory_that_runs_out_is_noted_and_the_numbers_stay_readable(data, tmp_path, monkeypatch):
    forward = Denoiser.forward

    def small(self, x_t, *rest):
        if len(x_t) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return forward(self, x_t, *rest)

    monkeypatch.setattr(Denoiser, "forward", small)
    words = ["sample", "demo", data, tmp_path / "masks.hdf5", "--device", "cpu", "--samples", 4, "--steps", 1, "--json"]
    done = RUN.invoke(app, [*map(str, words)])
    assert done.stderr == "note: memory ran out with 4 samples at once; going on with 2\n"
    assert json.loads(done.stdout)["n"] == 4


@pytest.mark.parametrize("model", ["experts", "empty"])
def test_masks_that_are_drawn_in_one_pass_have_no_threshold(data, tmp_path, model):
    with pytest.raises(ConfigError, match="draws in one pass and has no threshold; leave out --threshold"):
        sample(data, tmp_path / "masks.hdf5", "--threshold", 0.1, model=model)
    assert sample(data, tmp_path / "masks.hdf5", "--fill-holes", model=model)


def test_a_name_that_says_no_form_is_refused(data, tmp_path):
    with pytest.raises(ConfigError, match="cannot tell the form of 'masks'"):
        sample(data, tmp_path / "masks", model="empty")
