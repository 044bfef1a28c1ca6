"""A child process answers, dies, hangs or babbles; its parent is never stuck, and never leaves it behind."""

import sys
import time

import psutil
import pytest

from training.child import Child, ChildEndedError, memory_for
from training.errors import DeviceError


@pytest.fixture
def child(command):
    child = Child(command)
    yield child
    child.end()
    assert not psutil.pid_exists(child.process.pid)


def ask(child, message, timeout, longest=2**20):
    return child.ask(message, lambda connection: connection.recv_bytes(longest), timeout)


def test_answers_come_back_and_what_is_printed_does_not_disturb_them(child):
    for text in ("one", "two", "x" * 100_000):
        assert ask(child, b"echo " + text.encode(), 30) == text.encode()
    assert child.alive


def test_the_key_is_not_on_the_command_line(child, command):
    ask(child, b"echo hello", 30)
    assert tuple(psutil.Process(child.process.pid).cmdline()[1:]) == command[1:]


@pytest.mark.parametrize(
    ("message", "how"),
    [
        ("signal 11", "ended by signal 11"),
        ("signal 9", "ended by signal 9 (often: out of memory)"),
        ("exit 7", "ended with exit code 7"),
        ("exit 0", "ended with exit code 0"),
    ],
)
def test_how_a_child_came_to_its_end_is_said(child, message, how):
    with pytest.raises(ChildEndedError) as ended:
        ask(child, message.encode(), 30)
    assert str(ended.value) == how
    assert not ended.value.silent
    assert not child.alive


@pytest.mark.parametrize("message", ["hang", "half"])
def test_a_child_that_does_not_answer_in_time_is_killed(child, message):
    ask(child, b"echo hello", 60)  # a long limit before must not delay the short one
    started = time.monotonic()
    with pytest.raises(ChildEndedError, match=r"did not answer within 0\.3 s") as ended:
        ask(child, message.encode(), 0.3)
    assert ended.value.silent
    assert 0.3 <= time.monotonic() - started < 2.0
    assert not child.alive


def test_a_limit_that_was_kept_does_not_end_the_child_later(child):
    ask(child, b"echo start", 60)
    for _ in range(3):
        assert ask(child, b"echo quick", 0.5) == b"quick"
    time.sleep(0.7)
    assert ask(child, b"echo alive", 0.5) == b"alive"


def test_a_child_that_hangs_up_but_lives_on_is_ended(child):
    with pytest.raises(ChildEndedError, match="hung up"):
        ask(child, b"hang up", 30)
    child.process.wait(5)


def test_an_exchange_that_breaks_off_ends_the_child_so_that_its_rest_is_never_taken_for_an_answer(child):
    child.connect(30)

    def interrupted():
        with child.within(30):
            child.connection.send_bytes(b"echo late")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not child.alive


def test_an_answer_that_makes_no_sense_ends_the_child(child):
    with pytest.raises(ValueError, match="invalid literal"):
        child.ask(b"echo five", lambda connection: int(connection.recv_bytes()), 30)
    assert not child.alive


def test_an_answer_in_parts_has_one_time_limit(child):
    def receive(connection):
        parts = [connection.recv_bytes()]
        connection.send_bytes(b"hang")  # the second part never comes
        return [*parts, connection.recv_bytes()]

    with pytest.raises(ChildEndedError, match=r"did not answer within 0\.5 s"):
        child.ask(b"echo one", receive, 0.5)


def test_a_longer_answer_than_allowed_ends_the_child(child):
    with pytest.raises(ChildEndedError):
        ask(child, b"echo " + b"x" * 1000, 30, longest=999)
    child.process.wait(5)


def test_a_child_that_ends_before_it_listens_is_said_so():
    child = Child((sys.executable, "-c", "raise SystemExit(7)"))
    with pytest.raises(ChildEndedError, match="ended with exit code 7"):
        child.connect(30)
    child.end()


def test_a_child_that_never_listens_is_killed():
    child = Child((sys.executable, "-c", "import time; time.sleep(600)"))
    with pytest.raises(ChildEndedError, match="did not answer"):
        child.connect(0.5)
    child.end()


def test_what_cannot_be_started_is_named():
    with pytest.raises(DeviceError, match="cannot start the oracle with /no/such/python"):
        Child(("/no/such/python",), "the oracle")


def test_a_child_gets_memory_by_the_size_of_a_file_and_not_of_a_folder(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(1000))
    assert memory_for(file) == 8 * 2**30 + 4000
    for path in (tmp_path, tmp_path / "absent", tmp_path / ("x" * 300), file / "inside"):
        assert memory_for(path) == 8 * 2**30
