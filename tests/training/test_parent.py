"""What a child does for its parent: it keeps to its memory, ends when the parent does, and tells of its own bugs."""

import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from training.child import Child
from training.parent import report_bug


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of address space are Linux's")
def test_a_child_cannot_take_more_memory_than_it_may(command):
    child = Child(command)
    for message, answer in ((b"take 2", b"refused"), (b"echo alive", b"alive")):
        assert child.ask(message, lambda connection: connection.recv_bytes(), 30) == answer
    child.end()


def parent_of_a_child(command, message):
    code = f"""
        import sys
        from training.child import Child
        child = Child({command!r})
        child.connect(30)
        child.connection.send_bytes({message!r})
        print(child.process.pid, flush=True)
        sys.stdin.read()
    """
    run = (sys.executable, "-c", textwrap.dedent(code))
    return subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own


@pytest.mark.parametrize("message", [b"echo quick", b"hang"])
def test_a_child_ends_with_a_parent_that_is_killed(command, message):
    with parent_of_a_child(command, message) as parent:
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    wait_until(lambda: gone(pid))
    assert gone(pid)


def test_a_child_is_told_of_its_parents_end_by_its_own_handler_of_sigterm(command, tmp_path):
    told = tmp_path / "told"
    with parent_of_a_child((*command, str(told)), b"hang") as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: gone(pid))
    assert told.exists()


def test_a_bug_is_one_line_for_the_parent_and_a_traceback_on_standard_error(capsys):
    def work():
        raise RuntimeError("first\nsecond")

    lines = []
    try:
        work()
    except RuntimeError as error:
        lines.append(report_bug(error))
    assert lines == ["RuntimeError: first"]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Traceback (most recent call last):")
    assert said.err.endswith("RuntimeError: first\nsecond\n")
