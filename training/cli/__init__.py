"""The command ``ambiseg``.  Each command parses, calls one thing, and prints; heavy imports wait until then."""

from __future__ import annotations

import signal
import sys

from training.cli import data, masks, models
from training.cli._app import app
from training.errors import AmbisegError

__all__ = ["app", "data", "main", "masks", "models"]


def main() -> None:
    """Run the command; a user's mistake is one line on standard error and exit code 2."""
    # So that a terminated command tidies up as an interrupted one does; `train` has its own, gentler way.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except AmbisegError as error:
        print(f"ambiseg: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
