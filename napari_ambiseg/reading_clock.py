"""How long a case is read.  No Qt."""

from __future__ import annotations

import time


class ReadingClock:
    """A stop watch that tells what went by since it was looked at last."""

    def __init__(self) -> None:
        self._since: float | None = None

    def start(self) -> None:
        """Begin anew."""
        self._since = time.monotonic()

    def stop(self) -> None:
        """From now on nothing goes by."""
        self._since = None

    def lap(self) -> float:
        """Seconds since `start` or the last lap; 0 while it is stopped."""
        if self._since is None:
            return 0.0
        before, self._since = self._since, time.monotonic()
        return self._since - before
