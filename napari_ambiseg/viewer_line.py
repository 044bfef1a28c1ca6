"""The sampling process's end of the line to its viewer: commands come in, answers go out."""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection

from napari_ambiseg.messages import Answer, Command


class ViewerGoneError(Exception):
    """The other end of the connection is closed."""


class ViewerLine:
    """A connection, and the commands that came in and wait.

    The model may raise an OSError of its own; only those of the connection mean that the viewer is gone.  All methods
    raise `ViewerGoneError` then.

    Attributes
    ----------
    waiting : commands that nobody looked at yet, the oldest first
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.waiting: deque[Command] = deque()

    def take_in(self) -> None:
        """Take in what came, without waiting."""
        try:
            while self._connection.poll():
                self.waiting.append(self._connection.recv())
        except (EOFError, OSError) as error:
            raise ViewerGoneError from error

    def receive(self) -> Command:
        """Wait for the next command that comes."""
        try:
            command: Command = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ViewerGoneError from error
        return command

    def send(self, answer: Answer) -> None:
        """Send an answer."""
        try:
            self._connection.send(answer)
        except OSError as error:
            raise ViewerGoneError from error
