"""What the tests of child processes and of commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks and tensors this small only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def command() -> tuple[str, ...]:
    """Starts a child that does what it is told; what may follow names the file in which it notes a SIGTERM."""
    return (sys.executable, "-P", str(Path(__file__).with_name("behaving_process.py")))


@pytest.fixture(scope="session")
def forked() -> Iterator[Command]:
    """Runs ``python -m training`` in a process of its own, and most quickly: torch is imported only once."""
    if not hasattr(os, "fork"):
        yield _started
        return
    script = Path(__file__).with_name("forked_commands.py")
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:

        def run(*arguments: object) -> subprocess.CompletedProcess[str]:
            command = [str(argument) for argument in arguments]
            print(json.dumps(command), file=server.stdin, flush=True)
            return subprocess.CompletedProcess(command, *json.loads(server.stdout.readline()))

        yield run
        server.stdin.close()


def _started(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "training", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
