"""``ambiseg ablate`` as its users meet it: real processes, exit codes, one line for each mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import GRID


def command(*arguments):
    return [sys.executable, "-P", "-m", "training", "ablate", *map(str, arguments)]


def start(*arguments):
    return subprocess.Popen(  # noqa: S603
        command(*arguments, "--device", "cpu"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def ended(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def states(out):
    return [cell["state"] for cell in json.loads((out / "small" / "ablation.json").read_text())["cells"]]


def test_list_says_what_there_is_to_do_and_writes_nothing(grid_file, phantom, tmp_path):
    code, said, _ = ended(start(grid_file(), phantom, tmp_path / "out", "--list"))
    assert code == 0
    assert said.splitlines()[0] == "small: Predictions and samplers; split val of phantom.hdf5, 6 cases"
    assert said.splitlines()[1].startswith("missing x, ddim  run tiny-x-uniform-")
    assert said.splitlines()[-1] == ("4 cells, 4 to do; 2 trainings of 20 steps in all, 0 done")
    assert not (tmp_path / "out").exists()


def test_two_processes_do_it_together_and_list_shows_it_done(grid_file, phantom, tmp_path):
    out = tmp_path / "out"
    both = [start(grid_file(), phantom, out) for _ in range(2)]
    for process in both:
        code, said, err = ended(process)
        assert code == 0
        # Who comes just after the other has scored a cell says so, and goes on.
        assert all(line.startswith("note: ") and "has this evaluation already" in line for line in err.splitlines())
        assert said.splitlines()[-2:] == ["small: 4 done", f"its tables and figures so far: ambiseg report {out}"]
    assert states(out) == ["done"] * 4
    _, said, _ = ended(start(grid_file(), phantom, out, "--list"))
    assert "4 cells, 0 to do; 2 trainings of 20 steps in all, 20 done" in said


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_signal_stops_it_politely_and_the_same_command_goes_on(grid_file, phantom, tmp_path):
    out = tmp_path / "out"
    text = GRID.replace("fit.steps = 10", "fit.steps = 100_000").replace(
        'label = "v"', 'label = "v", train.fit.steps = 10'
    )
    process = start(grid_file(text), phantom, out)
    until = time.monotonic() + 60
    while not list(out.glob("runs/*/checkpoints/*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    code, said, _ = ended(process)
    assert code == 128 + signal.SIGTERM
    assert said.splitlines()[-1] == "stopped; the same command goes on from there"
    code, said, _ = ended(start(grid_file(text), phantom, out, "--part", "1/2"))
    assert (code, said.splitlines()[-2]) == (0, "small: 2 done")
    assert states(out) == ["missing", "missing", "done", "done"]


def test_a_failed_cell_is_told_in_the_end_and_by_the_exit_code(grid_file, phantom, tmp_path):
    text = GRID.replace('label = "v"', 'label = "v", score.checkpoint = "best"')
    code, said, err = ended(start(grid_file(text), phantom, tmp_path / "out"))
    assert code == 2
    assert said.splitlines()[-2] == "small: 2 done, 2 failed"
    assert [line.startswith("ambiseg: failed v, dd") for line in err.splitlines()] == [True, True]
    lines = [line for line in said.splitlines() if line.startswith("[1/4] done x, ddim: GED (V) ")]
    assert lines[0].endswith("(n = 2)")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scale", "huge"], "unknown scale 'huge'"),
        (["--part", "8/8"], "counted from 0"),
        (["--part", "all"], "cannot read the part 'all'"),
        (["--set", "fit.stesp=1"], "unknown setting 'fit.stesp'"),
        (["--split", "test2"], "score.split"),
    ],
)
def test_a_mistake_is_one_line(forked, grid_file, phantom, tmp_path, options, said):
    done = forked("ablate", grid_file(), phantom, tmp_path / "out", *options, "--device", "cpu")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("ambiseg: ")
    assert said in line
    assert not (tmp_path / "out").exists()


def test_help_needs_no_torch():
    code = (
        "import sys; from training.cli import app\n"
        "try: app(['ablate', '--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "assert code == 0 and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr
