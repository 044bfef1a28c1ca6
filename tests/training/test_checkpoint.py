"""Weights on disk: whole or refused, never half, never another network's."""

import json
import shutil

import pytest
import torch

from training.build import build_denoiser, load_segmenter
from training.checkpoint import load_weights, save_training_state, save_weights
from training.config import load_config
from training.errors import CheckpointError
from training.model_card import ModelCard, checkpoints, find_weights, newest_checkpoint, shipped_models

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
    from training.model_card import file_sha256

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
