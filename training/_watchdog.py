"""A clock that barks when something takes too long.

It keeps one thread, which seldom wakes: a `threading.Timer` for every answer of a child would cost more than most
answers do.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Watchdog:
    """Calls ``bark(timeout)`` when a time is up, unless it was told to `rest` before."""

    def __init__(self, bark: Callable[[float], None]) -> None:
        self._bark = bark
        self._changed = threading.Condition()
        self._due: float | None = None  # when to bark, None while there is nothing to watch
        self._timeout = 0.0
        self._wakes = math.inf  # when the thread looks at the clock next
        self._thread: threading.Thread | None = None

    def watch(self, timeout: float) -> None:
        """Begin to wait for ``timeout`` seconds."""
        with self._changed:
            self._timeout, self._due = timeout, time.monotonic() + timeout
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ambiseg-watchdog", daemon=True)
                self._thread.start()
            elif self._due < self._wakes:
                self._changed.notify()

    def rest(self) -> None:
        """Stop waiting."""
        self._due = None  # the thread need not know before it wakes

    def end(self) -> None:
        """Let the thread end; nothing is watched any more."""
        with self._changed:
            self._due, self._timeout = None, -1.0
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while self._timeout >= 0:
                due = self._due
                if due is not None and due <= time.monotonic():
                    self._due = None
                    self._bark(self._timeout)
                else:
                    self._wakes = math.inf if due is None else due
                    self._changed.wait(None if due is None else due - time.monotonic())
