"""A conversation with a child process in which nothing blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from training.child import PATIENCE, Child, ChildEndedError

Message = TypeVar("Message")


class Talk(Generic[Message]):
    """Two daemon threads around a child do the waiting.

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
