"""A child process answers, dies, hangs or babbles; its parent is never stuck, and never leaves it behind."""

import subprocess
import sys
import textwrap
import time
from queue import Empty

import psutil
import pytest

from training.child import Child, ChildEndedError, Talk
from training.errors import DeviceError

BEHAVIOUR = """
    import os, signal, sys, time
    from pathlib import Path
    from training.child import answer_parent, limit_memory
    print("a library greets the world while it is imported")

    def note(*_):
        Path(sys.argv[1]).write_text("told")
        raise SystemExit(3)

    if len(sys.argv) > 1:
        signal.signal(signal.SIGTERM, note)
    connection = answer_parent(5.0 if len(sys.argv) > 1 else 0.0)
    while True:
        match connection.recv_bytes().decode().split():
            case ["echo", text]:
                print("noise", text)
                connection.send_bytes(text.encode())
            case ["signal", number]:
                os.kill(os.getpid(), int(number))
            case ["exit", code]:
                os._exit(int(code))
            case ["hang"]:
                time.sleep(600)
            case ["half"]:  # announce a message of 100 bytes, send one, and stop there
                os.write(connection.fileno(), b"\\0\\0\\0\\x64x")
                time.sleep(600)
            case ["hang", "up"]:
                connection.close()
                time.sleep(600)
            case ["take", gigabytes]:
                limit_memory(2**30)
                try:
                    taken = bytearray(int(gigabytes) * 2**30)
                    connection.send_bytes(b"taken")
                except MemoryError:
                    connection.send_bytes(b"refused")
"""


@pytest.fixture
def command(tmp_path):
    script = tmp_path / "behaviour.py"
    script.write_text(textwrap.dedent(BEHAVIOUR))
    return (sys.executable, "-P", str(script))


@pytest.fixture
def child(command):
    child = Child(command)
    yield child
    child.end()
    assert not psutil.pid_exists(child.process.pid)


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_answers_come_back_and_what_is_printed_does_not_disturb_them(child):
    for text in ("one", "two", "x" * 100_000):
        assert child.ask(b"echo " + text.encode(), 30) == text.encode()
    assert child.alive


def test_the_key_is_not_on_the_command_line(child, command):
    child.ask(b"echo hello", 30)
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
        child.ask(message.encode(), 30)
    assert str(ended.value) == how
    assert not ended.value.silent
    assert not child.alive


@pytest.mark.parametrize("message", ["hang", "half"])
def test_a_child_that_does_not_answer_in_time_is_killed(child, message):
    child.ask(b"echo hello", 60)  # a long limit before must not delay the short one
    started = time.monotonic()
    with pytest.raises(ChildEndedError, match=r"did not answer within 0\.3 s") as ended:
        child.ask(message.encode(), 0.3)
    assert ended.value.silent
    assert 0.3 <= time.monotonic() - started < 2.0
    assert not child.alive


def test_a_limit_that_was_kept_does_not_end_the_child_later(child):
    child.ask(b"echo start", 60)
    for _ in range(3):
        assert child.ask(b"echo quick", 0.5) == b"quick"
    time.sleep(0.7)
    assert child.ask(b"echo alive", 0.5) == b"alive"


def test_a_child_that_hangs_up_but_lives_on_is_ended(child):
    with pytest.raises(ChildEndedError, match="hung up"):
        child.ask(b"hang up", 30)
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


def test_a_longer_answer_than_allowed_ends_the_child(child):
    with pytest.raises(ChildEndedError):
        child.ask(b"echo " + b"x" * 1000, 30, longest=999)
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of address space are Linux's")
def test_a_child_cannot_take_more_memory_than_it_may(command):
    child = Child(command)
    assert child.ask(b"take 2", 30) == b"refused"
    assert child.ask(b"echo alive", 30) == b"alive"
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


def test_a_child_is_told_of_its_parents_end_by_its_own_handler_of_sigterm(command, tmp_path):
    told = tmp_path / "told"
    with parent_of_a_child((*command, str(told)), b"hang") as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(told.exists)
    wait_until(lambda: gone(pid))


def conversation(command):
    return Talk(
        Child(command),
        farewell=lambda how: f"farewell: {how}".encode(),
        receive=lambda connection: connection.recv_bytes(),
        send=lambda connection, message: connection.send_bytes(message),
    )


def test_a_talk_waits_for_nothing_and_keeps_the_order(command):
    started = time.monotonic()
    talk = conversation(command)
    for number in range(50):
        talk.outbox.put(f"echo {number}".encode())
    with pytest.raises(Empty):
        talk.inbox.get_nowait()
    assert time.monotonic() - started < 0.25
    assert [talk.inbox.get(timeout=30) for _ in range(50)] == [str(number).encode() for number in range(50)]
    talk.end()
    assert talk.inbox.empty()


def test_a_talk_ends_with_one_farewell(command):
    talk = conversation(command)
    talk.outbox.put(b"exit 4")
    talk.outbox.put(b"echo never")
    assert talk.inbox.get(timeout=30) == b"farewell: ended with exit code 4"
    talk.end()
    assert talk.inbox.empty()


def test_a_talk_with_a_child_that_babbles_is_ended_with_a_farewell(command):
    talk = Talk(
        Child(command),
        farewell=lambda how: how,
        receive=lambda connection: int(connection.recv_bytes()),
        send=lambda connection, message: connection.send_bytes(message),
    )
    for message in (b"echo 5", b"echo five"):
        talk.outbox.put(message)
    assert talk.inbox.get(timeout=30) == 5
    assert talk.inbox.get(timeout=30) == "sent a message that makes no sense (ValueError) and was ended"
    assert not talk.child.alive
    talk.end()


def test_a_talk_that_is_ended_says_no_farewell(command):
    talk = conversation(command)
    talk.outbox.put(b"hang")
    talk.end()
    assert gone(talk.child.process.pid)
    assert talk.inbox.empty()
