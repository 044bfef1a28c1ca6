"""An engine whose process draws with fakes: see `fake_engine_process`."""

import sys
import time
from pathlib import Path

import numpy as np
import psutil

from napari_ambiseg.messages import Cancelled, Died, EstimateWanted, Failed, Finished, SampleRequest
from training.records import AnnotatedSlice
from training.sampling_wish import SamplingWish

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_engine_process.py")))
CASE = AnnotatedSlice(np.full((8, 8), 0.5, np.float32), np.ones((3, 8, 8), bool), "patient", "key")
ENDS = (Finished, Failed, Cancelled, Died)


def request(model="quick", steps=5, **changes):
    wishes = {"generation": 0, "model": model, "case": CASE, "n": 2, "seed": 1, "wish": SamplingWish(steps=steps)}
    return SampleRequest(**wishes | changes)


def wanted(model="quick", n=2, steps=5):
    return EstimateWanted(model, "auto", SamplingWish(steps=steps), (8, 8), n)


def collect(engine, until=ENDS, seconds=30.0):
    """Poll as the window does, until an answer of these kinds is there."""
    answers, deadline = [], time.monotonic() + seconds
    while not any(isinstance(answer, until) for answer in answers):
        assert time.monotonic() < deadline, f"no {until} within {seconds} s, only {answers}"
        answers += engine.poll()
        time.sleep(0.005)
    return answers


def wait_for_end(pid, seconds=10.0):
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there after {seconds} s"
        time.sleep(0.02)
