"""What the tests of child processes share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture
def command() -> tuple[str, ...]:
    """Starts a child that does what it is told; what may follow names the file in which it notes a SIGTERM."""
    return (sys.executable, "-P", str(Path(__file__).with_name("behaving_process.py")))
