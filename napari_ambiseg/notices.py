"""What the user is told when something did not work: one notification, one line, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

from training.errors import AmbisegError

_P = ParamSpec("_P")

#: What stands where something would be told of experts or model during a blind read, and what has to be done then.
BLIND = "Blind read: reveal to see"
REVEAL_FIRST = "this is a blind read: reveal first"
#: What is said of the maps side by side, and what has to be done then.
NO_MAP_BESIDE = "Side by side there is no map"
ONE_PICTURE_FIRST = "side by side there is no map: go back to one picture first, in Compare"
#: What has to be done where no case is shown, in short and in full.
NOTHING_OPEN = "open a case first"
OPEN_FIRST = f"{NOTHING_OPEN}: the demo cases, or a file of annotated slices"


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


def notified(verb: Callable[_P, object]) -> Callable[_P, None]:
    """The same verb for a button, key or menu to call: `notifying`, and without an answer."""

    @wraps(verb)
    def told(*args: _P.args, **kwargs: _P.kwargs) -> None:
        with notifying():
            verb(*args, **kwargs)

    return told
