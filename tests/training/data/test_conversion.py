"""A conversion in its own process: watched, cancelled, killed; never half a file, never a stuck caller."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from training.child import BLAME
from training.data.conversion import Conversion, Failed, Prepared
from training.data.forms.interface import Options
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.data.prepare import Plan, Progress, prepare
from training.errors import DeviceError

# A converting process that does what the plan's layout says, with an unfinished file as the genuine one has it.
FAKE = """
    import os, signal, sys, time
    from training.atomic import replacing
    from training.data.conversion_process import main
    from training.data.prepare import Progress, Report
    from training.errors import ConfigError

    def convert(source, out, plan, progress):
        print("a library talks")
        match plan.layout:
            case "error":
                raise ConfigError(f"{source}: no layout 'error'; choose another")
            case "bug":
                raise RuntimeError("first line\\nsecond line")
            case "memory":
                bytearray(3 * 2**30)
        with replacing(out) as part:
            part.write_text("half")
            if plan.layout == "stubborn":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for done in range(1, 1001 if plan.layout != "forever" else 10**9):
                progress(Progress(done, 1000))
                if done == 3:
                    if plan.layout in ("stuck", "stubborn"):
                        time.sleep(600)
                    elif plan.layout == "crash":
                        os.kill(os.getpid(), 11)
                    elif plan.layout == "exit":
                        os._exit(4)
                time.sleep(0.001 if plan.layout in ("slow", "forever") else 0)
            part.write_text("whole")
        return Report({"plan": repr(plan), "source": str(source), "out": str(out), "slices": 1000})

    if __name__ == "__main__":
        main(convert)
"""


HARM = "the source is damaged, made to do harm, or too large for this machine"


@pytest.fixture
def begin(tmp_path):
    script = tmp_path / "fake.py"
    script.write_text(textwrap.dedent(FAKE))
    (tmp_path / "out").mkdir()
    begun = []

    def begin(plan, **changes):
        plan = Plan(plan) if isinstance(plan, str) else plan
        choices = {"memory": 2**31, "command": (sys.executable, "-P", str(script))} | changes
        begun.append(Conversion(tmp_path / "source", tmp_path / "out/data.hdf5", plan, **choices))
        return begun[-1]

    yield begin
    for conversion in begun:
        conversion.cancel()


def left_behind(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").iterdir())


def wait_for_the_unfinished_file(tmp_path):
    deadline = time.monotonic() + 20
    while not any(name.endswith(".part") for name in left_behind(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pid_of(conversion):
    return conversion._talk.child.process.pid


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_progress_comes_in_order_and_then_the_report(begin, tmp_path):
    *progress, end = begin("quick").events()
    assert isinstance(end, Prepared)
    assert end.facts["slices"] == 1000
    done = [event.done for event in progress]
    assert done == sorted(done)
    assert progress[-1] == Progress(1000, 1000)
    assert (tmp_path / "out/data.hdf5").read_text() == "whole"
    assert left_behind(tmp_path) == ["data.hdf5"]


def test_progress_is_told_some_twenty_times_a_second(begin):
    started = time.monotonic()
    *progress, _ = begin("slow").events()
    assert 5 <= len(progress) <= 20 * (time.monotonic() - started) + 2


def test_polling_never_waits_and_gives_the_same_events(begin):
    conversion, events, longest = begin("slow"), [], 0.0
    while conversion.running:
        started = time.monotonic()
        events += conversion.poll()
        longest = max(longest, time.monotonic() - started)
        time.sleep(0.01)
    assert isinstance(events[-1], Prepared)
    assert all(isinstance(event, Progress) for event in events[:-1])
    assert longest < 0.3
    assert conversion.poll() == []
    assert list(conversion.events()) == []


def test_the_plan_arrives_as_it_was_sent(begin):
    plan = Plan("quick", "patient", 5, Options(window="-600,1500", shift_masks=True, size=128, keep_empty=True))
    *_, end = begin(plan).events()
    assert end.facts["plan"] == repr(plan)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("error", "{source}: no layout 'error'; choose another"),
        ("bug", "{source}: cannot be converted: RuntimeError: first line"),
        ("memory", "{source}: cannot be converted: it takes more than 2 GiB of memory; " + BLAME),
        (
            "crash",
            "{source}: the converting process ended by signal 11; " + HARM,
        ),
        (
            "exit",
            "{source}: the converting process ended with exit code 4; " + HARM,
        ),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_leaves_nothing(begin, tmp_path, layout, text):
    if layout == "memory" and not sys.platform.startswith("linux"):
        pytest.skip("limits of address space are Linux's")
    (tmp_path / "out/data.hdf5").write_text("old")
    *progress, end = begin(layout).events()
    assert end == Failed(text.format(source=tmp_path / "source"))
    assert all(isinstance(event, Progress) for event in progress)
    assert left_behind(tmp_path) == ["data.hdf5"]
    assert (tmp_path / "out/data.hdf5").read_text() == "old"


@pytest.mark.parametrize("layout", ["slow", "stuck", "stubborn"])
def test_a_cancelled_conversion_ends_within_two_seconds_and_leaves_nothing(begin, tmp_path, layout):
    conversion = begin(layout)
    wait_for_the_unfinished_file(tmp_path)
    pid, started = pid_of(conversion), time.monotonic()
    conversion.cancel()
    assert time.monotonic() - started < 2.0
    assert gone(pid)
    assert left_behind(tmp_path) == []
    assert conversion.poll() == []
    assert not conversion.running
    conversion.cancel()  # twice is no harm


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_a_conversion_may_be_cancelled_at_any_moment(begin, tmp_path, wait):
    conversion = begin("forever")
    time.sleep(wait)
    conversion.cancel()
    assert left_behind(tmp_path) == []


def test_a_killed_child_is_one_line_and_its_unfinished_file_is_removed(begin, tmp_path):
    conversion = begin("stuck")
    wait_for_the_unfinished_file(tmp_path)
    someone_elses = tmp_path / "out/.data.hdf5.1-abcd.part"
    someone_elses.write_text("another process is writing this")
    os.kill(pid_of(conversion), signal.SIGKILL)
    *_, end = conversion.events()
    assert "ended by signal 9 (often: out of memory)" in end.text
    assert left_behind(tmp_path) == [someone_elses.name]


def test_leaving_the_block_cancels(begin, tmp_path):
    with begin("forever") as conversion:
        wait_for_the_unfinished_file(tmp_path)
    assert not conversion.running
    assert left_behind(tmp_path) == []


def test_a_program_that_cannot_be_started_is_an_error_at_once(begin):
    with pytest.raises(DeviceError, match="cannot start the converting process with /no/such/python"):
        begin("quick", command=("/no/such/python",))


def test_a_program_that_sends_nonsense_is_one_line(begin, tmp_path):
    script = tmp_path / "nonsense.py"
    script.write_text("from training.parent import answer_parent\nanswer_parent().send_bytes(b'[]')\ninput()")
    (end,) = begin("quick", command=(sys.executable, "-P", str(script))).events()
    assert end.text.endswith("sent a message that makes no sense and was ended")


@pytest.mark.parametrize("layout", ["forever", "stuck"])
def test_a_conversion_whose_viewer_is_killed_removes_its_unfinished_file(begin, tmp_path, layout):
    code = f"""
        import sys, time
        from pathlib import Path
        from training.data.conversion import Conversion
        from training.data.prepare import Plan
        command = (sys.executable, "-P", {str(tmp_path / "fake.py")!r})
        folder = Path({str(tmp_path)!r})
        conversion = Conversion(folder / "source", folder / "out/data.hdf5", Plan({layout!r}), command=command)
        print(conversion._talk.child.process.pid, flush=True)
        time.sleep(600)
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:  # noqa: S603 - our own code
        pid = int(viewer.stdout.readline())
        wait_for_the_unfinished_file(tmp_path)
        viewer.kill()
    deadline = time.monotonic() + 10
    while not gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert left_behind(tmp_path) == []


def test_the_real_process_makes_the_file_that_prepare_makes(tmp_path, monkeypatch):
    source = tmp_path / "source.hdf5"
    write_dataset(source, {"train": [phantom_case(index, 3, 32).slice for index in range(6)]}, {})
    plan = Plan(options=Options(size=16))
    monkeypatch.chdir(tmp_path)
    expected = prepare(source, Path("here.hdf5"), plan, print)
    *_, end = Conversion(source, Path("there.hdf5"), plan).events()
    assert dict(end.facts) == {**expected.facts, "out": "there.hdf5"}
    assert Path("there.hdf5").read_bytes() == Path("here.hdf5").read_bytes()
    with open_dataset("there.hdf5") as dataset:
        assert sum(map(len, dataset.splits.values())) == end.facts["slices"]


def test_the_real_process_tells_what_it_cannot_convert(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("no slices")
    (end,) = Conversion(source, tmp_path / "out.hdf5", Plan()).events()
    assert isinstance(end, Failed)
    assert str(source) in end.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.txt"]
