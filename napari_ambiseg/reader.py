"""Reading a case: flag and note, and a blind read, in which one draws first and sees the others' outlines after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_ambiseg.browser import Browser
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.enclosed import Enclosed
from napari_ambiseg.entries import FLAGS, ComparedWith, Entry, now
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.roles import EXPERTS, FIELD, MAP, SAMPLES, TRAJECTORY
from napari_ambiseg.likeness import Standing
from napari_ambiseg.notices import OPEN_FIRST, advise
from napari_ambiseg.painting import Painting
from napari_ambiseg.reading_clock import ReadingClock
from napari_ambiseg.results import Results
from napari_ambiseg.state import ViewerState
from training.export.own_reading import distances
from training.records import AnnotatedSlice, BoolArray

# The field too: it lies about what the experts marked.
_HIDDEN = (MAP, TRAJECTORY, SAMPLES, EXPERTS, FIELD)


class Reader:
    """What the user says of the case that is shown, and what is hidden until it is said.

    Parameters
    ----------
    state : its reading part is kept up to date
    layers : which of them are hidden
    browser : has the case
    results : has the samples
    casebook : keeps all of it, case by case
    painting : where the user draws
    redraw : shows experts, maps and samples anew
    """

    def __init__(
        self,
        state: ViewerState,
        layers: LayerBook,
        browser: Browser,
        results: Results,
        casebook: Casebook,
        painting: Painting,
        redraw: Callable[[], None],
    ) -> None:
        self._reading, self._layers, self._browser, self._results = state.reading, layers, browser, results
        self._casebook, self._painting, self._redraw = casebook, painting, redraw
        self._clock = ReadingClock()
        self._seen_samples: BoolArray | None = None
        self._wiped: Entry | None = None  # what there was before "nothing there"
        self._enclosed = Enclosed()
        casebook.changed.connect(self._follow_entry)

    # -- flag and note ---------------------------------------------------------------------------------------------

    def next_flag(self) -> None:
        """No flag, important, unsure, and round again."""
        names = list(FLAGS)
        self._change(flag=names[(names.index(self._reading.flag) + 1) % len(names)])

    def write_note(self, text: str) -> None:
        """Keep a note on the case that is shown; errors as in `Casebook.change`."""
        # Half of a letter, as of an emoji that was cut, can be in no file.
        self._change(note=" ".join(text.encode("utf-8", "replace").decode().split()))

    # -- the blind read --------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Begin a blind read of the case that is shown, or reveal it."""
        if self._reading.blind:
            self.reveal()
        else:
            self.begin()

    def begin(self) -> None:
        """Hide what experts and model say, and let the user draw.

        A reading that is revealed already stays what it was until something is drawn anew.
        """
        case = self._browser.case
        if case is None:
            advise(OPEN_FIRST)
            return
        entry = self._entry()
        self._hide(case, entry, blind=entry.blind if entry.revealed else not entry.seen)
        self._follow_entry()

    def say_nothing(self) -> None:
        """There is nothing to outline on this slice: an answer like any other.

        What was drawn is wiped; `take_back` gives it back, as long as the case stays.
        """
        case = self._browser.case
        if case is None or not self._reading.blind or self._entry().nothing:
            return
        self.keep_mask()
        self._wiped = entry = self._entry()
        self._painting.begin(case, None)
        self._change(mask=np.zeros(case.image.shape, bool), nothing=True, **_anew(entry))

    def take_back(self) -> None:
        """Take back that there is nothing: what was wiped is there again."""
        case, before = self._browser.case, self._wiped
        if case is None or not self._reading.blind or not self._entry().nothing:
            return
        if before is None:  # it was said before the case was left
            self._change(nothing=False)
        else:
            self._change(mask=before.mask, nothing=False, **{name: getattr(before, name) for name in _anew(before)})
            self._painting.begin(case, before.mask)

    def fill(self) -> None:
        """Make part of the user's own mask what it encloses; napari's undo takes it back."""
        case = self._browser.case
        if case is None or not self._reading.blind:
            return
        self.keep_mask()
        mask = self._entry().mask
        if mask is not None and np.any(enclosed := self._enclosed.of(mask)):
            self._painting.add(enclosed)
            self.keep_mask()

    def reveal(self) -> None:
        """Show the others' outlines, and how far the user's own is from them.

        Where nothing was drawn and nobody said that there is nothing, they are shown, and no reading is kept.
        """
        case = self._browser.case
        if case is None or not self._reading.blind:
            return
        self.keep_mask()
        self._count_seconds()
        entry = self._entry()
        self._unhide()
        if entry.answered and entry.mask is not None:
            self._change(revealed=entry.revealed or now(), seen=entry.seen or now())
            self._painting.reveal(case, entry.mask)
            self._compare()
        else:
            self._change(seen=entry.seen or now(), blind=False, after_model=None, seconds=0.0)
            self._painting.remove()
        self._clock.stop()

    # -- coming and going ------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The case makes way for another: an unfinished read waits in the casebook."""
        self.keep_mask()
        self._count_seconds()
        self._clock.stop()
        self._seen_samples = self._wiped = None

    def arrive(self) -> None:
        """Another case is shown: blind if it was being read, or if cases are to begin blind and this one is unread."""
        case, entry = self._browser.case, self._entry()
        if case is None:
            return
        unfinished = bool(entry.answered and not entry.revealed)
        if unfinished or (self._reading.keep and not entry.revealed):
            self._hide(case, entry, blind=entry.blind if unfinished else not entry.seen)
            self._follow_entry()
            return
        self._unhide()
        if not entry.seen:
            self._change(seen=now())
        if entry.revealed and entry.mask is not None:
            self._painting.reveal(case, entry.mask)
        else:
            self._painting.remove()
        self._follow_entry()
        self._compare()

    def update(self) -> None:
        """Keep what is drawn, and compare with samples that came after the reveal."""
        case = self._browser.case
        if case is None:
            return
        if self._reading.blind:
            self._layers.hold(_HIDDEN)
            if not self._painting.is_there:  # deleted by the user: an empty one, to begin again
                self._painting.begin(case, None)
            if self._painting.is_stale:
                self.keep_mask()
            return
        entry = self._entry()
        if self._results.samples is not None and not entry.model_seen:
            self._change(model_seen=now())
        if entry.revealed and self._results.masks is not self._seen_samples:
            self._compare()

    def keep_mask(self) -> None:
        """Put what is drawn into the casebook."""
        case = self._browser.case
        if not self._reading.blind or case is None or (drawn := self._painting.mask(case)) is None:
            return
        kept = self._entry()
        before = np.zeros_like(drawn) if kept.mask is None else kept.mask
        if not np.array_equal(drawn, before):
            self._change(mask=drawn, nothing=kept.nothing and not drawn.any(), **_anew(kept))
            self._count_seconds()

    def _count_seconds(self) -> None:
        """Add what went by to the time of an unfinished read."""
        entry = self._entry()
        if self._reading.blind and not entry.revealed:
            self._change(seconds=entry.seconds + self._clock.lap())

    # -- what both need ---------------------------------------------------------------------------------------------

    def _entry(self) -> Entry:
        origin = self._browser.origin
        return Entry() if origin is None else self._casebook.of(origin, self._key())

    def _key(self) -> str:
        return self._browser.key

    def _change(self, **changes: Any) -> None:
        origin = self._browser.origin
        if origin is not None:
            self._casebook.change(origin, self._key(), **changes)

    def _follow_entry(self) -> None:
        """Show in the state what the casebook says of the case that is shown."""
        entry, reading = self._entry(), self._reading
        reading.flag, reading.note, reading.nothing = entry.flag, entry.note, entry.nothing
        reading.first = entry.blind
        reading.area = 0 if entry.mask is None else int(np.count_nonzero(entry.mask))
        reading.unfilled = 0 if entry.mask is None else int(np.count_nonzero(self._enclosed.of(entry.mask)))
        is_told = bool(entry.revealed) and not reading.blind
        reading.distances = entry.distances if is_told else ()
        if not is_told:
            reading.standing = None

    def _compare(self) -> None:
        """How far the revealed outline is from the experts' and the samples'."""
        case, entry = self._browser.case, self._entry()
        samples, run = self._results.masks, self._results.run
        self._seen_samples = samples
        own = entry.mask
        if case is None or not entry.revealed or own is None or own.shape != case.image.shape:
            return
        compared = None
        if samples is not None and run is not None:
            samples = run.field.paste(samples, case.image.shape)
            compared = ComparedWith(run.model, run.n, run.seed, " ".join(self._results.cleaning.options()))
        told = distances(own, case.masks, samples)
        self._change(distances=told, compared=compared, spacing_mm=case.spacing_mm)
        self._reading.standing = Standing.of_reader(own, case.masks)

    def _hide(self, case: AnnotatedSlice, entry: Entry, *, blind: bool) -> None:
        """Hide the others' outlines and let the user paint, on what the entry has already."""
        self._reading.blind = True
        self._layers.hold(_HIDDEN)
        after_model = entry.after_model if entry.answered else bool(entry.model_seen)
        self._change(blind=blind, after_model=after_model, spacing_mm=case.spacing_mm)
        self._clock.start()
        self._painting.begin(case, entry.mask)

    def _unhide(self) -> None:
        if self._reading.blind:
            self._reading.blind = False
            self._layers.release()
            self._redraw()


def _anew(entry: Entry) -> dict[str, Any]:
    """What changes in an entry when its reading is revealed already and something else is drawn."""
    if not entry.revealed:
        return {}
    return {
        "revealed": "",
        "distances": (),
        "compared": None,
        "blind": False,
        "after_model": bool(entry.model_seen),
    }
