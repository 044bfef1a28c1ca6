"""The whole check at tiny sizes on the CPU: every part runs, and a result that is wrong is not passed over."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.bench import losses, memory, same_masks
from training.bench.targets import TARGETS
from training.build import ModelCache
from training.gpu_check.parts import PARTS

ROOT = Path(__file__).parents[3]


def verdict(page, what):
    """The last cell of a target's row."""
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {TARGETS[what].what} |"))
    return row.split(" | ")[-1].removesuffix(" |")


def test_every_part_runs_and_every_target_is_answered(gpu_check, capsys):
    code, page = gpu_check()
    assert code == 0, capsys.readouterr().out
    assert "**A smoke test.**" in page
    for part in PARTS[:-1]:
        assert f"| {part.name} | done |" in page
    judged = {key: verdict(page, key) for part in PARTS[:-1] for key in part.targets}
    assert set(judged) == set(TARGETS) - {"device-tests"}
    for key, said in judged.items():
        assert said == ("not judged" if TARGETS[key].is_speed else "met"), key
    for told in ("ours-bf16", "ddpm of eps in bf16", "of it scoring", "with its batches", "cpu-one-rounding"):
        assert told in page
    code, _ = gpu_check()
    assert code == 0
    assert "evaluation: done before" in capsys.readouterr().out


@pytest.fixture
def one_way(monkeypatch):
    """The study of masks, in few of its ways."""
    monkeypatch.setattr(same_masks, "PREDICTIONS", {"v": same_masks.PREDICTIONS["v"]})


@pytest.mark.usefixtures("one_way")
def test_masks_that_differ_are_not_met_and_the_command_fails(gpu_check, monkeypatch):
    plain = same_masks._Study.reference

    def flipped(self, *way):
        references = plain(self, *way)
        references[0][0, 0, :40] *= -1
        return references

    monkeypatch.setattr(same_masks._Study, "reference", flipped)
    code, page = gpu_check("--part", "same-masks")
    assert code == 1
    assert verdict(page, "same-fp32") == verdict(page, "same-bf16") == "**not met**"
    assert verdict(page, "graph") == verdict(page, "split-fp32") == "met"
    assert verdict(page, "evaluation") == "not measured"


@pytest.mark.usefixtures("one_way")
def test_a_graph_that_changes_one_bit_and_memory_that_never_runs_out_are_not_passed_over(gpu_check, monkeypatch):
    predict = same_masks.BareSegmenter.predict

    def changed(self, *arguments, replay=False):
        x0 = predict(self, *arguments, replay=replay)
        if replay:
            x0[0, 0, 0] = np.nextafter(x0[0, 0, 0], np.float32(2))
        return x0

    monkeypatch.setattr(same_masks.BareSegmenter, "predict", changed)
    monkeypatch.setattr(torch.nn.Module, "register_forward_pre_hook", lambda *_: None)
    code, page = gpu_check("--part", "same-masks")
    assert (code, verdict(page, "graph"), verdict(page, "same-fp32")) == (1, "**not met**", "met")
    assert "gate fails: times that memory did not run out as it should: 8 of at most 0" in page


def test_memory_that_is_not_given_back_is_not_met(gpu_check, monkeypatch):
    kept = []
    monkeypatch.setattr(ModelCache, "unload", lambda self: kept.append(self._model))
    lost = [memory._row("drew", 1.0, 300.0), memory._row("ended", 1.0, 17.0)]
    monkeypatch.setattr(memory, "_of_a_process", lambda *_: lost)
    code, page = gpu_check("--part", "memory")
    assert (code, verdict(page, "memory-unload"), verdict(page, "memory-process")) == (1, *["**not met**"] * 2)
    assert kept


def test_losses_that_come_apart_are_not_met(gpu_check, monkeypatch):
    train = losses._train
    runs = []

    def apart(*arguments, **moved):
        runs.append(train(*arguments, **moved))
        return runs[-1] * (1.03 if len(runs) > 2 else 1)

    monkeypatch.setattr(losses, "_train", apart)
    code, page = gpu_check("--part", "losses")
    assert (code, verdict(page, "losses-fp32"), verdict(page, "losses-bf16")) == (1, "**not met**", "**not met**")


def test_a_bug_in_a_part_is_one_line_on_the_page(gpu_check, monkeypatch, capsys):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug\nof two lines")

    monkeypatch.setattr("training.bench.memory.bench_memory", broken)
    code, page = gpu_check("--part", "memory")
    assert code == 1
    assert "| memory | failed | 0 s | ZeroDivisionError: a bug |" in page
    assert verdict(page, "memory-unload") == "not measured: ZeroDivisionError: a bug"
    assert "Traceback" in capsys.readouterr().err


def test_a_mistake_of_the_user_is_one_line_and_exit_code_2(gpu_check, capsys):
    assert gpu_check("--part", "speed")[0] == 2
    assert capsys.readouterr().err.startswith("gpu-check: unknown part 'speed'")


def test_the_command_of_the_program_is_the_same_one():
    done = subprocess.run(
        [sys.executable, "-P", "-m", "training", "gpu-check", "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "usage: gpu-check" in done.stdout
    assert "--smoke" in done.stdout


@pytest.mark.slow
def test_the_command_runs_in_its_own_processes_with_the_tests_of_the_device(tmp_path):
    command = [sys.executable, "-P", "-m", "training.gpu_check", str(tmp_path / "out"), "--device", "cpu", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=tmp_path)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "out" / "results-gpu.md").read_text(encoding="utf-8")
    assert verdict(page, "device-tests") == "met"
