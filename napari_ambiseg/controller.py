"""Connects state, layers and child processes; knows no Qt.

The docks change the state or call one of the verbs here (`open_path`, `convert`, `generate`, ...).  `Browser` shows
what can be opened at once, `Converter` offers to convert every other form, `Drawing` draws samples.  `tick`, called
some twenty times a second by a timer, brings in what the sampling, the counting and the converting process sent, and
does the work that must not be done at every single event.  An `AmbisegError` becomes one notification here, wherever
it came from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_ambiseg._compat import unwrapped
from napari_ambiseg.browser import Browser
from napari_ambiseg.converting import Converter
from napari_ambiseg.drawing import Drawing
from napari_ambiseg.engine import Engine
from napari_ambiseg.layer_book import LayerBook
from napari_ambiseg.layers import VARIANCE, VOTES
from napari_ambiseg.notices import advise, notify, notifying
from napari_ambiseg.player import Player
from napari_ambiseg.sample_data import DEMO, DemoSet
from napari_ambiseg.sources import HDF5, layout_of
from napari_ambiseg.state import IDLE, ViewerState
from napari_ambiseg.survey import Survey
from training.errors import AmbisegError
from training.records import AnnotatedSlice

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
    """

    def __init__(self, viewer: ViewerModel, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()
        self.state = ViewerState()
        self.layers = LayerBook(unwrapped(viewer))
        self._player = Player(self.state, self.layers)
        self._drawing = Drawing(self.state, self.layers, self.engine, self._player)
        self._browser = Browser(self.state, self.layers, self._drawing.forget)
        self._converter = Converter(self.state.converting, self._open_hdf5, self._is_drawing)
        disagreement = self.state.disagreement.events
        disagreement.show_variance.connect(self._show_variance)
        disagreement.show_votes.connect(self._show_votes)
        self.viewer.layers.events.inserted.connect(self._on_inserted)
        for layer in self.viewer.layers:
            self._browser.notice(layer)

    @property
    def viewer(self) -> Any:
        """The viewer itself, not napari's public-only proxy of it."""
        return self.layers.viewer

    @property
    def case(self) -> AnnotatedSlice | None:
        """The case that is shown."""
        return self._browser.case

    @property
    def survey(self) -> Survey | None:
        """The numbers of all cases of the open split, as far as they are known; `tick` goes on with it."""
        return self._browser.survey

    def open_path(self, path: str | Path) -> None:
        """Open annotated slices, a file or a folder: show the first case, or offer a conversion where it takes one."""
        path = Path(path)
        with notifying():
            layout = layout_of(path)
            if layout == HDF5:
                self._browser.open_hdf5(str(path))
            else:
                self._converter.offer(path, layout)

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
            self._browser.open(DemoSet(), DEMO)

    def open_split(self, split: str) -> None:
        """Go to another split of the open file."""
        with notifying():
            self._browser.enter(split)

    def open_case(self, index: int) -> None:
        """Show a case of the split; an index outside it is brought back to its nearest end."""
        with notifying():
            self._browser.show(index)

    def next_case(self, by: int = 1) -> None:
        """Go ``by`` cases forward, or back where negative."""
        with notifying():
            self._browser.step(by)

    def generate(self) -> None:
        """Draw samples for the case that is shown; a drawing under way is dropped."""
        if self.case is None:
            advise("open a case first: the demo cases, or a file of annotated slices")
            return
        with notifying():
            self._drawing.start(self.case)

    def cancel(self) -> None:
        """Stop the drawing under way before its next step; what came so far stays to be looked at."""
        self._drawing.cancel()

    def ask_devices(self) -> None:
        """Learn which devices there are; the answer arrives in the state."""
        with notifying():
            self.engine.ask_devices()

    def notify(self, error: AmbisegError) -> None:
        """Tell the user of an error that a dock met."""
        notify(str(error))

    def frame_text(self) -> str:
        """Where the shown frame stands in the walk, as it is written on the canvas; "" where there is none."""
        return self._player.text()

    def tick(self) -> None:
        """Bring everything up to date; called by a timer, returns within some milliseconds."""
        with notifying():
            self._browser.adopt()
        with notifying():
            self._converter.update()
        self._drawing.update()
        if self.survey is not None and not self.survey.done:
            self.state.browsing.surveyed = self.survey.advance(_SURVEY_S)
        # A layer's own eye and our switch are two handles of one thing; a deleted layer is a switch turned off.
        if self._drawing.is_done or self.layers.find(VARIANCE) is not None:
            self.state.disagreement.show_variance = self.layers.is_visible(VARIANCE)
        if self.case is not None:
            self.state.disagreement.show_votes = self.layers.is_visible(VOTES)

    def close(self) -> None:
        """End all processes and let go of the file; to be called when the viewer is closed."""
        self._converter.close()
        self.engine.stop()
        self._browser.close()

    def _open_hdf5(self, path: str) -> None:
        with notifying():
            self._browser.open_hdf5(path)

    def _is_drawing(self) -> bool:
        return self.state.sampling.status != IDLE

    def _on_inserted(self, event: Any) -> None:
        if not self.layers.ours:
            self._browser.notice(event.value)

    def _show_variance(self, on: bool) -> None:
        self.layers.set_visible(VARIANCE, on)
        if on and self.layers.find(VARIANCE) is None:
            self._drawing.redraw()

    def _show_votes(self, on: bool) -> None:
        self.layers.set_visible(VOTES, on)
        if on and self.layers.find(VOTES) is None:
            self._browser.redraw()


_CONTROLLERS: WeakKeyDictionary[Any, Controller] = WeakKeyDictionary()


def controller_of(viewer: ViewerModel) -> Controller:
    """The controller of a viewer, made on first need and shared by all its docks."""
    viewer = unwrapped(viewer)
    if viewer not in _CONTROLLERS:
        _CONTROLLERS[viewer] = Controller(viewer)
    return _CONTROLLERS[viewer]
