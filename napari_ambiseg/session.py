"""The session: what of one viewer is kept in a file, and goes on from there.  No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from psygnal import Signal

from napari_ambiseg.browser import Browser, open_cases
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.compared_runs import KEPT_BYTES
from napari_ambiseg.comparing import Comparer
from napari_ambiseg.kept_runs import (
    Drawing,
    Letter,
    absolute,
    by_case,
    drawings_of,
    is_lasting,
    is_there,
    record_of,
    run_of,
)
from napari_ambiseg.kept_settings import KeptSettings, records_of, signals_of
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.notices import advise
from napari_ambiseg.placing import Placer
from napari_ambiseg.runs import Run, RunCache
from napari_ambiseg.session_file import SUFFIX, OriginRecord, RunRecord, SessionRecord, read_session, write_session
from napari_ambiseg.state import ViewerState
from napari_ambiseg.survey import CaseSet, require_case
from training.errors import AmbisegError, ConfigError, DataFormatError
from training.records import BoolArray

_NAMED = 4  # cases that are listed; the others are counted


class Session:
    """Saves what was done in one viewer, and opens what was saved.

    Parameters
    ----------
    state, browser, placer, runs : what is kept
    book : flags, notes and own masks of all cases
    comparer : has the earlier drawings of each case, and knows which of them are A and B

    Attributes
    ----------
    changed : emitted when there is something to save that was not there before
    is_saved : whether all of it is in a file of the user's
    """

    changed = Signal()

    def __init__(
        self,
        state: ViewerState,
        browser: Browser,
        placer: Placer,
        runs: RunCache,
        book: Casebook,
        comparer: Comparer,
    ) -> None:
        self._state, self._browser, self._placer, self._runs, self._book = state, browser, placer, runs, book
        self._comparer = comparer
        # Drawings of a session that was opened, of cases not shown yet.
        self._restored: dict[Origin, tuple[RunRecord, ...]] = {}
        # By identity of the masks, which stay as long as their entry; a run would keep its walk with it.
        self._packed: dict[int, tuple[BoolArray, RunRecord]] = {}
        self._stamp: tuple[int, int] | None = None  # of the user's file as this window knows it
        self.is_saved = True
        book.changed.connect(self.touch)
        finished = state.disagreement.events.processed  # is there when a drawing is finished, not while it is made
        letters = state.comparing.events.first, state.comparing.events.second
        for signal in (state.browsing.events.index, finished, *letters, *signals_of(state)):
            signal.connect(self.touch)

    def save(self, path: Path) -> None:
        """Write the session to a file of the user's.

        Where another window has written to the session's own file meanwhile, what that one noted and read is taken in
        first, and so are its drawings of cases that have none here.

        Raises
        ------
        ConfigError
            On a name of another end, or if it cannot be written.
        DataFormatError
            If another window's session would be replaced that cannot be read.
        """
        if not path.name.lower().endswith(SUFFIX):
            raise ConfigError(f"the name of a session must end in {SUFFIX}, got {path.name!r}")
        if str(path) == self._state.sessions.path and _stamp(path) not in (None, self._stamp):
            self._take_in(read_session(path))
        write_session(path, self.record())
        self._state.sessions.path, self._stamp = str(path), _stamp(path)
        self.is_saved = True
        self.tell_when()

    def open(self, path: Path) -> None:
        """Go back to a session: its data, case, settings, notes and drawings.

        Raises
        ------
        ConfigError, DataFormatError, DeviceError
            If it is no session, a setting is impossible, or its data or its case cannot be read any more; what is
            open stays as it is then.
        """
        stamp = _stamp(path)
        record, unsaved = read_session(path), not self.is_saved and self._has_work()
        self.take(record)
        self._state.sessions.path, self._stamp = str(path), stamp
        self.is_saved = not unsaved  # else what was noted and drawn before is in no file of the user's

    def _take_in(self, record: SessionRecord) -> None:
        """What another window said and drew, beside what is here."""
        if record.cases is not None:
            _tell_of(self._book.merge(self._book.read(record.cases)))
        here = {drawing.run.origin for drawing in self.drawings()}
        others = {origin: kept for origin, kept in by_case(record.runs).items() if origin not in here}
        self._restored = others | self._restored

    def record(self) -> SessionRecord:
        """What would be written now."""
        return self.packed(self.without_drawings(), self.drawings())

    def drawings(self) -> tuple[Drawing, ...]:
        """What was drawn in this window and can be looked at or compared."""
        return drawings_of(self._runs.all(), self._comparer.remembered())

    def without_drawings(self) -> SessionRecord:
        """All but what was drawn in this window, which takes longer to pack."""
        return SessionRecord(
            saved=datetime.now().astimezone().isoformat(timespec="seconds"),
            origin=self._origin(),
            cases=self._book.as_json(),
            runs=tuple(kept for of_case in self._restored.values() for kept in of_case),
            **records_of(self._state),
        )

    def packed(self, record: SessionRecord, drawings: Sequence[Drawing]) -> SessionRecord:
        """``record`` with these drawings, the masks of each packed once: they do not change."""
        lasting = [drawing for drawing in drawings if is_lasting(drawing.run.origin.source)]
        self._packed = {id(drawing.run.masks): (drawing.run.masks, self._pack(drawing)) for drawing in lasting}
        made = [packed for _, packed in self._packed.values()]
        drawn_again = by_case(made)
        earlier = [
            kept for origin, of_case in by_case(record.runs).items() if origin not in drawn_again for kept in of_case
        ]
        return record.model_copy(update={"runs": (*earlier, *made)})

    def _pack(self, drawing: Drawing) -> RunRecord:
        _, packed = self._packed.get(id(drawing.run.masks), (None, None))
        if packed is None:
            return record_of(drawing)
        if (packed.letter, packed.shown) == (drawing.letter, drawing.shown):
            return packed
        return packed.model_copy(update={"letter": drawing.letter, "shown": drawing.shown})

    def recall(self) -> None:
        """Take over the drawings of the case that is shown from the session that was opened, if it has any."""
        origin, case = self._browser.origin, self._browser.case
        of_case = () if origin is None else self._restored.pop(origin, ())
        if not of_case or origin is None or case is None:
            return
        found: list[tuple[Run, Letter]] = []
        shown, trouble = None, ""
        for kept in _affordable(of_case):
            try:
                run = run_of(kept, origin, case, self._browser.place)
            except AmbisegError as error:
                trouble = trouble or str(error)
                continue
            found.append((run, kept.letter))
            shown = run if kept.shown or shown is None else shown
        if shown is not None:
            self._runs.put(shown)
            self._comparer.recollect(found)
        if trouble:
            which = "the masks" if len(of_case) == 1 else f"{len(of_case) - len(found)} of {len(of_case)} drawings"
            advise(f"{which} of {case.key} in the session cannot be shown: {trouble}")

    def touch(self, *_: object) -> None:
        """Something changed that is in no file of the user's."""
        self.is_saved = False
        self.changed.emit()

    def tell_when(self) -> None:
        """It was written just now."""
        self._state.sessions.saved = datetime.now().astimezone().strftime("%H:%M")

    def _has_work(self) -> bool:
        """Whether anything was drawn or noted, so that closing at once loses something."""
        return bool(self._runs.all()) or any({"note", "flag", "mask"} & set(entry) for entry in self._book.as_json())

    def take(self, record: SessionRecord) -> None:
        """Go on from a record: everything is checked before anything changes; errors as in `open`."""
        settings = KeptSettings.of(record)
        entries = None if record.cases is None else self._book.read(record.cases)
        restored = by_case(record.runs)

        def begin() -> None:
            # Not sooner, or what was read of the case before would be put down in this session; and not later, or
            # a case that is being read blind would be shown with its experts.
            self._restored |= restored
            if entries is not None:
                _tell_of(self._book.merge(entries))
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


