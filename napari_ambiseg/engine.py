"""The door to the sampling process: start, stream steps, cancel, restart.  No Qt, no torch.

Sampling runs in one child process, so that the window never stalls, memory of the device is given back when the
child ends, and a crash costs a message.  The child is a plain ``python -m`` and not a multiprocessing spawn, which
would run a user's unguarded main script a second time.  It listens on a private socket; the key to it goes
through its standard input, never over the command line, which other users can read.  That same pipe is the
child's lifeline: when the viewer's process ends, however it ends, the child reads end-of-file and ends too.

Nothing here blocks the caller.  Two daemon threads per child do the waiting: one connects and receives, the
other sends.
"""

from __future__ import annotations

import atexit
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from queue import Empty, SimpleQueue

from napari_ambiseg.messages import (
    Answer,
    Cancel,
    Cancelled,
    Command,
    Devices,
    DevicesWanted,
    Died,
    Failed,
    Finished,
    SampleRequest,
)
from training.errors import DeviceError

ADDRESS = "ambiseg address: "  # begins the one line of the child's standard output that is meant for us
_COMMAND = (sys.executable, "-P", "-m", "napari_ambiseg.engine_process")
_PATIENCE = 2.0  # seconds that a child gets to end by itself, or after SIGTERM


class _Child:
    """One life of the sampling process, with the two threads that talk to it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.inbox: SimpleQueue[Answer] = SimpleQueue()
        self.outbox: SimpleQueue[Command | None] = SimpleQueue()
        self._ending = False
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace"
            )
        except OSError as error:
            raise DeviceError(f"cannot start the sampling process with {command[0]}: {error.strerror}") from error
        self._receiver = threading.Thread(target=self._receive, name="ambiseg-receive", daemon=True)
        self._receiver.start()

    def _receive(self) -> None:
        """Connect, then pass on every answer until the child hangs up."""
        key = secrets.token_bytes(32)
        try:
            if address := self._address(key):
                with Client(address, authkey=key) as connection:
                    sender = threading.Thread(target=self._send, args=(connection,), name="ambiseg-send", daemon=True)
                    sender.start()
                    while True:
                        self.inbox.put(connection.recv())
        except (EOFError, OSError, AuthenticationError):
            pass  # the child is of no use any more: said below, once, whatever the way
        finally:
            self.outbox.put(None)
            if not self._ending:
                self.inbox.put(Died(_obituary(self._last_code())))

    def _address(self, key: bytes) -> str:
        """Hand over the key and read where the child listens; "" if it ends before it does.

        Libraries may print while they are imported, before our own code can keep them from it; such lines are
        passed over.
        """
        assert self.process.stdin is not None and self.process.stdout is not None  # noqa: S101, PT018 - for mypy
        self.process.stdin.write(key.hex() + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(ADDRESS):
                return line.removeprefix(ADDRESS).strip()
        return ""

    def _send(self, connection: Connection) -> None:
        while (command := self.outbox.get()) is not None:
            try:
                connection.send(command)
            except OSError:
                return  # the receiving thread sees the same end and reports it

    def _last_code(self) -> int:
        """Exit code of a child that hung up."""
        try:
            return self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        """End the process for good; it has nothing to save."""
        self._ending = True
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._receiver.join(_PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _obituary(code: int) -> str:
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    hint = " (often: out of memory)" if code == -9 else ""
    return f"the sampling process ended {how}{hint}; Generate starts a new one, with fewer samples if it happens again"


class Engine:
    """Starts, feeds and ends the sampling process; the newest request wins.

    The model stays warm in the process between requests.

    Parameters
    ----------
    command : how to start the process; its standard input and output follow `engine_process.main`
    """

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._command = tuple(command)
        self._child: _Child | None = None
        self.generation = 0
        self.busy = False

    @property
    def pid(self) -> int | None:
        """Process id of the sampling process, None while there is none."""
        return self._child.process.pid if self._child is not None and self._child.alive else None

    def start(self, request: SampleRequest) -> int:
        """Send a request under a new generation number, which is returned; an older one becomes stale.

        Raises
        ------
        DeviceError
            If no process can be started.
        """
        self._send(replace(request, generation=self.generation + 1))
        self.generation += 1
        self.busy = True
        return self.generation

    def ask_devices(self) -> None:
        """Ask which devices there are; `Devices` comes back through `poll`.  Errors as in `start`."""
        self._send(DevicesWanted())

    def cancel(self) -> None:
        """Stop the current request before its next step; `Cancelled` comes back through `poll`."""
        if self.busy and self._child is not None:
            self._child.outbox.put(Cancel(self.generation))

    def poll(self) -> list[Answer]:
        """Everything that came in since the last call, without what is stale.  Never waits."""
        answers: list[Answer] = []
        while self._child is not None:
            try:
                answer = self._child.inbox.get_nowait()
            except Empty:
                break
            if isinstance(answer, Died):
                self._child.end()
                self._child, self.busy = None, False
            elif not isinstance(answer, Devices) and answer.generation != self.generation:
                continue
            elif isinstance(answer, Finished | Failed | Cancelled):
                self.busy = False
            answers.append(answer)
        return answers

    def stop(self) -> None:
        """End the sampling process.  A later request starts a new one."""
        if self._child is not None:
            self._child.end()
        self._child, self.busy = None, False
        atexit.unregister(self.stop)

    def _send(self, command: Command) -> None:
        if self._child is None:
            self._child = _Child(self._command)
            atexit.unregister(self.stop)
            atexit.register(self.stop)
        self._child.outbox.put(command)
