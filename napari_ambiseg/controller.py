"""Connects what is shown, what is asked for, and the jobs that do it.  No Qt.

Docks set fields of the state and call the verbs of the controller and of its parts.  A timer calls `Controller.tick`,
which brings in what the processes sent and does the work that must not be done at every single event.  An
`AmbisegError` becomes one notification here, wherever it came from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg._compat import unwrapped
from napari_ambiseg.backlog import Backlog
from napari_ambiseg.bare import BareImage
from napari_ambiseg.browser import Browser
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.comparing import Comparer
from napari_ambiseg.converting import Converter
from napari_ambiseg.dimming import Dimmer
from napari_ambiseg.display import Display
from napari_ambiseg.drawing import Drawing
from napari_ambiseg.engine import Engine
from napari_ambiseg.hover import Hover
from napari_ambiseg.kept_runs import content_in
from napari_ambiseg.known_models import KnownModels
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.maps import NO_MAP
from napari_ambiseg.notices import OPEN_FIRST, REVEAL_FIRST, advise, notifying
from napari_ambiseg.output import Output
from napari_ambiseg.own_layers import OwnLayers
from napari_ambiseg.placing import Placer
from napari_ambiseg.player import Player
from napari_ambiseg.reader import Reader
from napari_ambiseg.results import Results
from napari_ambiseg.runs import Run, RunCache
from napari_ambiseg.sample_data import DEMO, DemoSet
from napari_ambiseg.session import Session
from napari_ambiseg.settings import Settings, read_settings
from napari_ambiseg.sources import HDF5, SCAN, SESSION, layout_of
from napari_ambiseg.state import IDLE, ViewerState
from napari_ambiseg.survey import Survey
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
    browser, display, windowing, bare, placer, player, results, drawing : the parts, which docks may ask
    runs : the finished drawings of this session
    models : the models that can be chosen
    """

    def __init__(self, viewer: ViewerModel, engine: Engine | None = None, settings: Settings | None = None) -> None:
        self.engine = engine or Engine()
        self.settings = settings or read_settings()
        self.state = ViewerState()
        self._begin_as_set()
        self.layers = LayerBook(unwrapped(viewer))
        self.models = KnownModels(self.settings.checkpoints)
        self.runs = RunCache()
        self.player = Player(self.state, self.layers, self.settings.previews_per_second)
        self.results = Results(self.state, self.layers)
        self.drawing = Drawing(
            self.state, self.engine, self.player, self.results, self._finish, self.settings.kept_frames
        )
        self.casebook = Casebook()
        self._told_aside: dict[tuple[str, str], int] = {}  # by source and split, of how many entries
        self.browser = Browser(self.state, self.layers, self.casebook, self._leave, self._arrive)
        self.reader = Reader(self.state, self.layers, self.browser, self.results, self.casebook, self._redraw)
        self.display = Display(self.state, self.layers, self.browser, self.results)
        self.dimmer = Dimmer(self.state, self.layers)
        self.hover = Hover(self.state, self.layers, self.browser, self.results)
        self.windowing = Windowing(self.state, self.layers, self.browser)
        self.bare = BareImage(self.state, self.layers)
        self.placer = Placer(self.state, self.layers, self.browser, self.models)
        self.telling = TellingLayers(self.state, self.layers, self.browser)
        self.own = OwnLayers(self.state, self.layers, self.browser, self.runs)
        self.backlog = Backlog(self.state, self.browser, self.runs, self._take, Engine)
        self.comparer = Comparer(self.state, self.layers, self.browser, self.results)
        self.output = Output(self.state, self.browser, self.results, self.player, self.models)
        self.session = Session(self.state, self.browser, self.placer, self.runs, self.casebook, self.settings.autosave)
        self._converter = Converter(self.state.converting, self._open_hdf5, self._is_drawing)
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

    @property
    def survey(self) -> Survey | None:
        """The numbers of all cases of the open split, as far as they are known; `tick` goes on with it."""
        return self.browser.survey

    def open_path(self, path: str | Path) -> None:
        """Open annotated slices, a file or a folder: show the first case, or offer a conversion where it takes one.

        A session goes on where it was left.
        """
        path = Path(path).absolute()  # a session must find it again from another folder
        with notifying():
            layout = layout_of(path)
            if layout == HDF5:
                self.browser.open_hdf5(str(path))
            elif layout == SCAN:
                self.own.open_scan(path)
            elif layout == SESSION:
                self.session.open(path)
            else:
                self._converter.offer(path, layout)

    def use_layers(self) -> None:
        """Read on the image that is selected in the layer list, with what its experts drew in selected layers."""
        with notifying():
            self.own.use_selected()

    def choose_layer_window(self, window: str) -> None:
        """Make the intensities of a layer's slices by another window."""
        with notifying():
            self.own.choose_window(window)

    def put_masks_back(self) -> None:
        """Add a layer of the user's own with how many of the shown samples mark each pixel of the whole image."""
        with notifying():
            self.own.put_back(self.results.run, self.results.cleaning)

    def convert(self) -> None:
        """Make HDF5 of what is offered; it opens by itself when it is there, unless samples are being drawn then."""
        with notifying():
            self._converter.start()

    def convert_to(self, target: str | Path) -> None:
        """Take another file as the one that a conversion is to make."""
        self._converter.write_to(Path(target))

    def cancel_conversion(self) -> None:
        """Stop the conversion under way, or take back the offer of one, or put away its result."""
        self._converter.cancel()

    def open_converted(self) -> None:
        """Open the file that a conversion made, now or earlier."""
        self._converter.open_target()

    def open_demo(self) -> None:
        """Open the synthetic demo cases and show the first one."""
        with notifying():
            self.browser.open(DemoSet(), DEMO)

    def open_split(self, split: str) -> None:
        """Go to another split of the open file."""
        with notifying():
            self.browser.enter(split)

    def open_case(self, index: int) -> None:
        """Show a case of the split; an index outside it is brought back to its nearest end."""
        with notifying():
            self.browser.show(index)

    def next_case(self, by: int = 1) -> None:
        """Go ``by`` cases forward, or back where negative."""
        with notifying():
            self.browser.step(by)

    def generate(self) -> None:
        """Draw samples for the case that is shown, in its field; a drawing under way is dropped."""
        case, origin, field = self.case, self.browser.origin, self.state.placing.field
        if case is None or origin is None or field is None:
            advise(OPEN_FIRST)
            return
        if self.state.reading.blind:
            advise(REVEAL_FIRST)
            return
        with notifying():
            self.drawing.start(field.cut(case), origin, field, self.browser.place.within(field))

    def generate_or_cancel(self) -> None:
        """Draw samples, or stop the drawing that is under way: one key for both."""
        if self._is_drawing():
            self.cancel()
        else:
            self.generate()

    def cancel(self) -> None:
        """Stop the drawing under way; what came so far stays to be looked at."""
        self.drawing.cancel()

    def pause_or_resume(self) -> None:
        """Hold the drawing under way at its next step, or go on with it."""
        self.drawing.pause()

    def step(self, by: int) -> None:
        """Show the state of the reverse diffusion ``by`` frames on, up to the ends of what there is."""
        self.player.step(by)

    def next_sample(self) -> None:
        """Show the next sample; after the last one, the first."""
        self.player.next_sample()

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

    def toggle_map(self, name: str) -> None:
        """Show a map, or none if it is the one that is shown."""
        display = self.state.display
        display.map = NO_MAP if display.map == name else name

    def toggle_blind(self) -> None:
        """Begin a blind read of the case that is shown, or reveal it."""
        self.reader.toggle()

    def toggle_flag(self) -> None:
        """No flag on the case, important, unsure, and round again."""
        self.reader.next_flag()

    def ask_devices(self) -> None:
        """Learn which devices there are; the answer arrives in the state."""
        with notifying():
            self.engine.ask_devices()

    def tick(self) -> None:
        """Bring everything up to date; called by a timer, returns within some milliseconds."""
        with notifying():
            self.browser.adopt()
        with notifying():
            self._converter.update()
        self.drawing.update()
        with notifying():
            self.results.update()
        with notifying():
            self.own.update()
        self.placer.update()
        self.display.update()
        self.hover.update()
        self.player.update()
        self.dimmer.update()
        self.reader.update()
        self.telling.update()
        self.bare.update()
        self.comparer.update()
        with notifying():
            self.backlog.update()
        self.output.update()
        self.session.update()
        self.browser.framing.update()
        self.browser.advance(_SURVEY_S)

    def close(self) -> None:
        """End all processes and let go of the file; to be called when the viewer is closed."""
        self._converter.close()
        self.backlog.close()
        self.output.close()
        self.session.close()
        self.hover.close()
        self.engine.stop()
        self.browser.close()

    def _leave(self) -> None:
        """A case makes way for another."""
        self.reader.leave()
        self.drawing.forget()

    def _arrive(self) -> None:
        """Another case is shown: so is what was drawn for it before."""
        self._meet()
        self.placer.arrive()
        self.display.redraw()
        self.windowing.redraw()
        self.reader.arrive()
        self.comparer.arrive()
        self.session.recall()
        origin = self.browser.origin
        if origin is not None and (run := self.runs.get(origin)) is not None:
            self._show(run)

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

    def _finish(self, run: Run) -> None:
        self.runs.put(run)
        self.casebook.take(run, self.browser.key)
        self.results.show(run)

    def _take(self, run: Run, key: str) -> None:
        """Keep a run that was drawn behind what is shown; show it where it belongs there."""
        self.runs.put(run)
        self.casebook.take(run, key)
        if run.origin == self.browser.origin and self.results.run is None and not self._is_drawing():
            self._show(run)

    def _redraw(self) -> None:
        """Show experts, maps and samples anew, after they were hidden."""
        self.display.redraw()
        self.results.redraw()

    def _show(self, run: Run) -> None:
        """Show a run of the case that is shown, made now or earlier."""
        self.state.placing.field = run.field
        self.results.show(run)
        self.player.show(run)

    def _begin_as_set(self) -> None:
        """Begin with what the user set for all sessions."""
        kept, sampling = self.settings, self.state.sampling
        sampling.device, sampling.n_samples = kept.device, kept.samples
        sampling.wish = SamplingWish(steps=kept.steps or None)
        self.state.display.window, self.state.display.outline_width = kept.window, kept.outline_width

    def _open_hdf5(self, path: str) -> None:
        with notifying():
            self.browser.open_hdf5(path)

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
