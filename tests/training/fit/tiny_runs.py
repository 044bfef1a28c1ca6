"""Tiny training runs, in this process and in others."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch

from training.fit.run import train_run
from training.fit.step import TrainingStep
from training.model_card import newest_checkpoint
from training.presets import load_config

QUICK = ["fit.steps=30", "fit.warmup_steps=5", "fit.decay_steps=10", "fit.checkpoint_every=10", "fit.log_every=5"]


def quick(*changes):
    return load_config("tiny", [*QUICK, *changes])


def run(config, data, folder, **options):
    return list(train_run(config, [data], folder, "cpu", **options))


def weights(folder):
    return safetensors.torch.load_file(newest_checkpoint(folder))


def require_equal_runs(one, other):
    """The same steps, weights, moments, averages, counters and log, bit for bit."""
    assert newest_checkpoint(one).name == newest_checkpoint(other).name
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    differing = [name for name in first if bits(first[name]) != bits(second[name])]
    assert differing == []
    assert (one / "log.jsonl").read_text() == (other / "log.jsonl").read_text()


def bits(tensor):
    """The bytes of a tensor: NaN, which an unset number is, equals nothing."""
    return tensor.numpy().tobytes()


def killed_run(step, config, data, folder):
    """A run that ends when it comes to that step, counted from 0: no checkpoint, no goodbye."""
    original = TrainingStep.__call__

    def call(self, number, batch):
        if number == step:
            raise KeyboardInterrupt
        original(self, number, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", call)
        with pytest.raises(KeyboardInterrupt):
            run(config, data, folder)


def note_visits(batches, path):
    """From now on write a line for each visit: step, visit, slice and a hash of all that the network sees."""
    original = batches.at

    def at(self, step):
        batch = original(self, step)
        with path.open("a") as file:
            for i, (visit, index) in enumerate(zip(batch.visits, batch.indices, strict=True)):
                seen = b"".join(bits(tensor[i]) for tensor in (batch.image, batch.x0, batch.t, batch.eps))
                file.write(json.dumps([step, int(visit), int(index), hashlib.sha256(seen).hexdigest()]) + "\n")
        return batch

    batches.at = at


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def arguments(data, folder, *changes, timeout=60):
    settings = [part for change in (*QUICK, *changes) for part in ("--set", change)]
    return [
        "train",
        str(data),
        str(folder),
        "--preset",
        "tiny",
        "--device",
        "cpu",
        "--timeout",
        str(timeout),
        *settings,
    ]


NOTING = (str(Path(__file__).with_name("hashing_process.py")),)
TRAINING, LAUNCHER = ("-P", "-m", "training"), ("-m", "torch.distributed.run")


def start(command, program=TRAINING, **environment):
    """A training process."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *program, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def start_several(count, command, program=TRAINING, **environment):
    """The processes of one run, without a launcher that would end them all when one ends."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(count)}
    places = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    return [start(command, program, **environment, **meeting, **place) for place in places]
