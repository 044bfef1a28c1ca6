"""What the user opens: data of any form, and cases of them.  No Qt."""

from __future__ import annotations

from pathlib import Path

from napari_ambiseg.browser import Browser
from napari_ambiseg.converting import Converter
from napari_ambiseg.notices import notified
from napari_ambiseg.own_layers import OwnLayers
from napari_ambiseg.recorded_walk import CASE, RecordedWalk
from napari_ambiseg.sample_data import DEMO, DemoSet
from napari_ambiseg.session import Session
from napari_ambiseg.shelf import Shelf
from napari_ambiseg.sources import HDF5, SCAN, SESSION, layout_of


class Opener:
    """Sends what the user asks for to the part that opens it; what cannot be opened is told, and what is open stays.

    Its verbs are called from several places: docks, keys, menus, drops, the command line.

    Parameters
    ----------
    browser : opens HDF5 and the demo cases, and goes from case to case
    own : opens layers and scans
    session : opens sessions
    converter : is offered everything else
    shelf : shows a walk that comes with the program
    """

    def __init__(self, browser: Browser, own: OwnLayers, session: Session, converter: Converter, shelf: Shelf) -> None:
        self._browser, self._own, self._session, self._converter = browser, own, session, converter
        self._shelf = shelf

    @notified
    def open_path(self, path: str | Path) -> None:
        """Open annotated slices, a file or a folder: show the first case, or offer a conversion where it takes one.

        A session goes on where it was left.
        """
        path = Path(path).absolute()  # a session must find it again from another folder
        layout = layout_of(path)
        if layout == HDF5:
            self._browser.open_hdf5(str(path))
        elif layout == SCAN:
            self._own.open_scan(path)
        elif layout == SESSION:
            self._session.open(path)
        else:
            self._converter.offer(path, layout)

    @notified
    def open_demo(self) -> None:
        """Open the synthetic demo cases and show the first one."""
        self._browser.open(DemoSet(), DEMO)

    @notified
    def open_recorded(self) -> None:
        """Open the demo case of the walk that comes with the program, and play it."""
        self._browser.open(DemoSet(), DEMO, index=CASE)
        case, origin, place = self._browser.case, self._browser.origin, self._browser.place
        if case is not None and origin is not None:
            self._shelf.play(RecordedWalk.read().run(case, origin, place))

    @notified
    def use_layers(self) -> None:
        """Read on the image that is selected in the layer list, with what its experts drew in selected layers."""
        self._own.use_selected()

    @notified
    def open_case(self, index: int) -> None:
        """Show a case of the split; an index outside it is brought back to its nearest end."""
        self._browser.show(index)

    @notified
    def next_case(self, by: int = 1) -> None:
        """Go ``by`` cases forward, or back where negative."""
        self._browser.step(by)
