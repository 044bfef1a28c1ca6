"""The session: saved and opened by the user, and written down all the while in case the window is lost.  No Qt."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from napari_ambiseg.background import Background, Work
from napari_ambiseg.browser import Browser, open_cases
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.kept_runs import absolute, is_lasting, record_of, run_of
from napari_ambiseg.kept_settings import KeptSettings, records_of, signals_of
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.lost_sessions import LostSessions
from napari_ambiseg.notices import advise, notify
from napari_ambiseg.placing import Placer
from napari_ambiseg.runs import Run, RunCache
from napari_ambiseg.session_file import SUFFIX, OriginRecord, RunRecord, SessionRecord, read_session, write_session
from napari_ambiseg.state import ViewerState
from napari_ambiseg.survey import CaseSet, require_case
from training.errors import AmbisegError, ConfigError, DataFormatError
from training.records import BoolArray

_LOG = logging.getLogger(__name__)
_PAUSE_S = 5.0  # between two writings of its own


class Session:
    """Keeps what was done in one viewer.

    Parameters
    ----------
    state, browser, placer, runs : what is kept
    book : flags, notes and own masks of all cases
    autosave : whether it is written down without being asked
    folder : for what is written by itself; None takes the user's folder for states of programs
    """

    def __init__(
        self,
        state: ViewerState,
        browser: Browser,
        placer: Placer,
        runs: RunCache,
        book: Casebook,
        autosave: bool = True,
        folder: Path | None = None,
    ) -> None:
        self._state, self._browser, self._placer, self._runs, self._book = state, browser, placer, runs, book
        self._lost = LostSessions(f"{id(self):x}", folder)
        self._restored: dict[Origin, RunRecord] = {}  # drawings of a session that was opened, of cases not shown yet
        # By identity of the masks, which stay as long as their entry; a run would keep its walk with it.
        self._packed: dict[int, tuple[BoolArray, RunRecord]] = {}
        self._offer: Path | None = None
        self._changes = 0  # how many there were; of those:
        self._saved = self._kept = self._writing = 0  # in the user's file, written down by itself, being written now
        self._next, self._looked, self._failing = 0.0, False, False
        self._background = Background("ambiseg-session", self._on_written, lambda: None, self._on_failed)
        self._autosave = autosave
        book.changed.connect(self._mark_stale)
        finished = state.disagreement.events.processed  # is there when a drawing is finished, not while it is made
        for signal in (state.browsing.events.index, finished, *signals_of(state)):
            signal.connect(self._mark_stale)

    def save(self, path: Path) -> None:
        """Write the session to a file of the user's.

        Raises
        ------
        ConfigError
            On a name of another end, or if it cannot be written.
        """
        if not path.name.lower().endswith(SUFFIX):
            raise ConfigError(f"the name of a session must end in {SUFFIX}, got {path.name!r}")
        write_session(path, self.record())
        self._state.sessions.path = str(path)
        self._saved = self._kept = self._changes
        self._tell_when()

    def open(self, path: Path) -> None:
        """Go back to a session: its data, case, settings, notes and drawings.

        Raises
        ------
        ConfigError, DataFormatError, DeviceError
            If it is no session, a setting is impossible, or its data or its case cannot be read any more; what is
            open stays as it is then.
        """
        record, unsaved = read_session(path), not self._is_saved and self._has_work()
        self._take_over(record)
        self._state.sessions.path = str(path)
        if not unsaved:  # or what was noted and drawn before is in no file of the user's
            self._saved = self._changes

    def record(self) -> SessionRecord:
        """What would be written now."""
        return self._with_runs(self._settings(), self._runs.all())

    def _settings(self) -> SessionRecord:
        """All but what was drawn, which takes longer to pack."""
        return SessionRecord(
            saved=datetime.now().astimezone().isoformat(timespec="seconds"),
            origin=self._origin(),
            cases=self._book.as_json(),
            runs=tuple(self._restored.values()),
            **records_of(self._state),
        )

    def _with_runs(self, record: SessionRecord, runs: Sequence[Run]) -> SessionRecord:
        """The same with the drawings of this session, each packed once: a run does not change."""
        runs = [run for run in runs if is_lasting(run.origin.source)]
        before = self._packed
        self._packed = {id(run.masks): before.get(id(run.masks)) or (run.masks, record_of(run)) for run in runs}
        made = [packed for _, packed in self._packed.values()]
        drawn_again = {(packed.origin.source, packed.origin.split, packed.origin.index) for packed in made}
        earlier = [
            kept
            for kept in record.runs
            if (kept.origin.source, kept.origin.split, kept.origin.index) not in drawn_again
        ]
        return record.model_copy(update={"runs": (*earlier, *made)})

    def recall(self) -> None:
        """Take over the drawing of the case that is shown from the session that was opened, if it has one."""
        origin, case = self._browser.origin, self._browser.case
        kept = None if origin is None else self._restored.pop(origin, None)
        if kept is None or origin is None or case is None:
            return
        try:
            self._runs.put(run_of(kept, origin, case, self._browser.place))
        except AmbisegError as error:
            advise(f"the masks of {case.key} in the session cannot be shown: {error}")

    def look_for_lost(self) -> None:
        """Offer what an earlier window left behind, if anything."""
        self._offer, self._state.sessions.offered = self._lost.newest() or (None, "")
        for line in self._lost.troubles():
            advise(line)

    def restore(self) -> None:
        """Take what is offered.

        Raises
        ------
        ConfigError, DataFormatError, DeviceError
            As `open`, and if another window has taken it by now.
        """
        offer = self._offer
        if offer is None:
            return
        if not offer.exists():
            self._offer, self._state.sessions.offered = None, ""
            raise ConfigError("another window has restored or discarded that session; go on with what is open")
        self._take_over(read_session(offer))
        self._lost.adopt(offer)
        self._mark_stale()  # it is in no file of the user's
        self._offer, self._state.sessions.offered = None, ""

    def discard(self) -> None:
        """Do away with what is offered."""
        if self._offer is not None:
            self._lost.remove(self._offer)
        self._offer, self._state.sessions.offered = None, ""

    def update(self) -> None:
        """Write the session down, if something changed and some seconds went by; what failed is tried again."""
        if not self._looked:
            self._looked = True
            self.look_for_lost()
        self._background.poll()
        now = time.monotonic()
        if not (self._autosave and self._stale) or self._background.busy or now < self._next:
            return
        if self._browser.case is None:
            return
        self._writing, self._next = self._changes, now + _PAUSE_S
        self._background.start(self._write_down(self._settings(), self._runs.all()))

    def close(self) -> None:
        """The window goes: what the user did not save is kept as the last session."""
        self._background.close()
        own = self._lost.own
        if self._is_saved:
            self._lost.remove(own)  # the user has all of it
            return
        try:
            if self._autosave and self._stale and self._browser.case is not None:
                for _ in self._write_down(self._settings(), self._runs.all()):
                    pass
            self._lost.leave()
        except (AmbisegError, OSError) as error:
            _LOG.error("the session is lost: %s", error)  # the window that could tell it may be gone
            notify(f"the session is lost: {error}")

    @property
    def _is_saved(self) -> bool:
        """Whether all of it is in a file of the user's."""
        return self._changes == self._saved

    @property
    def _stale(self) -> bool:
        """Whether anything changed that is not written down."""
        return self._changes != self._kept

    def _has_work(self) -> bool:
        """Whether anything was drawn or noted, so that closing at once loses something."""
        return bool(self._runs.all()) or any({"note", "flag", "mask"} & set(entry) for entry in self._book.as_json())

    def _mark_stale(self, *_: object) -> None:
        if not self._stale:
            self._next = max(self._next, time.monotonic() + _PAUSE_S)
        self._changes += 1

    def _write_down(self, settings: SessionRecord, runs: Sequence[Run]) -> Work:
        """Beside the window, since packing masks and waiting for a disk take a while."""
        folder = self._lost.own.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {folder}: {error.strerror or error}") from error
        write_session(self._lost.own, self._with_runs(settings, runs))
        yield 1.0

    def _take_over(self, record: SessionRecord) -> None:
        """Everything is checked before anything changes."""
        settings = KeptSettings.of(record)
        entries = None if record.cases is None else self._book.read(record.cases)
        restored = {Origin(kept.origin.source, kept.origin.split, kept.origin.index): kept for kept in record.runs}

        def begin() -> None:
            # Not sooner, or what was read of the case before would be put down in this session; and not later, or
            # a case that is being read blind would be shown with its experts.
            self._restored |= restored
            if entries is not None:
                self._book.merge(entries)
            settings.put(self._state, "reading")

        origin = record.origin
        if origin is None:
            begin()
        else:
            self._browser.open(_opened(origin), origin.source, origin.split, origin.index, begin)
        if (case := self._browser.case) is not None:
            settings = settings.for_experts(case.n_experts)
        settings.put(self._state, "sampling", "postprocessing", "display", "listing")
        if settings.remarks:
            advise(f"impossible in the session, and left as it is by itself: {'; '.join(settings.remarks)}")
        if origin is not None:
            self._check_case(origin)
            self._place(settings)

    def _check_case(self, before: OriginRecord) -> None:
        """Say so where another case is there now: what was noted and drawn is not shown on it."""
        now = self._origin()
        if now is None:
            return
        if now.key != before.key:
            advise(f"{before.source} has changed since: case {before.index} was {before.key}")
        elif before.patient not in ("", now.patient):
            advise(f"{before.source} has changed since: {before.key} was of the patient {before.patient}")
        elif before.content not in ("", now.content):
            advise(f"{before.source} has changed since: {before.key} had another image or other experts")

    def _place(self, settings: KeptSettings) -> None:
        """Let the model look where the user placed it."""
        if settings.field is None:
            return
        try:
            self._placer.take(settings.field)
        except AmbisegError as error:
            advise(f"where the model looked in the session is not taken over: {error}")

    def _origin(self) -> OriginRecord | None:
        origin = self._browser.origin
        if origin is None or not is_lasting(origin.source):
            return None
        key = self._browser.key
        patient, content = self._book.known(origin, key)
        return OriginRecord(
            source=absolute(origin.source),
            split=origin.split,
            index=origin.index,
            key=key,
            patient=patient,
            content=content,
        )

    def _on_written(self) -> None:
        self._kept, self._failing = self._writing, False
        self._tell_when()

    def _tell_when(self) -> None:
        self._state.sessions.saved = datetime.now().astimezone().strftime("%H:%M")

    def _on_failed(self, error: AmbisegError) -> None:
        """It stays to be written; told once, until it works again."""
        if not self._failing:
            notify(f"the session could not be written down; it is tried again and again: {error}")
        self._failing = True


def _opened(origin: OriginRecord) -> CaseSet:
    """The data of a session, whose case can be read.

    Raises
    ------
    ConfigError, DataFormatError, DeviceError
        If it is not there, cannot be read, or has no such case; nothing stays open then.
    """
    if not is_lasting(origin.source):
        raise DataFormatError(f"the session is of {origin.source}, which is not there; put it back, or open it anew")
    cases = open_cases(origin.source)
    try:
        require_case(cases, origin.split, origin.index)
        cases.splits[origin.split][origin.index]
    except AmbisegError:
        cases.close()
        raise
    return cases
