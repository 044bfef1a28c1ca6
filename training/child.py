"""A process of our own that may die: started, spoken to, watched, and never left behind.

The child is a plain ``python -m`` and not a multiprocessing spawn, which would run a user's unguarded main script a
second time.  It listens on a private socket; the key to it goes through its standard input, never over the command
line, which other users can read.  That same pipe is the child's lifeline: when its parent ends, however it ends, the
child reads end-of-file and ends too.

`Child` is the parent's side and blocks, but for no longer than it is told to; `training.talk` puts two threads around
it, so that nothing blocks.  The child's side is `training.parent`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import ProcessError
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import TypeVar

from training._watchdog import Watchdog
from training.errors import DeviceError
from training.parent import ADDRESS

#: Why a child dies of what it reads, for a message.
BLAME = "the source is damaged, made to do harm, or too large for this machine"

PATIENCE = 2.0  # seconds that a child gets to end by itself, or after SIGTERM

# For a child whose work needs no threads; each would take address space that `training.parent.limit_memory` counts.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

_GONE = (EOFError, OSError, ProcessError)  # what a connection raises when the other end is of no use any more
_MEMORY = 8 * 2**30  # bytes, besides four times the size of a source that is one file

Answer = TypeVar("Answer")


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs a module of ours, whatever the working folder holds."""
    return (sys.executable, "-P", "-m", module)


def memory_for(source: Path) -> int:
    """Bytes that a child may take to go through a source: 8 GiB, and four times a source that is one file."""
    try:
        return _MEMORY + 4 * (source.stat().st_size if source.is_file() else 0)
    except OSError:  # the child meets it too, and tells
        return _MEMORY


class ChildEndedError(Exception):
    """The child ended, or was ended because it did not answer; the text goes on after "it" or its name.

    Attributes
    ----------
    silent : whether it was ended because it did not answer in time
    """

    def __init__(self, how: str, *, silent: bool = False) -> None:
        super().__init__(how)
        self.silent = silent


class Child:
    """One life of a child process, seen from its parent.

    Parameters
    ----------
    command : how to start it; it must call `answer_parent`
    name : what messages call it, such as ``the sampling process``
    environment : variables that it gets besides ours

    Raises
    ------
    DeviceError
        If no process can be started.
    """

    def __init__(
        self, command: Sequence[str], name: str = "the child process", environment: Mapping[str, str] | None = None
    ) -> None:
        self.connection: Connection | None = None
        self._silence: float | None = None  # how long it did not answer before it was ended for that
        self._watchdog = Watchdog(self._give_up)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise DeviceError(
                f"cannot start {name} with {command[0]}: {error.strerror}; "
                "end other programs, or install this one again"
            ) from error

    @property
    def alive(self) -> bool:
        """Whether it runs, and is not just being ended for its silence."""
        return self.process.poll() is None and self._silence is None

    def connect(self, timeout: float | None = None) -> Connection:
        """Wait until the child listens, and go there; errors and ``timeout`` as in `within`."""
        key = secrets.token_bytes(32)
        with self.within(timeout):
            address = self._address(key)
            self.connection = Client(address, authkey=key)
        return self.connection

    def _address(self, key: bytes) -> str:
        """Hand over the key and read where the child listens.

        Libraries may print while they are imported, before our own code can keep them from it; such lines are
        passed over.
        """
        assert self.process.stdin is not None and self.process.stdout is not None  # noqa: S101, PT018 - for mypy
        self.process.stdin.write(key.hex() + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(ADDRESS):
                return line.removeprefix(ADDRESS).strip()
        raise EOFError

    @contextmanager
    def within(self, timeout: float | None) -> Iterator[None]:
        """A block that waits for the child, which is killed if the block takes longer than ``timeout`` seconds.

        An exchange that breaks off half-way leaves the rest of an answer behind, so after any other error the
        child is killed as well.

        Raises
        ------
        ChildEndedError
            If the child ended within the block, or was killed for its silence.
        """
        if timeout is not None:
            self._watchdog.watch(timeout)
        try:
            yield
        except _GONE as error:
            raise ChildEndedError(self.epitaph(), silent=self._silence is not None) from error
        except BaseException:
            self.process.kill()
            self._await_end()
            raise
        finally:
            self._watchdog.rest()

    def _give_up(self, timeout: float) -> None:
        self._silence = timeout
        self.process.kill()

    def ask(self, message: bytes, receive: Callable[[Connection], Answer], timeout: float | None) -> Answer:
        """Send a message and let ``receive`` take the answer; connects first; errors as in `within`.

        A child whose whole answer is not there within ``timeout`` seconds is killed, and so is one whose answer
        ``receive`` raises an error of its own at.
        """
        connection = self.connection or self.connect(timeout)
        with self.within(timeout):
            connection.send_bytes(message)
            return receive(connection)

    def epitaph(self) -> str:
        """How a child that hung up came to its end, such as ``ended by signal 11``; one that lives on is killed."""
        code = self._await_end()
        if self._silence is not None:
            return f"did not answer within {self._silence:.1f} s"
        if code is None:
            self.process.kill()
            return "hung up"
        hint = " (often: out of memory)" if code == -9 else ""
        return f"ended by signal {-code}{hint}" if code < 0 else f"ended with exit code {code}"

    def end(self, patience: float = PATIENCE) -> None:
        """End the process for good: by SIGTERM, and if that does not help within ``patience`` seconds by force."""
        self.stop(patience)
        self.close()

    def stop(self, patience: float = PATIENCE) -> None:
        """The first half of `end`."""
        self.process.terminate()
        if self._await_end(patience) is None:
            self.process.kill()
            self._await_end()

    def close(self) -> None:
        """The second half of `end`: let go of what connects to the child."""
        self._watchdog.end()
        if self.connection is not None:
            self.connection.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was not read by the dead child is of no interest
                    pipe.close()

    def _await_end(self, patience: float = PATIENCE) -> int | None:
        """Exit code, or None after a while: even a killed process stays as long as its disk does not answer."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
