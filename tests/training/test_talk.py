"""A conversation with a child that answers, dies or babbles; nobody waits for it."""

import time
from queue import Empty

import psutil
import pytest

from training.child import Child
from training.talk import Talk


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
    assert not psutil.pid_exists(talk.child.process.pid)
    assert talk.inbox.empty()
