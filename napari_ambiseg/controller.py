"""Connects what is shown, what is asked for, and the jobs that do it.  No Qt.

Docks and keys set fields of the state and call the verbs of a part: `controller.player.step(1)`.  The controller makes
the parts, lets them work in turn (`Controller.tick`, called by a timer), and has the few verbs that need several of
them.  Parts raise `AmbisegError`; it becomes one notification where the user's deed or the timer came in, by
`notices.notified` or `notices.notifying`.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg._compat import unwrapped
from napari_ambiseg.autosave import Autosave
from napari_ambiseg.backlog import Backlog
from napari_ambiseg.bare import BareImage
from napari_ambiseg.browser import Browser
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.comparing import Comparer
from napari_ambiseg.converting import Converter
from napari_ambiseg.dimming import Dimmer
from napari_ambiseg.drawing import Drawing
from napari_ambiseg.engine import Engine
from napari_ambiseg.hover import Hover
from napari_ambiseg.kept_runs import content_in
from napari_ambiseg.known_models import KnownModels
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.notices import OPEN_FIRST, REVEAL_FIRST, advise, notified, notifying
from napari_ambiseg.opener import Opener
from napari_ambiseg.output import Output
from napari_ambiseg.overlays import Overlays
from napari_ambiseg.own_layers import OwnLayers
from napari_ambiseg.painting import Painting
from napari_ambiseg.placing import Placer
from napari_ambiseg.player import Player
from napari_ambiseg.reader import Reader
from napari_ambiseg.results import Results
from napari_ambiseg.runs import RunCache
from napari_ambiseg.scale_bar import ScaleBar
from napari_ambiseg.session import Session
from napari_ambiseg.settings import Settings, read_settings
from napari_ambiseg.shelf import Shelf
from napari_ambiseg.shown_case import ShownCase
from napari_ambiseg.state import IDLE, ViewerState
from napari_ambiseg.telling_layers import TellingLayers
from napari_ambiseg.windowing import Windowing
from training.records import AnnotatedSlice
from training.sampling_wish import SamplingWish

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SURVEY_S = 0.008  # of each tick, for the case table


class Controller:
    """What happens in one viewer.  `controller_of` gives the one controller that all docks share.

    The viewer is held weakly: it may go at any time, and this with it.

    Parameters
    ----------
    viewer : napari viewer or viewer model
    engine : the door to the sampling process
    settings : what the user set once for all sessions; by default as napari keeps it

    Attributes
    ----------
    opener, browser, own, converter, session, autosave : what is open, and how it got there
    drawing, player, results, backlog, shelf, runs, models : what is drawn, and by what
    overlays, windowing, scale_bar, bare, placer, dimmer, hover, comparer, telling : what is seen of it
    reader, casebook, output : what is said of it, and what is written
    """

    def __init__(self, viewer: ViewerModel, engine: Engine | None = None, settings: Settings | None = None) -> None:
        self._closed = False
        self.engine = engine or Engine()
        self.settings = settings or read_settings()
        self.state = ViewerState()
        self._begin_as_set()
        self.layers = LayerBook(unwrapped(viewer))
        self.models = KnownModels(self.settings.checkpoints)
        self.runs = RunCache()
        self.player = Player(self.state, self.layers, self.settings.previews_per_second)
        self.results = Results(self.state, self.layers)
        self.casebook = Casebook()
        self._told_aside: dict[tuple[str, str], int] = {}  # by source and split, of how many entries
        self.browser = Browser(self.state, self.layers, self.casebook, self._leave, self._arrive)
        self.shelf = Shelf(self.state, self.browser, self.runs, self.casebook, self.results, self.player)
        self.drawing = Drawing(
            self.state, self.engine, self.player, self.results, self.shelf.finish, self.settings.kept_frames
        )
        self.overlays = Overlays(self.state, self.layers, self.browser, self.results)
        painting = Painting(self.layers, self.browser, self.overlays.show_own)
        self.reader = Reader(self.state, self.layers, self.browser, self.results, self.casebook, painting, self._redraw)
        self.dimmer = Dimmer(self.state, self.layers)
        self.hover = Hover(self.state, self.layers, self.browser, self.results)
        self.windowing = Windowing(self.state, self.layers, self.browser)
        self.bare = BareImage(self.state, self.layers)
        self.scale_bar = ScaleBar(self.state, self.layers, self.browser)
        self.placer = Placer(self.state, self.layers, self.browser, self.models)
        self.telling = TellingLayers(self.state, self.layers, self.browser)
        self.own = OwnLayers(self.state, self.layers, self.browser, self.runs)
        self.backlog = Backlog(self.state, self.browser, self.runs, self.shelf.take, Engine)
        self.comparer = Comparer(self.state, self.layers, self.browser, self.results)
        shown = ShownCase(self.state, self.browser, self.results, self.player, self.casebook)
        self.output = Output(self.state, shown, self.models, self.casebook)
        self.session = Session(self.state, self.browser, self.placer, self.runs, self.casebook, self.comparer)
        self.autosave = Autosave(self.state.sessions, self.session, self.browser, self.settings.autosave)
        self.converter = Converter(self.state.converting, notified(self.browser.open_hdf5), self._is_drawing)
        self.opener = Opener(self.browser, self.own, self.session, self.converter, self.shelf)
        self.viewer.layers.events.inserted.connect(self._on_inserted)
        for layer in self.viewer.layers:
            self.browser.notice(layer)

    @property
    def viewer(self) -> Any:
        """The viewer itself, not napari's public-only proxy of it."""
        return self.layers.viewer

    @property
    def case(self) -> AnnotatedSlice | None:
        """The case that is shown."""
        return self.browser.case

    @notified
    def generate(self) -> None:
        """Draw samples for the case that is shown, in its field; a drawing under way is dropped."""
        if self._closed:  # a click or a timer may come after the window has gone
            return
        case, origin, field = self.case, self.browser.origin, self.state.placing.field
        if case is None or origin is None or field is None:
            advise(OPEN_FIRST)
            return
        if self.state.reading.blind:
            advise(REVEAL_FIRST)
            return
        self.drawing.start(field.cut(case), origin, field, self.browser.place.within(field))

    def generate_or_cancel(self) -> None:
        """Draw samples, or stop the drawing that is under way: one key for both."""
        if self._is_drawing():
            self.drawing.cancel()
        else:
            self.generate()

    @notified
    def put_masks_back(self) -> None:
        """Add a layer of the user's own with how many of the shown samples mark each pixel of the whole image."""
        self.own.put_back(self.results.run, self.results.cleaning)

    def look_closely(self) -> None:
        """Aim the camera at what the experts marked; where it is aimed so, or nobody marked anything, at all of it."""
        case, framing = self.case, self.browser.framing
        if case is None or self.state.reading.blind:
            return
        marked = np.argwhere(case.masks.any(axis=0))
        if framing.is_close or not len(marked):
            framing.show_all()
            return
        first, last = (self.browser.place.world((float(row), float(column))) for row, column in _ends(marked))
        framing.zoom_to(first, last)

    def tick(self) -> None:
        """Bring everything up to date; called by a timer, returns within some milliseconds."""
        with notifying():
            self.browser.adopt()
        parts = (
            self.converter, self.drawing, self.results, self.own, self.placer, self.overlays, self.hover, self.player,
            self.dimmer, self.reader, self.telling, self.bare, self.comparer, self.backlog, self.output, self.autosave,
            self.browser.framing, self.scale_bar,
        )  # fmt: skip
        for part in parts:
            with notifying():
                part.update()
        self.browser.advance(_SURVEY_S)

    def close(self) -> None:
        """End all processes and let go of the file; to be called when the viewer is closed."""
        self._closed = True
        with ExitStack() as ending:  # in turn from the last to the first, each whatever happens to those before
            parts = (self.converter, self.backlog, self.output, self.autosave, self.hover)
            for close in reversed([*(part.close for part in parts), self.engine.stop, self.browser.close]):
                ending.callback(close)

    def _leave(self) -> None:
        """A case makes way for another."""
        self.reader.leave()
        self.drawing.forget()

    def _arrive(self) -> None:
        """Another case is shown: so is what was drawn for it before."""
        self._meet()
        self.placer.arrive()
        self.overlays.redraw()
        self.windowing.redraw()
        self.reader.arrive()
        self.comparer.arrive()
        self.session.recall()
        self.shelf.arrive()

    def _meet(self) -> None:
        """Let the case book know which case is shown; say so where it has entries of others that were there before."""
        case, origin = self.case, self.browser.origin
        if case is None or origin is None:
            return
        self.casebook.meet(origin, self.browser.key, content_in(origin.source, case))
        aside, where = self.casebook.aside(origin.source, origin.split), (origin.source, origin.split)
        if aside > self._told_aside.get(where, 0):
            self._told_aside[where] = aside
            advise(
                f"{origin.source} has changed: what was kept of {aside} of its cases (flag, note, reading) is of other "
                "patients or images; it stays in the session and is not shown"
            )

    def _redraw(self) -> None:
        """Show experts, maps and samples anew, after they were hidden."""
        self.overlays.redraw()
        self.results.redraw()
        self.player.redraw()

    def _begin_as_set(self) -> None:
        """Begin with what the user set for all sessions."""
        kept, sampling = self.settings, self.state.sampling
        sampling.device, sampling.n_samples = kept.device, kept.samples
        sampling.wish = SamplingWish(steps=kept.steps or None)
        self.state.display.window, self.state.display.outline_width = kept.window, kept.outline_width

    def _is_drawing(self) -> bool:
        return self.state.sampling.status != IDLE

    def _on_inserted(self, event: Any) -> None:
        if not self.layers.ours:
            self.browser.notice(event.value)


def _ends(pixels: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The corners of the rectangle about pixels (P, 2)."""
    return pixels.min(axis=0), pixels.max(axis=0)


_CONTROLLERS: WeakKeyDictionary[Any, Controller] = WeakKeyDictionary()


def controller_of(viewer: ViewerModel) -> Controller:
    """The controller of a viewer, made on first need and shared by all its docks."""
    viewer = unwrapped(viewer)
    if viewer not in _CONTROLLERS:
        _CONTROLLERS[viewer] = Controller(viewer)
    return _CONTROLLERS[viewer]
