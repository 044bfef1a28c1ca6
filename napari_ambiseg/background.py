"""One piece of work at a time that is done beside the window, in a thread of its own.  No Qt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator

from training.errors import AmbisegError

#: Yields how far it is, from 0 to 1; where it is not gone on with, it leaves nothing behind.
Work = Generator[float]

_LOG = logging.getLogger(__name__)


class Background:
    """Runs a generator to its end, unless it is cancelled.

    Parameters
    ----------
    name : whose work it is; the thread is called so
    done : called from `poll` when the work has come to its end
    cancelled : called from `poll` when it was cancelled
    failed : called from `poll` with an error that is meant for the user; any other one is raised by `poll`
    """

    def __init__(
        self,
        name: str,
        done: Callable[[], None],
        cancelled: Callable[[], None],
        failed: Callable[[AmbisegError], None],
    ) -> None:
        self._name = name
        self._done, self._cancelled, self._failed = done, cancelled, failed
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._ended = False
        self.share = 0.0

    @property
    def busy(self) -> bool:
        """Whether something is under way, or its end was not told yet."""
        return self._thread is not None

    def start(self, work: Work) -> None:
        """Begin; only while nothing else is under way."""
        self._stop, self._error, self._ended, self.share = threading.Event(), None, False, 0.0
        self._thread = threading.Thread(target=self._run, args=(work, self._stop), name=self._name, daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop at the next place where that can be done."""
        self._stop.set()

    def poll(self) -> None:
        """Tell of the end, if it came; to be called again and again from the window's thread."""
        if self._thread is None or self._thread.is_alive():
            return
        self._thread = None
        if isinstance(self._error, AmbisegError):
            self._failed(self._error)
        elif self._error is not None:
            raise self._error
        elif self._ended:
            self._done()
        else:
            self._cancelled()

    def close(self) -> None:
        """Stop, wait until nothing is written any more, and tell of the end as `poll` does.

        The window may be gone: an error is written to the log too, and a bug there alone, so that the rest is closed.
        """
        self.cancel()
        if self._thread is None:
            return
        self._thread.join()
        error = self._error
        if error is None:
            self.poll()
        elif isinstance(error, AmbisegError):
            _LOG.error("%s: %s", self._name, error)
            self.poll()
        else:
            self._thread = None
            _LOG.error("%s ended at its close:", self._name, exc_info=error)

    def _run(self, work: Work, stop: threading.Event) -> None:
        try:
            for share in work:
                self.share = share
                if stop.is_set() and share < 1:
                    work.close()
                    return
            self._ended = True
        except BaseException as error:
            self._error = error
