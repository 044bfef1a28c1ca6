"""The main job on real LIDC slices: read, train, draw, score."""

import json
import subprocess
import sys

import numpy as np
import pytest

from training import load_segmenter, open_dataset
from training.evaluation.cases import Plan, evaluate_cases
from training.fit.run import train_run
from training.metrics.glossary import NAMES
from training.presets import load_config


@pytest.fixture(scope="module")
def sample(shared_data):
    return shared_data / "lidc_sample.hdf5"


def test_every_real_file_opens_and_its_slices_are_whole(shared_data):
    paths = sorted(shared_data.glob("*.hdf5"))
    assert paths
    for path in paths:
        with open_dataset(path) as dataset:
            for name, split in dataset.splits.items():
                for index in {0, len(split) // 2, len(split) - 1}:
                    case = dataset.case(name, index)
                    assert case.image.shape == (128, 128)
                    assert case.n_experts == 4
                    assert case.n_found >= 1


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_short_training_on_real_slices_beats_always_empty(sample, tmp_path):
    """A few hundred steps of a small model: the loss falls, and GED on the val split is below always-empty's."""
    settings = ["fit.steps=250", "fit.decay_steps=75", "fit.warmup_steps=30", "fit.validate_every=0"]
    config = load_config("demo", settings)
    progress = list(train_run(config, [sample], tmp_path / "run", "cpu"))
    assert progress[-1].loss < 0.25 * progress[0].loss

    with open_dataset(sample) as dataset:
        cases = list(dataset.splits["val"])[::4]
    model, empty = (
        np.mean([case.scores[0] for case in evaluate_cases(segmenter, enumerate(cases), Plan((8,), ()))], axis=0)
        for segmenter in (load_segmenter(tmp_path / "run", "cpu"), load_segmenter("empty"))
    )
    for estimator in ("ged_u", "ged_v"):
        assert model[NAMES.index(estimator)] < empty[NAMES.index(estimator)]


def test_the_shipped_model_draws_on_a_real_slice_from_the_command_line(sample, tmp_path):
    out = tmp_path / "masks.hdf5"
    command = [sys.executable, "-P", "-m", "training", "sample", "demo", sample, out, "--samples", "2"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert out.is_file()


def test_info_tells_the_disagreement_of_real_slices(sample):
    command = [sys.executable, "-P", "-m", "training", "info", str(sample), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
    splits = json.loads(done.stdout)["splits"]
    slices = sum(split["slices"] for split in splits.values())
    mean = sum(split["disagreement"] * split["slices"] for split in splits.values()) / slices
    assert slices == 400
    # 0.525 on all of LIDC; these 400 slices are a subset.
    assert mean == pytest.approx(0.525, abs=0.03)
