"""The models that a user can choose, and what is remembered of them."""

import json
import shutil

import pytest

from napari_ambiseg.known_models import KnownModels, about, is_synthetic, takes_guidance
from training.errors import CheckpointError
from training.model_card import CHECKPOINTS, SHIPPED


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "state" / "models.json"


def copy_model(folder, name):
    """The shipped model under another name; returns its weights' path."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".safetensors", ".json"):
        shutil.copy(SHIPPED / f"demo{suffix}", folder / f"{name}{suffix}")
    return folder / f"{name}.safetensors"


def test_without_a_folder_there_are_the_shipped_ones_and_the_references(memory):
    models = KnownModels(memory=memory)
    assert models.names() == ("demo", "experts", "empty")
    assert models.card("demo").name == "demo"
    assert models.card("experts") is None


def test_a_folder_is_looked_through_for_checkpoints_and_runs(tmp_path, memory):
    folder = tmp_path / "models"
    checkpoint = copy_model(folder, "mine")
    (folder / "half.safetensors").write_bytes(b"no card beside it")
    copy_model(folder / "run-7" / CHECKPOINTS, "step-00000010")
    (folder / "notes").mkdir()
    models = KnownModels(str(folder), memory)
    assert models.names() == ("demo", str(checkpoint), str(folder / "run-7"), "experts", "empty")
    assert models.card(str(folder / "run-7")).parameters == models.card("demo").parameters
    later = copy_model(folder, "later")
    assert str(later) not in models.names()
    models.look()
    assert str(later) in models.names()


def test_what_was_chosen_is_remembered_the_newest_first_as_long_as_it_is_there(tmp_path, memory):
    first, second = copy_model(tmp_path, "first"), copy_model(tmp_path, "second")
    models = KnownModels(memory=memory)
    for path in (first, second, first):
        assert models.choose(str(path)) == str(path)
    assert KnownModels(memory=memory).names() == ("demo", str(first), str(second), "experts", "empty")
    first.unlink()
    assert KnownModels(memory=memory).names() == ("demo", str(second), "experts", "empty")


def test_what_is_no_model_is_refused_and_not_remembered(tmp_path, memory):
    models = KnownModels(memory=memory)
    with pytest.raises(CheckpointError, match="no model"):
        models.choose(str(tmp_path / "nothing.safetensors"))
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        models.choose(str(tmp_path))
    broken = copy_model(tmp_path, "broken")
    broken.with_suffix(".json").write_text("{}")
    with pytest.raises(CheckpointError, match="not a model card"):
        models.choose(str(broken))
    assert models.names() == ("demo", "experts", "empty")
    assert not memory.exists()


@pytest.mark.parametrize("content", ["", "{", "7", '{"a": 1}', '[1, null, ["x"], "/no/such"]'])
def test_a_damaged_memory_is_none(memory, content):
    memory.parent.mkdir()
    memory.write_text(content)
    assert KnownModels(memory=memory).names() == ("demo", "experts", "empty")


def test_a_memory_that_cannot_be_written_is_no_reason_to_refuse_a_model(tmp_path):
    (tmp_path / "a file").touch()
    models = KnownModels(memory=tmp_path / "a file" / "models.json")
    path = copy_model(tmp_path, "mine")
    assert models.choose(str(path)) in models.names()


def test_a_card_that_was_written_anew_is_read_anew(tmp_path, memory):
    path = copy_model(tmp_path, "mine")
    models = KnownModels(memory=memory)
    assert models.card(str(path)).step == 12000
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {"step": 5}))
    assert models.card(str(path)).step == 5


def test_the_shipped_model_says_that_it_is_synthetic_and_has_no_guidance(memory):
    card = KnownModels(memory=memory).card("demo")
    assert is_synthetic(card)
    assert not is_synthetic(card.model_copy(update={"licence": "", "training_data": ("lidc.hdf5 sha256:1",)}))
    assert not is_synthetic(card.model_copy(update={"licence": "", "training_data": ()}))
    assert not takes_guidance(card.config)
    said = about(card)
    assert said["Slices"] == "128 x 128 pixels"
    assert "976,308 parameters" in said["Size"]
    assert said["Scores"].startswith("GED (U) 0.171")
    assert "Scores" not in about(card.model_copy(update={"scores": {}}))


def test_the_size_of_a_model_is_that_of_its_card(memory):
    models = KnownModels(memory=memory)
    assert models.size("demo") == 128
    assert models.size("experts") is None
    assert models.size("/there/is/none") is None
