"""The command ``ambiseg``.  Each command parses, calls one thing, and prints; heavy imports wait until then."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from typing import NoReturn

from training.cli import ablate, bench, bench_gpu, compare, data, evaluate, gpu_check, models, report, sample
from training.cli._app import app
from training.errors import AmbisegError

__all__ = [
    "ablate",
    "app",
    "bench",
    "bench_gpu",
    "compare",
    "data",
    "evaluate",
    "gpu_check",
    "main",
    "models",
    "report",
    "sample",
]


def main() -> None:
    """Run the command; a user's mistake is one line on standard error and exit code 2."""
    # So that a terminated command tidies up as an interrupted one does; `train` has its own, gentler way.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name of a file may have what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except AmbisegError as error:
        _give_up(str(error))
    except FileNotFoundError:
        if _folder_is_there():
            raise
        _give_up("the current folder was deleted; go to another one")


def _give_up(line: str) -> NoReturn:
    print(f"ambiseg: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _folder_is_there() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True
