"""A process of our own that may die: started, spoken to, watched, and never left behind.

The child is a plain ``python -m`` and not a multiprocessing spawn, which would run a user's unguarded main script a
second time.  It listens on a private socket; the key to it goes through its standard input, never over the command
line, which other users can read.  That same pipe is the child's lifeline: when its parent ends, however it ends, the
child reads end-of-file and ends too.

`Child` is the parent's side and blocks, but for no longer than it is told to; `Talk` puts two threads around it, so
that nothing blocks.  `answer_parent` and `limit_memory` are the child's side.
"""

from __future__ import annotations

import _thread
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import ProcessError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from training._watchdog import Watchdog
from training.errors import DeviceError

ADDRESS = "ambiseg address: "  # begins the one line of the child's standard output that is meant for us
PATIENCE = 2.0  # seconds that a child gets to end by itself, or after SIGTERM

# For a child whose work needs no threads; each would take address space that `limit_memory` counts.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

_GONE = (EOFError, OSError, ProcessError)  # what a connection raises when the other end is of no use any more

Message = TypeVar("Message")


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs a module of ours, whatever the working folder holds."""
    return (sys.executable, "-P", "-m", module)


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
            raise DeviceError(f"cannot start {name} with {command[0]}: {error.strerror}") from error

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

    def ask(self, message: bytes, timeout: float | None, longest: int = 2**30) -> bytes:
        """Send a message and wait for the answer, of at most ``longest`` bytes; connects first; errors as in `within`.

        A child that does not answer within ``timeout`` seconds is killed.
        """
        connection = self.connection or self.connect(timeout)
        with self.within(timeout):
            connection.send_bytes(message)
            return connection.recv_bytes(longest)

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


class Talk(Generic[Message]):
    """A conversation with a child in which nothing blocks: two daemon threads do the waiting.

    Parameters
    ----------
    child : a child that was not connected yet
    farewell : makes the last message out of how the child ended; not called after `end`
    receive, send : how one message is taken from and given to the connection; if ``receive`` cannot make sense of
        one, the child is ended

    Attributes
    ----------
    inbox : what the child sent, in order
    outbox : what it is to be sent
    """

    def __init__(
        self,
        child: Child,
        farewell: Callable[[str], Message],
        receive: Callable[[Connection], Message] = Connection.recv,
        send: Callable[[Connection, Any], None] = Connection.send,
    ) -> None:
        self.child = child
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.outbox: SimpleQueue[Any] = SimpleQueue()  # None ends it
        self._farewell, self._receive, self._send = farewell, receive, send
        self._ending = False
        self._receiver = threading.Thread(target=self._listen, name="ambiseg-receive", daemon=True)
        self._receiver.start()

    def _listen(self) -> None:
        """Connect, then pass on every message until the child hangs up."""
        try:
            connection = self.child.connect()
            threading.Thread(target=self._speak, args=(connection,), name="ambiseg-send", daemon=True).start()
            with self.child.within(None):
                while True:
                    self.inbox.put(self._receive(connection))
        except ChildEndedError as ended:
            self._take_leave(str(ended))
        except Exception as error:  # of `receive`; the child was killed on the way here
            self._take_leave(f"sent a message that makes no sense ({type(error).__name__}) and was ended")
        finally:
            self.outbox.put(None)

    def _take_leave(self, how: str) -> None:
        if not self._ending:
            self.inbox.put(self._farewell(how))

    def _speak(self, connection: Connection) -> None:
        while (message := self.outbox.get()) is not None:
            try:
                self._send(connection, message)
            except OSError:
                return  # the receiving thread sees the same end and reports it

    def end(self, patience: float = PATIENCE) -> None:
        """End the process for good, without a farewell; ``patience`` as in `Child.end`."""
        self._ending = True
        self.child.stop(patience)
        self._receiver.join(PATIENCE)  # before the connection is closed, whose number another file could get
        self.child.close()


def answer_parent(grace: float = 0.0) -> Connection:
    """In the child, called first: the connection to the parent that started this process.

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
    with TemporaryDirectory(prefix="ambiseg-", ignore_cleanup_errors=True) as folder:
        address = None if sys.platform == "win32" else str(Path(folder) / "door")
        with Listener(address, authkey=key) as listener:
            os.write(answers, f"{ADDRESS}{listener.address}\n".encode())
            os.close(answers)
            return listener.accept()


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
