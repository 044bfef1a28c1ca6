"""Reading a case: flag and note, and a blind read, in which one draws first and sees the others' outlines after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ReferenceType, ref

import numpy as np

from napari_ambiseg.browser import Browser
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.entries import FLAGS, Entry, now
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.reading import brush_size, reading_layer
from napari_ambiseg.layers.roles import EXPERTS, FIELD, MAP, READING, SAMPLES, TRAJECTORY
from napari_ambiseg.likeness import Standing, distances
from napari_ambiseg.notices import OPEN_FIRST, advise
from napari_ambiseg.results import Results
from napari_ambiseg.state import ViewerState
from training.records import BoolArray

# The field too: it lies about what the experts marked.
_HIDDEN = (MAP, TRAJECTORY, SAMPLES, EXPERTS, FIELD)


class Reader:
    """What the user says of the case that is shown, and what is hidden until it is said.

    Parameters
    ----------
    state : its reading part is kept up to date
    layers : where the user draws
    browser : has the case
    results : has the samples
    casebook : keeps all of it, case by case
    redraw : shows experts, maps and samples anew
    """

    def __init__(
        self,
        state: ViewerState,
        layers: LayerBook,
        browser: Browser,
        results: Results,
        casebook: Casebook,
        redraw: Callable[[], None],
    ) -> None:
        self._reading, self._layers, self._browser, self._results = state.reading, layers, browser, results
        self._casebook, self._redraw = casebook, redraw
        self._seen_samples: BoolArray | None = None
        self._painted = False  # whether the layer says that its pixels changed since they were last looked at
        self._watched: ReferenceType[Any] | None = None  # the layer that says it
        casebook.changed.connect(self._follow_entry)

    # -- flag and note ---------------------------------------------------------------------------------------------

    def next_flag(self) -> None:
        """No flag, important, unsure, and round again."""
        names = list(FLAGS)
        self._change(flag=names[(names.index(self._reading.flag) + 1) % len(names)])

    def write_note(self, text: str) -> None:
        """Keep a note on the case that is shown; errors as in `Casebook.change`."""
        self._change(note=" ".join(text.split()))

    # -- the blind read --------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Begin a blind read of the case that is shown, or reveal it."""
        if self._reading.blind:
            self.reveal()
        else:
            self.begin()

    def begin(self) -> None:
        """Hide what experts and model say, and let the user draw."""
        case = self._browser.case
        if case is None:
            advise(OPEN_FIRST)
            return
        entry = self._entry()
        self._hide()
        self._change(revealed="", distances=(), blind=not entry.seen)
        self._show_mask(entry.mask, painting=True)

    def say_nothing(self) -> None:
        """There is nothing to outline on this slice: an answer like any other.  What was drawn is wiped."""
        case = self._browser.case
        if case is None or not self._reading.blind:
            return
        self._show_mask(None, painting=True)
        self._change(mask=np.zeros(case.image.shape, bool), nothing=True)

    def reveal(self) -> None:
        """Show the others' outlines, and how far the user's own is from them.

        Where nothing was drawn and nobody said that there is nothing, they are shown, and no reading is kept.
        """
        case = self._browser.case
        if case is None or not self._reading.blind:
            return
        self.keep_mask()
        entry = self._entry()
        self._unhide()
        if entry.answered and entry.mask is not None:
            self._change(revealed=now(), seen=entry.seen or now())
            self._show_mask(entry.mask, painting=False)
            self._compare()
        else:
            self._change(seen=entry.seen or now(), blind=False)
            self._layers.remove(READING)

    # -- coming and going ------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The case makes way for another: an unfinished read waits in the casebook."""
        self.keep_mask()
        self._seen_samples = None

    def arrive(self) -> None:
        """Another case is shown: blind if it was being read, or if cases are to begin blind and this one is unread."""
        entry = self._entry()
        unfinished = bool(entry.answered and not entry.revealed)
        if unfinished or (self._reading.keep and not entry.revealed):
            self._hide()
            self._change(blind=entry.blind if unfinished else not entry.seen)
            self._show_mask(entry.mask, painting=True)
            self._follow_entry()
            return
        self._unhide()
        if not entry.seen:
            self._change(seen=now())
        if entry.revealed and entry.mask is not None:
            self._show_mask(entry.mask, painting=False)
        else:
            self._layers.remove(READING)
        self._follow_entry()
        self._compare()

    def update(self) -> None:
        """Keep what is drawn, and compare with samples that came after the reveal."""
        if self._browser.case is None:
            return
        if self._reading.blind:
            self._layers.hold(_HIDDEN)
            if self._layers.find(READING) is None:  # deleted by the user: an empty one, to begin again
                self._show_mask(None, painting=True)
            if self._painted:
                self.keep_mask()
        elif self._entry().revealed and self._results.masks is not self._seen_samples:
            self._compare()

    def keep_mask(self) -> None:
        """Put what is drawn into the casebook."""
        self._painted = False
        layer, case = self._layers.find(READING), self._browser.case
        if not self._reading.blind or layer is None or case is None or layer.data.size != case.image.size:
            return
        drawn, kept = self._browser.place.flat(np.asarray(layer.data)) > 0, self._entry()
        before = np.zeros_like(drawn) if kept.mask is None else kept.mask
        if not np.array_equal(drawn, before):
            self._change(mask=drawn, nothing=kept.nothing and not drawn.any())

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
        reading.distances = entry.distances if entry.revealed else ()
        if not entry.revealed:
            reading.standing = None

    def _compare(self) -> None:
        """How far the revealed outline is from the experts' and the samples'."""
        case, entry = self._browser.case, self._entry()
        samples, run = self._results.masks, self._results.run
        self._seen_samples = samples
        own = entry.mask
        if case is None or not entry.revealed or own is None or own.shape != case.image.shape:
            return
        if samples is not None and run is not None:
            samples = run.field.paste(samples, case.image.shape)
        self._change(distances=distances(own, case.masks, samples))
        self._reading.standing = Standing.of_reader(own, case.masks)

    def _hide(self) -> None:
        self._reading.blind = True
        self._layers.hold(_HIDDEN)

    def _unhide(self) -> None:
        if self._reading.blind:
            self._reading.blind = False
            self._layers.release()
            self._redraw()

    def _show_mask(self, mask: BoolArray | None, *, painting: bool) -> None:
        case = self._browser.case
        if case is None:
            return
        if mask is None or mask.shape != case.image.shape:
            mask = np.zeros(case.image.shape, bool)
        found = self._layers.find(READING)
        layer = self._layers.show(reading_layer(mask, self._browser.place, case.key))
        if found is None:
            layer.brush_size = brush_size(mask.shape)
        self._watch(layer)
        layer.editable = True
        layer.contour = 0 if painting else 1  # once revealed, an outline that hides no other
        if not painting:
            layer.mode = "pan_zoom"
            layer.editable = False
            return
        layer.visible, layer.selected_label = True, 1
        self._layers.viewer.layers.selection.active = layer
        layer.mode = "paint"

    def _watch(self, layer: Any) -> None:
        """Be told when the user paints: a large slice cannot be compared with what was kept at every beat."""
        if self._watched is not None and self._watched() is layer:
            return
        self._watched = ref(layer)
        for event in (layer.events.paint, layer.events.labels_update, layer.events.data, layer.events.set_data):
            event.connect(self._on_painted)

    def _on_painted(self) -> None:
        self._painted = True
