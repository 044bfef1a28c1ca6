"""A request to stop is polite, and a later one of the same kind is not."""

import os
import signal
import subprocess
import sys

import pytest

from training.signals import stop_on_signals

INSIST = """
import os, signal, sys, time
from training import signals
signals.ONE_REQUEST_SECONDS = 0.2
with signals.stop_on_signals() as stop:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here", stop.is_set(), stop.exit_code, flush=True)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)
    print("never said", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_only_sets_the_request(number):
    of_the_tests = signal.signal(number, signal.default_int_handler)  # under nohup they ignore SIGHUP
    try:
        with stop_on_signals() as stop:
            assert not stop.is_set()
            assert stop.exit_code == 0
            os.kill(os.getpid(), number)
            assert stop.is_set()
            assert stop.exit_code == 128 + number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, of_the_tests)


def test_a_terminal_that_closes_under_nohup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_same_request_passed_on_by_several_counts_once_and_a_later_one_ends_the_process():
    done = subprocess.run([sys.executable, "-P", "-c", INSIST], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.stdout == "still here True 143\n"
    assert done.returncode == -signal.SIGTERM


def test_another_kind_of_signal_later_is_polite_too():
    """As a scheduler's SIGTERM after a Ctrl-C; what was asked first names the exit code."""
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.exit_code == 128 + signal.SIGINT