def _affordable(of_case: Sequence[RunRecord]) -> list[RunRecord]:
    """In their order the newest ones that fit into the memory for comparing, and one in any case."""
    found: list[RunRecord] = []
    taken = 0
    for kept in reversed(of_case):
        taken += math.prod(kept.masks.shape)
        if found and taken > KEPT_BYTES:
            break
        found.insert(0, kept)
    return found


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells a file from what it was before: when it was written, in ns, and its size; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _tell_of(keys: Sequence[str]) -> None:
    """Say once where this window and the session said different things of the same cases."""
    if keys:
        named = ", ".join(keys[:_NAMED]) + (f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else "")
        advise(f"noted or read otherwise here than in the session, and what was said last is kept: {named}")


def _opened(origin: OriginRecord) -> CaseSet:
    """The data of a session, whose case can be read.

    Raises
    ------
    ConfigError, DataFormatError, DeviceError
        If it is not there, cannot be read, or has no such case; nothing stays open then.
    """
    if not is_there(origin.source):
        raise DataFormatError(f"the session is of {origin.source}, which is not there; put it back, or open it anew")
    cases = open_cases(origin.source)
    try:
        require_case(cases, origin.split, origin.index)
        cases.splits[origin.split][origin.index]
    except AmbisegError:
        cases.close()
        raise
    return cases
