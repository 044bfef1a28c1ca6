"""A run's folder: one process at a time, what is written in it, and what it is not gone on with."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
import torch

from training.checkpoint import load_weights, save_weights
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.errors import CheckpointError, ConfigError, DataFormatError, DeviceError
from training.fit import loop
from training.fit.run import train_run
from training.lock import HOLDER, locked
from training.model_card import checkpoints, newest_checkpoint, read_card

from .tiny_runs import arguments, bits, free_port, killed_run, quick, require_equal_runs, run, start, weights

pytestmark = pytest.mark.usefixtures("one_thread")

# Holds a folder's lock until it is told to go.
HOLD = """
import sys
from pathlib import Path
from training.errors import ConfigError
from training.lock import locked
try:
    with locked(Path(sys.argv[1])):
        print("holds", flush=True)
        sys.stdin.readline()
except ConfigError as error:
    print(error, flush=True)
    sys.exit(2)
"""


def holder(folder):
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_the_manifest_tells_what_the_run_is_made_of(phantom, tmp_path):
    run(quick(), phantom, tmp_path)
    found = manifest(tmp_path)
    assert found["config"] == quick().model_dump(mode="json")
    assert found["seed"] == 0
    with open_dataset(phantom) as dataset:
        assert found["data_sha256"] == {str(phantom): dataset.sha256()}
        patients = {name: sorted(set(split.patients)) for name, split in dataset.splits.items()}
    assert found["splits"][str(phantom)]["patients"] == patients
    (session,) = found["sessions"]
    assert session["made_with"]["torch"] == torch.__version__
    assert (session["from_step"], session["device"], session["processes"]) == (0, "cpu", 1)
    assert (session["precision"], session["determinism"]) == ("fp32", "repeatable")
    assert session["torch_build"]["commit"] == torch.version.git_version
    assert [path.stem for path in checkpoints(tmp_path)] == ["step-00000020", "step-00000030"]


def test_the_manifest_is_written_before_the_first_step(phantom, tmp_path):
    killed_run(0, quick(), phantom, tmp_path)
    assert manifest(tmp_path)["sessions"][0]["from_step"] == 0
    assert newest_checkpoint(tmp_path) is None


def test_a_resumed_run_appends_its_session_and_keeps_what_was_true_at_first(phantom, tmp_path):
    killed_run(12, quick(), phantom, tmp_path)
    first = manifest(tmp_path)
    run(quick("fit.keep_checkpoints=3"), phantom, tmp_path)
    after = manifest(tmp_path)
    assert [session["from_step"] for session in after["sessions"]] == [0, 10]
    assert after["sessions"][0] == first["sessions"][0]
    assert after["config"]["fit"]["keep_checkpoints"] == 2


@pytest.mark.parametrize("text", ["", "[]", '{"sessions": 5}', '{"config": {}, "device": "cpu"}'])
def test_an_old_or_broken_manifest_does_not_keep_a_run_from_going_on(phantom, tmp_path, text):
    killed_run(12, quick(), phantom, tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    run(quick(), phantom, tmp_path)
    assert [session["from_step"] for session in manifest(tmp_path)["sessions"]] == [10]


def test_other_settings_do_not_resume(phantom, tmp_path):
    run(quick(), phantom, tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(CheckpointError, match=r"fit.learning_rate = 0.002, now 0.01"):
        run(quick("fit.learning_rate=0.01"), phantom, tmp_path)
    with pytest.raises(CheckpointError, match="was trained with"):
        run(quick("network.base_channels=16"), phantom, tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_how_often_to_save_may_change_and_changes_no_number(phantom, tmp_path):
    run(quick(), phantom, tmp_path / "whole")
    killed_run(12, quick(), phantom, tmp_path / "changed")
    run(quick("fit.checkpoint_every=7", "fit.keep_checkpoints=4"), phantom, tmp_path / "changed")
    assert len(checkpoints(tmp_path / "changed")) == 4
    require_equal_runs(tmp_path / "whole", tmp_path / "changed")


def test_a_checkpoint_of_an_earlier_version_is_gone_on_with(phantom, tmp_path):
    """Its card has fewer settings, all of which then meant their defaults, and it has no counters."""
    killed_run(12, quick(), phantom, tmp_path)
    path = newest_checkpoint(tmp_path)
    tensors, card = load_weights(path)
    save_weights(path, {name: t for name, t in tensors.items() if not name.startswith("engine.")}, card)
    content = json.loads(path.with_suffix(".json").read_text())
    for section, key in (("fit", "ema_decay"), ("fit", "precision"), ("diffusion", "self_conditioning")):
        del content["config"][section][key]
    path.with_suffix(".json").write_text(json.dumps(content))
    run(quick(), phantom, tmp_path)
    assert newest_checkpoint(tmp_path).stem == "step-00000030"


def test_other_data_does_not_resume(phantom, tmp_path):
    run(quick(), phantom, tmp_path / "run")
    other = tmp_path / "other.hdf5"
    write_dataset(other, {"train": (phantom_case(i, 1, 32).slice for i in range(8))}, {}, image_type="uint8")
    with pytest.raises(CheckpointError, match=r"was trained on phantom.hdf5 .* now other.hdf5"):
        run(quick(), other, tmp_path / "run")


def test_resume_insists_on_a_checkpoint(phantom, tmp_path):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(quick(), phantom, tmp_path / "new", must_resume=True)
    assert not (tmp_path / "new").exists()


def test_a_file_without_a_train_split_is_refused(tmp_path):
    path = tmp_path / "val.hdf5"
    write_dataset(path, {"val": [phantom_case(0, 0, 32).slice]}, {}, image_type="uint8")
    with pytest.raises(DataFormatError, match="no split 'train' to train on; it has val"):
        run(quick(), path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_a_file_is_refused(phantom, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match="cannot write in"):
        run(quick(), phantom, tmp_path / "run")


def test_what_the_user_should_know_is_told_once_before_training(phantom, tmp_path):
    lonely = tmp_path / "train.hdf5"
    write_dataset(lonely, {"train": (phantom_case(i, 0, 32).slice for i in range(8))}, {}, image_type="uint8")
    config = quick("diffusion.prediction=eps", "diffusion.weighting=snr+1", "fit.validate_every=10")
    told = []
    steps = train_run(config, [lonely], tmp_path / "run", "cpu", tell=told.append)
    next(steps)
    steps.close()
    assert told == [
        *config.cautions,
        "no file has a val split, so the network is not validated and no best checkpoint is kept",
    ]
    assert len(config.cautions) == 2
    assert manifest(tmp_path / "run")["sessions"][0]["cautions"] == told


def phantoms(path, seeds, size=32):
    """A file whose splits are phantoms of these seeds: the same seed means the same patients."""
    splits = {name: [phantom_case(i, seed, size).slice for i in range(8)] for name, seed in seeds.items()}
    write_dataset(path, splits, {}, image_type="uint8")
    return path


def told(config, data, folder):
    notes = []
    next(train_run(config, data, folder, "cpu", tell=notes.append))
    return notes


def test_patients_on_both_sides_of_two_files_are_told(tmp_path):
    one = phantoms(tmp_path / "one.hdf5", {"train": 1, "val": 2})
    two = phantoms(tmp_path / "two.hdf5", {"train": 2})
    (note,) = told(quick("fit.validate_every=30"), [one, two], tmp_path / "run")
    with open_dataset(one) as data:
        patients = set(data.splits["val"].patients)
    assert note.startswith(f"{len(patients)} patients (")
    assert "of the val split of one.hdf5 are, by these names, also trained on" in note
    assert manifest(tmp_path / "run")["sessions"][0]["cautions"] == [note]
    assert told(quick("fit.validate_every=30"), [one], tmp_path / "alone") == []


def test_that_validation_looks_at_squares_of_larger_slices_is_told(tmp_path):
    data = phantoms(tmp_path / "data.hdf5", {"train": 1, "val": 2}, size=48)
    (note,) = told(quick("fit.validate_every=30"), [data], tmp_path / "run")
    assert "a random square of 32 x 32 pixels" in note
    assert "evaluate --random-crop 32" in note


def test_the_same_file_twice_is_refused(phantom, tmp_path):
    copy = tmp_path / "copy.hdf5"
    copy.write_bytes(phantom.read_bytes())
    with pytest.raises(DataFormatError, match=r"copy.hdf5 is the same file as .*phantom.hdf5; give each only once"):
        list(train_run(quick(), [phantom, copy], tmp_path / "run", "cpu"))


def test_a_damaged_newest_checkpoint_is_told_with_the_way_to_an_earlier_one(phantom, tmp_path):
    run(quick(), phantom, tmp_path)
    newest = newest_checkpoint(tmp_path)
    newest.write_bytes(newest.read_bytes()[:1000])
    says = r"remove step-00000030.safetensors and step-00000030.json to go on from step-00000020$"
    with pytest.raises(CheckpointError, match=says):
        run(quick(), phantom, tmp_path)
    newest.with_suffix(".json").write_text("")
    with pytest.raises(CheckpointError, match=says):
        run(quick(), phantom, tmp_path)
    newest.unlink()
    newest.with_suffix(".json").unlink()
    assert run(quick(), phantom, tmp_path)[-1].step == 30


def test_processes_that_read_other_data_are_refused(phantom, tmp_path):
    other = phantoms(tmp_path / "other.hdf5", {"train": 5})
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    both = [
        start(arguments(data, tmp_path / "run"), **meeting, RANK=str(rank), LOCAL_RANK=str(rank))
        for rank, data in enumerate([phantom, other])
    ]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert told[0] == ""
    assert "process 1 reads other data than the first process (other.hdf5 sha256:" in told[1]
    assert not (tmp_path / "run").exists()


def test_a_full_disk_at_the_start_is_told(phantom, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.lock.write_bytes", full)
    with pytest.raises(ConfigError, match=r"cannot write in .*No space left on device; make room"):
        run(quick(), phantom, tmp_path)


def test_the_cpu_running_out_of_memory_is_told_with_what_helps(phantom, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "build_denoiser", lambda _: torch.empty(2**60, dtype=torch.uint8))
    with pytest.raises(DeviceError, match=r"cpu has too little memory \(.*\); set a smaller fit.batch_size or network"):
        run(quick(), phantom, tmp_path)


def test_a_full_disk_is_told_and_leaves_the_last_checkpoint_whole(phantom, tmp_path, monkeypatch):
    original = loop.save_training_state

    def save(folder, model, optimizer, card, *rest, **more):
        if card.step == 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(folder, model, optimizer, card, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_training_state", save)
        with pytest.raises(ConfigError, match=r"cannot write in .*: No space left on device; make room and run again"):
            run(quick(), phantom, tmp_path / "full")
    assert newest_checkpoint(tmp_path / "full").stem == "step-00000010"
    run(quick(), phantom, tmp_path / "full")
    run(quick(), phantom, tmp_path / "whole")
    require_equal_runs(tmp_path / "whole", tmp_path / "full")


def test_too_little_memory_is_told_with_what_helps(phantom, tmp_path, monkeypatch):
    def compute(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr("training.fit.step.TrainingStep._compute", compute)
    with pytest.raises(DeviceError, match=r"cpu has too little memory \(CUDA .* 2 GiB\); set a smaller fit.batch_size"):
        run(quick(), phantom, tmp_path)


def test_two_runs_cannot_share_a_folder(phantom, tmp_path):
    first = train_run(quick(), [phantom], tmp_path, "cpu")
    next(first)
    with pytest.raises(ConfigError, match=rf"process {os.getpid()} on {socket.gethostname()} is training in"):
        run(quick(), phantom, tmp_path)
    first.close()
    assert not (tmp_path / HOLDER).exists()


def test_of_twenty_that_start_at_once_one_holds_the_folder_and_the_others_name_it(tmp_path):
    starts = [holder(tmp_path) for _ in range(20)]
    said = [start.stdout.readline().strip() for start in starts]
    assert said.count("holds") == 1
    held = starts[said.index("holds")]
    refused = (
        f"process {held.pid} on {socket.gethostname()} is training in {tmp_path}; wait for it or use another folder"
    )
    assert sorted(set(said)) == ["holds", refused]
    for process in starts:
        process.communicate("\n", timeout=60)
    assert sorted(process.returncode for process in starts) == [0] + [2] * 19


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    dead = holder(tmp_path)
    assert dead.stdout.readline() == "holds\n"
    dead.send_signal(signal.SIGKILL)
    dead.wait(60)
    assert json.loads((tmp_path / HOLDER).read_text())["pid"] == dead.pid
    with locked(tmp_path), pytest.raises(ConfigError, match=f"process {os.getpid()} on"), locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_the_command_with_a_checkpoint_and_its_code(phantom, tmp_path, number):
    process = start(
        arguments(phantom, tmp_path, "fit.steps=100000", "fit.decay_steps=10", "fit.checkpoint_every=99999")
    )
    assert process.stdout.readline().startswith("step 5/100000")
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    step = read_card(newest_checkpoint(tmp_path).with_suffix(".json")).step
    assert f"{tmp_path}: stopped at step {step} of 100000" in said


@pytest.mark.slow
def test_a_killed_command_goes_on_as_if_nothing_had_happened(phantom, tmp_path):
    whole = start(arguments(phantom, tmp_path / "whole"))
    killed = start(arguments(phantom, tmp_path / "killed"))
    for line in killed.stdout:
        if line.startswith("step 15/"):
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    again = start(arguments(phantom, tmp_path / "killed"))
    for process in (whole, again):
        process.communicate(timeout=120)
        assert process.returncode == 0
    require_equal_runs(tmp_path / "whole", tmp_path / "killed")
    assert bits(weights(tmp_path / "killed")["engine.skipped"]) == bits(torch.zeros((), dtype=torch.float64))
