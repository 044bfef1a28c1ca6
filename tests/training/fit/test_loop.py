"""Training learns, resumes bit for bit, and refuses what it cannot go on from."""

import json
import math

import numpy as np
import pytest
import safetensors.torch
import torch

from training.build import build_denoiser, load_segmenter
from training.config import FitConfig, load_config
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.errors import CheckpointError, ConfigError, DataFormatError
from training.fit.loop import learning_rate
from training.fit.run import train_run
from training.model_card import checkpoints, newest_checkpoint

QUICK = ["fit.steps=30", "fit.warmup_steps=5", "fit.decay_steps=10", "fit.checkpoint_every=10", "fit.log_every=5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "phantom.hdf5"
    write_dataset(path, {"train": (phantom_case(i, 0, 32).slice for i in range(16))}, {}, image_type="uint8")
    return path


def quick(*changes):
    return load_config("tiny", [*QUICK, *changes])


def run(config, data, folder, **options):
    return list(train_run(config, [data], folder, "cpu", **options))


def weights(folder):
    return safetensors.torch.load_file(newest_checkpoint(folder))


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    fit = FitConfig(steps=100, warmup_steps=10, decay_steps=40, learning_rate=2.0)
    assert learning_rate(fit, 0) == pytest.approx(0.2)
    assert learning_rate(fit, 9) == learning_rate(fit, 30) == learning_rate(fit, 60) == 2.0
    assert learning_rate(fit, 80) == pytest.approx(1.0)
    assert learning_rate(fit, 99) == pytest.approx(1 + math.cos(math.pi * 39 / 40))


def test_fresh_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = build_denoiser(quick()).state_dict()
    torch.manual_seed(2)
    same, other = build_denoiser(quick()).state_dict(), build_denoiser(quick("fit.seed=1")).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss(data, tmp_path):
    progress = run(load_config("tiny", ["fit.steps=120", "fit.log_every=20"]), data, tmp_path)
    assert [p.step for p in progress] == [20, 40, 60, 80, 100, 120]
    assert progress[-1].loss < 0.5 * progress[0].loss


@pytest.mark.parametrize("killed_at", [7, 10, 23])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(data, tmp_path, killed_at):
    """Killed without warning: what was trained and logged after the last checkpoint is lost and done again."""
    run(quick(), data, tmp_path / "whole")
    steps = train_run(quick(), [data], tmp_path / "killed", "cpu", should_stop=_after(killed_at))
    with pytest.raises(KeyboardInterrupt):
        list(steps)
    run(quick(), data, tmp_path / "killed")

    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (tmp_path / "whole/log.jsonl").read_text() == (tmp_path / "killed/log.jsonl").read_text()


def _after(step):
    """Something that ends the process at that step, as a kill would: no checkpoint, no goodbye."""
    count = 0

    def asked():
        nonlocal count
        count += 1
        if count == step:
            raise KeyboardInterrupt
        return False

    return asked


def test_a_polite_stop_writes_a_checkpoint_and_can_be_resumed(data, tmp_path):
    asked = iter([False] * 12 + [True] * 100)
    progress = run(quick(), data, tmp_path / "stopped", should_stop=lambda: next(asked))
    assert progress[-1].step == 13
    assert newest_checkpoint(tmp_path / "stopped").stem == "step-00000013"
    run(quick(), data, tmp_path / "stopped", must_resume=True)
    run(quick(), data, tmp_path / "whole")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_finished_run_has_nothing_left_to_do(data, tmp_path):
    run(quick(), data, tmp_path)
    assert run(quick(), data, tmp_path) == []


def test_the_run_folder_tells_what_was_done(data, tmp_path):
    run(quick(), data, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"]["fit"]["steps"] == 30
    assert list(manifest["data_sha256"]) == [str(data)]
    with open_dataset(data) as dataset:
        patients = {name: sorted(set(split.patients)) for name, split in dataset.splits.items()}
    assert manifest["splits"][str(data)]["patients"] == patients
    assert manifest["made_with"]["torch"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 25, 30]
    assert [path.stem for path in checkpoints(tmp_path)] == ["step-00000020", "step-00000030"]


def test_a_run_folder_is_a_model(data, tmp_path):
    run(quick(), data, tmp_path)
    case = phantom_case(0, 0, 32).slice
    drawn = load_segmenter(tmp_path).draw(case.image, 2, seed=0)
    assert drawn.masks.shape == (2, 32, 32)


def test_other_settings_do_not_resume(data, tmp_path):
    run(quick(), data, tmp_path)
    with pytest.raises(CheckpointError, match=r"fit.learning_rate = 0.002, now 0.01"):
        run(quick("fit.learning_rate=0.01"), data, tmp_path)


def test_a_refused_resume_leaves_the_run_as_it_was(data, tmp_path):
    run(quick(), data, tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(CheckpointError, match="was trained with"):
        run(quick("network.base_channels=16"), data, tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_other_data_does_not_resume(data, tmp_path):
    run(quick(), data, tmp_path / "run")
    other = tmp_path / "other.hdf5"
    write_dataset(other, {"train": (phantom_case(i, 1, 32).slice for i in range(8))}, {}, image_type="uint8")
    with pytest.raises(CheckpointError, match=r"was trained on phantom.hdf5 .* now other.hdf5"):
        run(quick(), other, tmp_path / "run")


def test_nothing_that_is_not_finite_is_ever_saved(data, tmp_path, monkeypatch):
    """Also where checkpoints come more often than log lines."""
    import training.fit.batches as module

    original = module.Batches.at
    monkeypatch.setattr(module.Batches, "at", lambda self, step: _poisoned(original(self, step), step >= 12))
    with pytest.raises(ConfigError, match="no longer finite at step 14"):
        run(quick("fit.checkpoint_every=2", "fit.log_every=10"), data, tmp_path)
    assert newest_checkpoint(tmp_path).stem == "step-00000012"


def _poisoned(batch, poisoned):
    if poisoned:
        batch.eps[0, 0, 0, 0] = np.nan
    return batch


def test_resume_insists_on_a_checkpoint(data, tmp_path):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(quick(), data, tmp_path / "new", must_resume=True)
    assert not (tmp_path / "new").exists()


def test_two_runs_cannot_share_a_folder(data, tmp_path):
    first = train_run(quick(), [data], tmp_path, "cpu")
    next(first)
    with pytest.raises(ConfigError, match="another process is training"):
        run(quick(), data, tmp_path)
    first.close()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(data, tmp_path, monkeypatch):
    import training.fit.batches as module

    original = module.Batches.at

    def poisoned(self, step):
        batch = original(self, step)
        if step == 17:
            batch.eps[0, 0, 0, 0] = np.nan
        return batch

    monkeypatch.setattr(module.Batches, "at", poisoned)
    with pytest.raises(
        ConfigError, match=r"no longer finite at step 20; train in another run folder with a lower fit.learning_rate"
    ):
        run(quick(), data, tmp_path)
    assert newest_checkpoint(tmp_path).stem == "step-00000010"


def test_a_file_without_a_train_split_is_refused(tmp_path):
    path = tmp_path / "val.hdf5"
    write_dataset(path, {"val": [phantom_case(0, 0, 32).slice]}, {}, image_type="uint8")
    with pytest.raises(DataFormatError, match="no split 'train' to train on; it has val"):
        run(quick(), path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_a_file_is_refused(data, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match="cannot train in"):
        run(quick(), data, tmp_path / "run")
