"""Several processes train the model that one would, fail as one, and go on in any number."""

import json
import os
import signal
from contextlib import suppress

import psutil
import pytest
import torch

from training.fit.batches import Batches
from training.fit.run import train_run
from training.lock import locked
from training.model_card import newest_checkpoint, read_card

from .tiny_runs import (
    LAUNCHER,
    NOTING,
    arguments,
    free_port,
    note_visits,
    quick,
    require_equal_runs,
    start,
    start_several,
    weights,
)

# So few slices to a batch that the processes' shares differ.
ODD = "fit.batch_size=5"


def finish(processes, limit=120):
    """What the processes said, each on both streams, once all have ended."""
    return [process.communicate(timeout=limit) for process in processes]


def losses(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return {entry["step"]: entry["loss"] for entry in map(json.loads, lines) if "loss" in entry}


def require_same_model(one, other, tolerance):
    """Losses to 1e-5; weights that differ by rounding alone, which AdamW's first steps enlarge."""
    first, second = losses(one), losses(other)
    assert first.keys() == second.keys()
    for step, loss in first.items():
        assert second[step] == pytest.approx(loss, rel=1e-5)
    one_weights, other_weights = weights(one), weights(other)
    assert one_weights.keys() == other_weights.keys()
    for name, weight in one_weights.items():
        if name.startswith(("model.", "ema.")):
            torch.testing.assert_close(other_weights[name], weight, rtol=0, atol=tolerance)


def test_one_then_two_then_one_process_train_the_model_that_one_does(phantom, tmp_path, monkeypatch, one_thread):
    """The same visits, slices and noise at each step, and the same losses, whoever computes them."""
    config = quick(ODD, "fit.ema_decay=0.9")
    visits = {}

    def alone(name, until):
        seen = []
        monkeypatch.setattr(Batches, "at", plain)
        note_visits(Batches, tmp_path / f"{name}-notes" / f"alone-{until}.jsonl")
        steps = train_run(config, [phantom], tmp_path / name, "cpu", should_stop=lambda: until in seen)
        seen.extend(progress.step for progress in steps)

    plain = Batches.at
    for name in ("one", "changing"):
        (notes := tmp_path / f"{name}-notes").mkdir()
        if name == "changing":
            alone(name, 5)
            command = arguments(phantom, tmp_path / name, ODD, "fit.ema_decay=0.9")
            processes = start_several(2, command, NOTING, NOTES=str(notes), STOP_AT="19")
            said = finish(processes)
            assert [process.returncode for process in processes] == [143, 143], said
            assert newest_checkpoint(tmp_path / name).stem == "step-00000020"
        alone(name, 30)
        visits[name] = sorted(json.loads(line) for path in notes.iterdir() for line in path.open())
    assert len(visits["one"]) == 5 * 30
    assert visits["changing"] == visits["one"]
    require_same_model(tmp_path / "one", tmp_path / "changing", 2e-4)


def test_what_fails_on_the_first_process_ends_all_with_one_message(phantom, tmp_path):
    with locked(tmp_path):
        processes = start_several(2, arguments(phantom, tmp_path))
        said = finish(processes)
    assert [process.returncode for process in processes] == [2, 2]
    assert said[0][1].startswith(f"ambiseg: process {os.getpid()} on ")
    assert said[0][1].count("\n") == 1
    assert said[1] == ("", "")


def test_what_fails_on_another_process_is_told_by_it_alone(phantom, tmp_path):
    """As where a file is on one machine and not on the other."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    processes = [
        start(arguments(data, tmp_path / "run"), **meeting, RANK=rank, LOCAL_RANK=rank)
        for rank, data in (("0", phantom), ("1", tmp_path / "missing.hdf5"))
    ]
    said = finish(processes)
    assert [process.returncode for process in processes] == [2, 2]
    assert said[0] == ("", "")
    assert said[1][1].startswith(f"ambiseg: {tmp_path / 'missing.hdf5'}: no such file")
    assert said[1][1].count("\n") == 1


def test_one_that_is_killed_ends_the_other_which_says_so_in_a_line(phantom, tmp_path):
    first, second = start_several(2, arguments(phantom, tmp_path, timeout=20))
    for line in first.stdout:
        if line.startswith("step 15/"):
            break
    second.send_signal(signal.SIGKILL)
    _, complaint = first.communicate(timeout=30)
    second.communicate(timeout=30)
    assert first.returncode == 2
    assert "lost another process of this run" in complaint
    assert complaint.count("\n") == 1
    # Of the step that neither finished nothing is saved.
    assert newest_checkpoint(tmp_path).stem == "step-00000010"


@pytest.mark.slow
def test_one_that_hangs_ends_the_other_after_the_timeout(phantom, tmp_path):
    first, second = start_several(2, arguments(phantom, tmp_path, "fit.steps=100000", timeout=5))
    for line in first.stdout:
        if line.startswith("step 15/"):
            break
    second.send_signal(signal.SIGSTOP)
    try:
        _, complaint = first.communicate(timeout=15)
    finally:
        second.kill()
        second.communicate(timeout=30)
    assert first.returncode == 2
    assert "did not answer for 5 s" in complaint


def test_a_signal_to_one_process_stops_both_after_the_same_step(phantom, tmp_path):
    endless = ["fit.steps=100000", "fit.decay_steps=10", "fit.checkpoint_every=99999"]
    first, second = start_several(2, arguments(phantom, tmp_path, *endless))
    for line in first.stdout:
        if line.startswith("step 15/"):
            break
    second.send_signal(signal.SIGTERM)
    finish([first, second], limit=30)
    assert [first.returncode, second.returncode] == [143, 143]
    assert newest_checkpoint(tmp_path) is not None


def test_processes_whose_launcher_is_killed_write_a_checkpoint_and_end(phantom, tmp_path):
    endless = ["fit.steps=100000", "fit.decay_steps=10", "fit.checkpoint_every=99999"]
    launch = ["--standalone", "--nproc-per-node", "2", "-m", "training"]
    launcher = start([*launch, *arguments(phantom, tmp_path, *endless)], LAUNCHER)
    for line in launcher.stdout:
        if line.startswith("step 15/"):
            break
    workers = psutil.Process(launcher.pid).children()
    assert len(workers) == 2
    launcher.kill()
    try:
        said, complaints = launcher.communicate(timeout=30)  # until nobody holds the other end, the workers neither
    finally:
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
    step = read_card(newest_checkpoint(tmp_path).with_suffix(".json")).step
    assert f"{tmp_path}: stopped at step {step} of 100000" in said
    assert "Traceback" not in complaints


@pytest.mark.slow
def test_the_launcher_starts_again_and_the_run_ends_as_if_nothing_had_happened(phantom, tmp_path):
    """One worker is killed at step 15; ``--max-restarts 1`` starts both again from the checkpoint of step 10."""
    launch = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    (notes := tmp_path / "notes").mkdir()
    whole = start([*launch, "-m", "training", *arguments(phantom, tmp_path / "whole")], LAUNCHER)
    killed = start([*launch, *NOTING, *arguments(phantom, tmp_path / "run")], LAUNCHER, NOTES=str(notes), DIE_AT="15")
    said = finish([whole, killed], limit=240)
    assert [whole.returncode, killed.returncode] == [0, 0], said
    assert (notes / "died").exists()
    require_equal_runs(tmp_path / "whole", tmp_path / "run")


@pytest.mark.slow
def test_two_nodes_of_one_process_each_train_as_two_processes_do(phantom, tmp_path):
    """The command of ``docs/cluster.md``, with both nodes on this machine."""
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{free_port()}", "--rdzv-id", "run"]
    launch = ["--nnodes", "2", "--nproc-per-node", "1", *meeting]
    command = arguments(phantom, tmp_path / "nodes")
    nodes = [start([*launch, "-m", "training", *command], LAUNCHER) for _ in range(2)]
    said = finish(nodes, limit=240)
    assert [node.returncode for node in nodes] == [0, 0], said
    finish(start_several(2, arguments(phantom, tmp_path / "whole")))
    require_equal_runs(tmp_path / "whole", tmp_path / "nodes")
