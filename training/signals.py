"""Ctrl-C, SIGTERM and a closed terminal as a polite request: finish the step, write the checkpoint, then go."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A terminal, a batch system and the launcher may each pass on the same request; they do so within this time.
ONE_REQUEST_SECONDS = 2.0


class StopRequest:
    """Set by the first signal; one of the same kind some seconds later ends the process as usual."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._since: dict[int, float] = {}

    def is_set(self) -> bool:
        """Whether someone asked to stop."""
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """The shell's convention: 128 + signal number; 0 if nobody asked."""
        return 0 if self._signal is None else 128 + self._signal

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        now = time.monotonic()
        self._signal = self._signal or number
        if now - self._since.setdefault(number, now) >= ONE_REQUEST_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within the block SIGINT, SIGTERM and, unless it is ignored as by nohup, SIGHUP only set the request."""
    request = StopRequest()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # Windows has none
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, request.receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
