"""A window may be closed at any moment, by its button and from code: all ends, and leaves nothing behind (R19)."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

STORY = Path(__file__).with_name("closing_story.py")
TIMES = np.random.default_rng(19).uniform(0.1, 3, 20).round(2).tolist()


def require_clean_end(seconds, how, what):
    begun = time.monotonic()
    command = [sys.executable, "-P", str(STORY), str(seconds), how, what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "deleted" not in done.stderr, done.stderr
    assert "Traceback" not in done.stdout, done.stdout  # where napari puts those of its slots
    told, ended = done.stdout.splitlines()
    assert ended == "ended"
    children = json.loads(told.removeprefix("children "))
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in children if psutil.pid_exists(pid)]
    return time.monotonic() - begun


@pytest.mark.parametrize(("how", "what"), [("button", "drawing"), ("code", "everything")])
def test_closing_the_window_in_the_middle_of_things_ends_everything(qapp, how, what):
    require_clean_end(1.5, how, what)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["drawing", "everything"])
@pytest.mark.parametrize("how", ["button", "code"])
@pytest.mark.parametrize("seconds", TIMES[:10])
def test_closing_the_window_at_any_moment_ends_everything(qapp, seconds, how, what):
    require_clean_end(seconds, how, what)
