"""What a child process owes the parent that started it: an answer, a bound on its memory, and an end.

The other side is `training.child`.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory

ADDRESS = "ambiseg address: "  # begins the one line of the child's standard output that is meant for the parent


def answer_parent(grace: float = 0.0) -> Connection:
    """Called first: the connection to the parent that started this process.

    Standard input: the key as one line of hex, then nothing until its end says that the parent is gone.  Standard
    output: the socket's address as one line; whatever is printed besides goes to standard error.

    Parameters
    ----------
    grace : seconds between the parent's end and ours.  SIGTERM's handler, if there is one, runs at their
        beginning, on any platform.
    """
    # Ctrl-C in the terminal is for the parent; this process goes when the parent does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A library that prints must not write to a pipe that nobody reads any more: only the address goes there.
    answers = os.dup(1)
    os.dup2(2, 1)
    key = bytes.fromhex(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(grace,), daemon=True).start()
    with _tidy_end(), TemporaryDirectory(prefix="ambiseg-", ignore_cleanup_errors=True) as folder:
        address = None if sys.platform == "win32" else str(Path(folder) / "door")
        with Listener(address, authkey=key) as listener:
            os.write(answers, f"{ADDRESS}{listener.address}\n".encode())
            os.close(answers)
            return listener.accept()


@contextmanager
def _tidy_end() -> Iterator[None]:
    """A block that SIGTERM ends by an exception, so that what it made is taken away again."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with_parent(grace: float) -> None:
    """Wait for standard input to end, which it does when the parent does, then end this process too."""
    while os.read(0, 1):  # not sys.stdin.read(): its lock, held here, would trip the interpreter's own end
        pass
    if callable(signal.getsignal(signal.SIGTERM)):
        if sys.platform == "win32":
            _thread.interrupt_main(signal.SIGTERM)
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # wakes it where it waits, too
    time.sleep(grace)  # a child that looks at its connection ends by itself; this is for work that takes long
    os._exit(0)


def limit_memory(n_bytes: int) -> None:
    """Let this process take at most about ``n_bytes`` of address space from now on, and leave no core behind.

    Does nothing where the system knows no such limit (Windows), or does not let it be set (some of macOS).
    """
    if sys.platform == "win32":
        return
    import resource

    for limit, value in ((resource.RLIMIT_AS, n_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        with suppress(ValueError, OSError):  # macOS refuses a limit below what the system has mapped already
            resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def report_bug(error: Exception) -> str:
    """The one line on an error of ours that a parent can show; the traceback goes to standard error.

    To be called while the error is handled.
    """
    traceback.print_exc()
    return f"{type(error).__name__}: {error}".splitlines()[0]
