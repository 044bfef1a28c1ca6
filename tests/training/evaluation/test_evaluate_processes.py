"""Real processes: any number of them, killed at any moment, give the same bytes; and they end as one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.evaluation.cases import Plan
from training.evaluation.run import evaluate_run

TRAINING = ("-P", "-m", "training")
SLOW = (str(Path(__file__).with_name("slow_process.py")),)
HOW = ["--samples", "2,5", "--device", "cpu"]


def start(command, program=TRAINING, **environment):
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *program, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def start_several(count, command, program=TRAINING, **environment):
    """The processes of one evaluation, without a launcher that would end them all when one ends."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    places = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    return [start(command, program, **environment, **meeting, **place) for place in places]


def launch(count, command, program=("-m", "training")):
    """The command of the documentation."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count))
    return start([*program, *command], launcher)


def finish(*processes, limit=120):
    """What each said on both streams, once all have ended."""
    return [process.communicate(timeout=limit) for process in processes]


def wait_for(condition, limit=60):
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def journaled(out):
    """How many blocks are on the disk."""
    parts = out.with_suffix(".parts")
    return sum(path.read_bytes().count(b"\n") - 1 for path in parts.glob("*.journal") if path.stat().st_size)


def result(out):
    return out.read_bytes(), out.with_suffix(".csv").read_bytes()


def alone(model, data, out):
    out.parent.mkdir(exist_ok=True)
    for _ in evaluate_run(str(model), data, out, plan=Plan((2, 5)), device="cpu"):
        pass
    return out


@pytest.fixture(scope="module")
def whole(phantoms, model, tmp_path_factory):
    """What one process makes of 101 cases."""
    return alone(model, phantoms, tmp_path_factory.mktemp("whole") / "scores.json")


@pytest.fixture(scope="module")
def oracle(phantoms, tmp_path_factory):
    """The same of the experts' oracle."""
    return alone("experts", phantoms, tmp_path_factory.mktemp("oracle") / "scores.json")


