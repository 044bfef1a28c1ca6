"""Weights on disk: whole or refused, never half, never another network's."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.build import build_denoiser, load_segmenter
from training.checkpoint import (
    clear_unfinished,
    load_training_state,
    load_weights,
    model_tensors,
    save_training_state,
    save_weights,
)
from training.errors import CheckpointError
from training.model_card import ModelCard, checkpoints, find_weights, newest_checkpoint, shipped_models
from training.presets import load_config

CONFIG = load_config("tiny")


def card(**changes):
    return ModelCard(**{"name": "test", "config": CONFIG, "parameters": 1, "step": 5, "sha256": ""} | changes)


@pytest.fixture
def run(tmp_path):
    """A run folder with one checkpoint."""
    model = build_denoiser(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.zeros(1, 1, 8, 8)).sum().backward()
    optimizer.step()
    save_training_state(tmp_path, model, optimizer, card(), keep=2)
    return tmp_path


def test_what_is_saved_is_loaded(tmp_path):
    tensors = {"a": torch.randn(3, 2), "b": torch.arange(4)}
    save_weights(tmp_path / "w.safetensors", tensors, card())
    loaded, found = load_weights(tmp_path / "w.safetensors")
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert found.step == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]


def test_at_least_two_checkpoints_are_kept(run):
    model = build_denoiser(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.zeros(1, 1, 8, 8)).sum().backward()
    optimizer.step()
    for step in (10, 15, 20):
        save_training_state(run, model, optimizer, card(step=step), keep=2)
    assert [path.stem for path in checkpoints(run)] == ["step-00000015", "step-00000020"]


def stepped():
    """A network and its optimizer after one step."""
    model = build_denoiser(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.zeros(1, 1, 8, 8)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_everything_that_is_saved_for_resuming_comes_back(tmp_path):
    model, optimizer = stepped()
    ema = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    engine = {"skipped": torch.tensor(3.0).double(), "best_ged": torch.tensor(math.nan).double()}
    path = save_training_state(tmp_path, model, optimizer, card(), 2, ema=ema, engine=engine)
    fresh = build_denoiser(CONFIG).to(memory_format=torch.channels_last)
    other = torch.optim.AdamW(fresh.parameters(), fused=True)
    averages = {name: torch.zeros_like(p) for name, p in fresh.named_parameters()}
    counted = {"skipped": torch.zeros(()).double(), "best_ged": torch.zeros(()).double(), "new": torch.ones(())}
    assert load_training_state(path, fresh, other, ema=averages, engine=counted).step == 5
    assert all(torch.equal(averages[name], ema[name]) for name in ema)
    assert float(counted["skipped"]) == 3
    assert math.isnan(counted["best_ged"])
    assert float(counted["new"]) == 1, "what the checkpoint does not have stays as it is"
    for one, two in zip(model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, two)
        for key in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(optimizer.state[one][key], other.state[two][key])
        assert other.state[two]["exp_avg"].stride() == two.stride(), "moments lie as their weights do"


def test_masks_are_drawn_with_the_averages_where_there_are_any():
    tensors = {"model.a": torch.zeros(1), "optimizer.step.a": torch.ones(1), "engine.skipped": torch.ones(1)}
    assert model_tensors(tensors) == {"a": torch.zeros(1)}
    assert model_tensors(tensors | {"ema.a": torch.ones(1)}) == {"a": torch.ones(1)}


def test_a_model_without_averages_is_not_resumed_with_them(run):
    model = build_denoiser(CONFIG)
    ema = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    with pytest.raises(CheckpointError, match=r"cannot be resumed: it has no 'ema\."):
        load_training_state(newest_checkpoint(run), model, torch.optim.AdamW(model.parameters()), ema=ema)


def test_exported_weights_are_not_resumed(tmp_path):
    model = build_denoiser(CONFIG)
    save_weights(tmp_path / "w.safetensors", {f"model.{name}": t for name, t in model.state_dict().items()}, card())
    with pytest.raises(CheckpointError, match=r"cannot be resumed: it has no 'optimizer\.step"):
        load_training_state(tmp_path / "w.safetensors", model, torch.optim.AdamW(model.parameters()))


def test_a_file_that_cannot_be_replaced_stays_whole(tmp_path, monkeypatch):
    save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(1)}, card())
    monkeypatch.setattr("training.checkpoint.safetensors.torch.save", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_weights(tmp_path / "w.safetensors", {"a": torch.ones(1)}, card())
    assert torch.equal(load_weights(tmp_path / "w.safetensors")[0]["a"], torch.zeros(1))


def test_between_its_two_files_a_replaced_checkpoint_is_incomplete_rather_than_damaged(tmp_path, monkeypatch):
    """As if the power went after the tensors were renamed: the card that told of the old ones is gone."""
    path = tmp_path / "checkpoints" / "best.safetensors"
    path.parent.mkdir()
    save_weights(path, {"a": torch.zeros(1)}, card())
    monkeypatch.setattr("training.checkpoint.file_sha256", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_weights(path, {"a": torch.ones(1)}, card())
    assert [found.name for found in path.parent.iterdir()] == ["best.safetensors"]
    clear_unfinished(tmp_path)
    assert list(path.parent.iterdir()) == []


def test_clearing_up_leaves_complete_checkpoints_and_other_files(run):
    kept = {path.name for path in (run / "checkpoints").iterdir()}
    (run / "checkpoints" / "step-00000099.safetensors").write_bytes(b"half")
    (run / "checkpoints" / ".step-00000100.safetensors.1-ab.part").write_bytes(b"less")
    (run / "checkpoints" / "mine.safetensors").write_bytes(b"someone's own")
    clear_unfinished(run)
    assert {path.name for path in (run / "checkpoints").iterdir()} == kept | {"mine.safetensors"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_whenever_it_is_killed_while_saving_the_newest_checkpoint_loads(tmp_path, kills):
    script = Path(__file__).with_name("killed_saves.py")
    done = subprocess.run(  # noqa: S603
        [sys.executable, str(script), str(tmp_path), str(kills)],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout == f"{kills}\n", done.stderr


def test_a_checkpoint_without_its_card_does_not_count(run):
    """The card is written last: killed before it, the older checkpoint is still the newest complete one."""
    complete = newest_checkpoint(run)
    shutil.copy(complete, complete.with_name("step-00000099.safetensors"))
    assert newest_checkpoint(run) == complete


@pytest.mark.parametrize("cut", [0, 1, 7, 100, 5000])
def test_a_truncated_file_is_refused(run, cut):
    path = newest_checkpoint(run)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="does not match its card"):
        load_segmenter(run, "cpu")


def test_a_flipped_bit_is_refused(run):
    path = newest_checkpoint(run)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not match its card"):
        load_segmenter(run, "cpu")


def test_a_pickle_in_disguise_is_refused(tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    save_weights(tmp_path / "good.safetensors", {"a": torch.zeros(1)}, card())
    from training.hashing import file_sha256

    (tmp_path / "evil.json").write_text(card(sha256=file_sha256(path)).model_dump_json())
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load_segmenter(path, "cpu")


def test_another_networks_weights_are_refused_by_tensor(run):
    path = newest_checkpoint(run)
    found = json.loads(path.with_suffix(".json").read_text())
    found["config"]["network"]["base_channels"] = 16
    path.with_suffix(".json").write_text(json.dumps(found))
    with pytest.raises(CheckpointError, match=r"holds another network than its card says: 'backbone\."):
        load_segmenter(run, "cpu")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"config": {"fit": {"nonsense": 1}}}'])
def test_a_broken_card_is_refused(run, text):
    path = newest_checkpoint(run)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(CheckpointError, match=r"step-00000005\.json is not a model card"):
        load_segmenter(run, "cpu")


def test_an_unknown_model_is_told_with_the_known_ones():
    with pytest.raises(CheckpointError, match=r"no model 'dmeo'; choose one of: .*run folder or a .safetensors file"):
        find_weights("dmeo")


@pytest.mark.parametrize("name", ["a" * 300, "/" + "a" * 5000, "/" + "a" * 5000 + ".safetensors", "a\0b"])
def test_a_name_that_no_file_can_have_is_one_line(name):
    with pytest.raises(CheckpointError, match="no model '") as error:
        find_weights(name)
    assert "\n" not in str(error.value)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        find_weights(tmp_path)


def test_every_shipped_model_matches_its_card():
    for name, shipped in shipped_models().items():
        tensors, _ = load_weights(find_weights(name))
        assert sum(tensor.numel() for tensor in tensors.values()) == shipped.parameters
        assert shipped.name == name
        assert shipped.command
        assert shipped.licence
        assert shipped.scores
