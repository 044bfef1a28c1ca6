"""What the user is told when something did not work: one notification, one line, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import AmbisegError


def notify(text: str) -> None:
    """Say that something failed."""
    from napari.utils.notifications import show_error

    show_error(text)


def advise(text: str) -> None:
    """Say what has to be done first."""
    from napari.utils.notifications import show_warning

    show_warning(text)


@contextmanager
def notifying() -> Iterator[None]:
    """Turn an error that is meant for the user into its notification; anything else is a bug and goes on."""
    try:
        yield
    except AmbisegError as error:
        notify(str(error))
