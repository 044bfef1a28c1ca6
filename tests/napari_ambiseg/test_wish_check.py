"""Settings of a session that somebody edited: what is impossible is left out and named, in one line."""

import json
import math

import pytest

from napari_ambiseg.session_file import SUFFIX
from napari_ambiseg.wish_check import possible_device, possible_wish
from training.sampling_wish import SamplingWish


@pytest.mark.parametrize(
    "wish",
    [
        SamplingWish(),
        SamplingWish("ddim", 10, "trailing", 1.0, 20.0, "bf16"),
        SamplingWish("heun", 1, "log-snr", None, 0.0, "fp32"),
        SamplingWish(eta=0.5),  # a model's own sampler may be "ddim"
    ],
)
def test_what_is_possible_stays(wish):
    assert possible_wish(wish) == (wish, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampler", "foo"),
        ("steps", 0),
        ("grid", "zzz"),
        ("eta", -5.0),
        ("eta", 1.5),
        ("eta", math.nan),
        ("guidance", 1e300),
        ("guidance", -1.0),
        ("precision", "q"),
    ],
)
def test_what_is_impossible_is_named_and_all_else_stays(name, value):
    given = {"sampler": "ddim", "steps": 7, "grid": "uniform", "guidance": 2.0, "precision": "fp32"}
    found, remarks = possible_wish(SamplingWish(**{**given, name: value}))
    (remark,) = remarks
    assert remark.startswith(f"{name} {value!r}")
    plain = getattr(SamplingWish(), name)
    assert found == SamplingWish(**{**given, name: plain})


def test_eta_without_the_sampler_that_reads_it():
    found, remarks = possible_wish(SamplingWish("ddpm", eta=0.5))
    assert found == SamplingWish("ddpm")
    assert len(remarks) == 1
    assert "only ddim reads it" in remarks[0]


def test_a_remark_stays_short():
    _, (remark,) = possible_wish(SamplingWish(sampler="x" * 10_000))
    assert len(remark) < 200


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_names_of_devices(device):
    assert possible_device(device) == (device, [])


@pytest.mark.parametrize("device", ["", "warp9", "cuda:", "cuda:-1", "cpu\n", "CPU", "cuda:0" * 1000])
def test_what_names_no_device(device):
    found, (remark,) = possible_device(device)
    assert found == "auto"
    assert remark.startswith("device ")
    assert len(remark) < 200


def test_a_session_with_impossible_settings_opens_and_names_them_in_one_advice(controller, told, tmp_path):
    path = tmp_path / f"s{SUFFIX}"
    controller.opener.open_demo()
    controller.state.sampling.seed = 3
    controller.session.save(path)
    record = json.loads(path.read_text())
    record["sampling"] |= {"device": "warp9", "wish": {"sampler": "foo", "steps": 5, "eta": -5}}
    record["display"]["hidden_experts"] = [-1, 2, 99]
    path.write_text(json.dumps(record))
    controller.opener.open_path(path)
    sampling, display = controller.state.sampling, controller.state.display
    assert (sampling.wish, sampling.device, sampling.seed) == (SamplingWish(steps=5), "auto", 3)
    assert display.hidden_experts == (2,)
    (line,) = told()
    for name in ("sampler 'foo'", "eta -5", "device 'warp9'", "hidden_experts [-1, 2, 99]"):
        assert name in line
