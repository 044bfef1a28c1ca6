"""What the tests of whole evaluations share."""

import pytest
import torch

from training.build import build_denoiser
from training.checkpoint import MODEL, save_weights
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.model_card import ModelCard
from training.presets import load_config

from .whole_runs import run


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """A file with 101 slices of 51 patients to evaluate on."""
    path = tmp_path_factory.mktemp("data") / "phantoms.hdf5"
    write_dataset(path, {"val": (phantom_case(2 * i, 1, 32).slice for i in range(101))}, {}, image_type="uint8")
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny network with random weights, whose masks are blobs that depend on the image."""
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    config = load_config("tiny", ["sampling.steps=2"])
    denoiser = build_denoiser(config)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in denoiser.parameters():
            if not weight.any():
                weight.normal_(0, 0.1, generator=random)
    tensors = {MODEL + name: tensor for name, tensor in denoiser.state_dict().items()}
    save_weights(path, tensors, ModelCard(name="random", config=config, parameters=1, step=0, sha256=""))
    return path


@pytest.fixture(scope="session")
def whole(phantoms, model, tmp_path_factory):
    """An evaluation that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "scores.json"
    run(model, phantoms, out)
    return out