@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.slow), 3, pytest.param(5, marks=pytest.mark.slow)])
def test_any_number_of_processes_gives_the_same_bytes(phantoms, model, whole, tmp_path, count):
    """Under the real launcher, which leaves each process one thread."""
    out = tmp_path / "scores.json"
    launched = launch(count, ["evaluate", model, phantoms, "--out", out, *HOW])
    (said,) = finish(launched)
    assert launched.returncode == 0, said[1]
    assert result(out) == result(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.cost.json", "scores.csv", "scores.json"]
    assert said[0].count("101 cases of 51 patients") == 1, "the first process alone speaks"
    cost = json.loads((tmp_path / "scores.cost.json").read_bytes())
    assert (cost["processes"], cost["masks"]) == (count, 505)


def test_processes_that_come_and_go_give_the_same_bytes(phantoms, oracle, tmp_path):
    """Two are killed, three are stopped, a journal is damaged and one deleted, and one process finishes."""
    out = tmp_path / "scores.json"
    command = ["evaluate", "experts", phantoms, "--out", out, *HOW]
    two = start_several(2, command, SLOW, SECONDS="0.05")
    wait_for(lambda: journaled(out) > 10)
    for process in two:
        process.send_signal(signal.SIGKILL)
    finish(*two)
    before = journaled(out)

    three = start_several(3, command, SLOW, SECONDS="0.05")
    wait_for(lambda: journaled(out) > before + 10)
    three[1].send_signal(signal.SIGTERM)  # and the others hear of it
    said = finish(*three)
    assert [process.returncode for process in three] == [143, 143, 143], said
    assert f"{before} of 101 cases are scored already" in said[0][1]
    assert "experts: stopped at " in said[0][0]
    assert [out for out, _ in said[1:]] == ["", ""]
    assert not out.exists()

    first, second, *_ = sorted(out.with_suffix(".parts").glob("*.journal"))
    first.unlink()
    content = bytearray(second.read_bytes())
    content[-100] ^= 1
    second.write_bytes(content)
    (said,) = finish(start(command))
    assert "lines are damaged (1 of " in said[1]
    assert result(out) == result(oracle)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_evaluation_killed_at_random_moments_gives_the_same_bytes(phantoms, oracle, tmp_path):
    script = Path(__file__).with_name("killed_evaluations.py")
    arguments = [phantoms, tmp_path / "scores.json", 0.12]
    done = start(arguments, (str(script),))
    ((said, error),) = finish(done)
    assert done.returncode == 0, error
    assert int(said) >= 5
    assert result(tmp_path / "scores.json") == result(oracle)


def test_what_fails_on_one_process_ends_all_soon_with_one_line(phantoms, tmp_path):
    """The others would go on for half an hour."""
    out = tmp_path / "scores.json"
    command = ["evaluate", "experts", phantoms, "--out", out, *HOW]
    processes = start_several(3, command, SLOW, SECONDS="0.5", FAIL_RANK="1", FAIL_AT="2")
    began = time.monotonic()
    said = finish(*processes)
    assert time.monotonic() - began < 60
    assert [process.returncode for process in processes] == [2, 2, 2], said
    assert said[1][1].startswith("ambiseg: case 'phantom-")
    assert "masks of (32, 32) pixels were asked for, got (5, 8, 32)" in said[1][1]
    assert said[1][1].count("\n") == 1
    assert said[0] == said[2] == ("", "")


@pytest.mark.slow
def test_a_process_that_is_killed_is_noticed_and_nothing_is_lost(phantoms, oracle, tmp_path):
    out = tmp_path / "scores.json"
    command = ["evaluate", "experts", phantoms, "--out", out, *HOW]
    processes = start_several(2, command, SLOW, SECONDS="0.03")
    wait_for(lambda: journaled(out) > 4)
    processes[1].send_signal(signal.SIGKILL)
    said = finish(*processes)
    assert processes[0].returncode == 2
    assert "lost another process of this run" in said[0][1]
    assert "start the same command again" in said[0][1]
    assert journaled(out) > 50, "its own share is done"
    finish(start(command))
    assert result(out) == result(oracle)


def test_an_interrupted_command_says_so_and_goes_on(phantoms, oracle, tmp_path):
    out = tmp_path / "scores.json"
    command = ["evaluate", "experts", phantoms, "--out", out, *HOW]
    process = start(command, SLOW, SECONDS="0.05")
    wait_for(lambda: journaled(out) > 4)
    process.send_signal(signal.SIGINT)
    ((said, _),) = finish(process)
    assert process.returncode == 130
    assert said.startswith("experts: stopped at ")
    assert said.endswith("of 101 cases; the same command goes on from there\n")
    finish(start(command))
    assert result(out) == result(oracle)


def test_of_two_commands_at_once_the_second_is_refused_with_who_is_there(phantoms, oracle, tmp_path):
    out = tmp_path / "scores.json"
    command = ["evaluate", "experts", phantoms, "--out", out, *HOW]
    first = start(command, SLOW, SECONDS="0.1")
    wait_for(lambda: journaled(out) > 1)
    second = start(command)
    ((said, error),) = finish(second)
    assert (second.returncode, said) == (2, "")
    assert error.startswith(f"ambiseg: process {first.pid} on ")
    assert "is evaluating in" in error
    assert error.count("\n") == 1
    finish(first)
    assert result(out) == result(oracle)


def test_several_processes_need_a_place_to_meet(phantoms):
    processes = start_several(2, ["evaluate", "experts", phantoms, *HOW])
    said = finish(*processes)
    assert [process.returncode for process in processes] == [2, 2]
    assert said[0][1] == "ambiseg: several processes meet in files; say where with --out scores.json\n"
    assert said[1] == ("", "")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--postprocess", "a"], "write them as 0.3,0.5, or none"),
        (["--out", "scores.txt"], "must end in .json"),
        (["--out", "a.cost.json"], "must not end in .cost.json"),
        (["--out", "a" * 260 + ".json"], "File name too long; give another name"),
        (["--out", "a" * 236 + ".json"], "File name too long; give another"),
    ],
)
def test_a_slip_of_the_finger_is_one_line(forked, phantoms, options, says):
    done = forked("evaluate", "experts", phantoms, *options, "--device", "cpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ambiseg: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_stands_in_the_way_is_one_line_from_several_processes_too(phantoms, tmp_path):
    parts = tmp_path / "scores.parts"
    parts.mkdir()
    (parts / "notes.txt").write_text("mine")
    processes = start_several(2, ["evaluate", "experts", phantoms, "--out", tmp_path / "scores.json", *HOW])
    said = finish(*processes)
    assert [process.returncode for process in processes] == [2, 2]
    assert said[0][1] == (
        f"ambiseg: cannot write in {parts}: notes.txt there is not of an evaluation; give another --out\n"
    )
    assert said[1] == ("", "")
    assert [path.name for path in parts.iterdir()] == ["notes.txt"]
