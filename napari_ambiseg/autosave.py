"""The session written down all the while, in case the window is lost, and offered to the next one.  No Qt."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from napari_ambiseg.background import Background, Work
from napari_ambiseg.browser import Browser
from napari_ambiseg.kept_runs import Drawing
from napari_ambiseg.lost_sessions import LostSessions
from napari_ambiseg.notices import advise, notify
from napari_ambiseg.session import Session
from napari_ambiseg.session_file import SessionRecord, read_session, write_session
from napari_ambiseg.state import Sessions
from training.errors import AmbisegError, ConfigError

_LOG = logging.getLogger(__name__)
_PAUSE_S = 5.0  # between two writings


class Autosave:
    """Keeps the session of one window in a file of its own until the user saved it.

    Parameters
    ----------
    state : gets what an earlier window left behind
    session : what is written down
    browser : has the case, without which nothing is
    on : whether anything is written
    folder : where; None takes the user's folder for states of programs
    """

    def __init__(
        self,
        state: Sessions,
        session: Session,
        browser: Browser,
        on: bool = True,
        folder: Path | None = None,
    ) -> None:
        self._state, self._session, self._browser, self._on = state, session, browser, on
        self._lost = LostSessions(f"{id(self):x}", folder)
        self._offer: Path | None = None
        self._changes = self._kept = self._writing = 0  # how many there were, are written, are being written now
        self._next, self._looked, self._failing = 0.0, False, False
        self._background = Background("ambiseg-session", self._on_written, lambda: None, self._on_failed)
        session.changed.connect(self._on_changed)

    def look_for_lost(self) -> None:
        """Offer what an earlier window left behind, if anything."""
        self._offer, self._state.offered = self._lost.newest() or (None, "")
        for line in self._lost.troubles():
            advise(line)

    def restore(self) -> None:
        """Take what is offered.

        Raises
        ------
        ConfigError, DataFormatError, DeviceError
            As `Session.open`, and if another window has taken it by now.
        """
        offer = self._offer
        if offer is None:
            return
        if not offer.exists():
            self._withdraw()
            raise ConfigError("another window has restored or discarded that session; go on with what is open")
        self._session.take(read_session(offer))
        self._lost.adopt(offer)
        self._session.touch()  # it is in no file of the user's
        self._withdraw()

    def discard(self) -> None:
        """Do away with what is offered."""
        if self._offer is not None:
            self._lost.remove(self._offer)
        self._withdraw()

    def update(self) -> None:
        """Write the session down, if something changed and some seconds went by; what failed is tried again."""
        if not self._looked:
            self._looked = True
            self.look_for_lost()
        self._background.poll()
        now = time.monotonic()
        if not self._is_due or self._background.busy or now < self._next:
            return
        self._writing, self._next = self._changes, now + _PAUSE_S
        try:
            settings = self._session.without_drawings()
        except AmbisegError as error:
            self._on_failed(error)
            return
        self._background.start(self._write(settings, self._session.drawings()))

    def close(self) -> None:
        """The window goes: what the user did not save is kept as the last session."""
        self._background.close()
        if self._session.is_saved:
            self._lost.remove(self._lost.own)  # the user has all of it
            return
        try:
            if self._is_due:
                for _ in self._write(self._session.without_drawings(), self._session.drawings()):
                    pass
            self._lost.leave()
        except (AmbisegError, OSError) as error:
            _LOG.error("the session is lost: %s", error)  # the window that could tell it may be gone
            notify(f"the session is lost: {error}")

    @property
    def _is_due(self) -> bool:
        """Whether there is anything that is neither written down nor in a file of the user's."""
        stale = self._changes != self._kept and not self._session.is_saved
        return self._on and stale and self._browser.case is not None

    def _withdraw(self) -> None:
        self._offer, self._state.offered = None, ""

    def _on_changed(self) -> None:
        if self._changes == self._kept:
            self._next = max(self._next, time.monotonic() + _PAUSE_S)
        self._changes += 1

    def _write(self, settings: SessionRecord, drawings: Sequence[Drawing]) -> Work:
        """Beside the window, since packing masks and waiting for a disk take a while."""
        folder = self._lost.own.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {folder}: {error.strerror or error}") from error
        write_session(self._lost.own, self._session.packed(settings, drawings))
        yield 1.0

    def _on_written(self) -> None:
        self._kept, self._failing = self._writing, False
        self._session.tell_when()

    def _on_failed(self, error: AmbisegError) -> None:
        """It stays to be written; told once, until it works again."""
        if not self._failing:
            notify(f"the session could not be written down; it is tried again and again: {error}")
        self._failing = True
