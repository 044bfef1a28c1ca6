"""The peers' networks: as large as ours where their interfaces permit, and no part of them idle."""

import importlib.util

import pytest
import torch

from training.bench.drawers import Task
from training.bench.fresh import fresh_denoiser
from training.bench.peers import NEEDS, build_peer, sample_with
from training.build import count_parameters
from training.data.phantom import phantom_case
from training.presets import PRESETS

CPU = torch.device("cpu")


@pytest.fixture(params=sorted(NEEDS))
def name(request):
    for module in NEEDS[request.param]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{request.param} needs {module}; pip install napari-ambiseg[bench]")
    return request.param


def test_a_peer_of_the_papers_network_has_its_widths(name):
    peer = build_peer(name, PRESETS["paper-128"])
    size = sum(parameter.numel() for parameter in peer.network.parameters())
    assert 0.5 < size / count_parameters(PRESETS["paper-128"]) < 1.1
    stem = peer.network.conv_in
    assert next(stem.parameters()).shape == (32, 4, 3, 3)


def test_no_layer_of_a_peer_is_zero_and_it_is_always_the_same(name, small):
    one, other = build_peer(name, small).network, build_peer(name, small).network
    assert all(parameter.any() for key, parameter in one.named_parameters() if key.endswith("weight"))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("prediction", ["x", "eps", "v"])
def test_a_peer_draws_clean_masks(name, small, prediction):
    diffusion = small.diffusion.model_copy(update={"prediction": prediction})
    peer = build_peer(name, small.model_copy(update={"diffusion": diffusion}))
    noise, images = torch.randn(2, 1, 32, 32), torch.zeros(2, 3, 32, 32)
    drawn = sample_with(peer, noise, images, 4, "fp32")
    assert drawn.shape == noise.shape
    assert drawn.abs().max() <= 1 + 1e-6
    assert drawn.std() > 0
    rounded = sample_with(peer, noise, images, 4, "bf16")
    assert (rounded - drawn).abs().max() > 0


def test_a_peer_makes_as_many_network_calls_as_there_are_steps(name, small):
    task = Task(fresh_denoiser(small), phantom_case(0, 0, 32).slice.image, 2, 3, CPU)
    (entrant,) = task.peer_entrants(name, small, ["fp32"])
    calls = []
    hook = entrant.network.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0].shape))
    entrant.call()
    hook.remove()
    assert calls == [(2, 4, 32, 32)] * 3
