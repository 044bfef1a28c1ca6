"""The open data of one viewer: which file, which split, which case is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari_ambiseg.layer_book import LayerBook
from napari_ambiseg.layers import Origin
from napari_ambiseg.measures import ExpertMeasures
from napari_ambiseg.sample_data import DEMO, DemoSet
from napari_ambiseg.state import ViewerState
from napari_ambiseg.survey import CaseSet, Survey
from training.data.reading import open_isolated
from training.errors import ConfigError
from training.records import AnnotatedSlice


class Browser:
    """Opens data and shows its cases, one at a time; errors are raised, for the controller to tell.

    Parameters
    ----------
    state : gets what is open, and the experts' numbers of the case that is shown
    layers : where it is shown
    leave : called before a case makes way for another

    Attributes
    ----------
    case : the case that is shown, None where there is none
    survey : the numbers of all cases of the split, as far as they are known
    """

    def __init__(self, state: ViewerState, layers: LayerBook, leave: Callable[[], None]) -> None:
        self.case: AnnotatedSlice | None = None
        self.survey: Survey | None = None
        self._state, self._layers, self._leave = state, layers, leave
        self._cases: CaseSet | None = None
        self._asked = -1  # index of the last case that was asked for, readable or not
        self._framed = False
        self._opened: Mapping[str, Any] | None = None

    def open_hdf5(self, path: str, split: str | None = None, index: int = 0) -> None:
        """Show a case of an HDF5 file, which another process reads: a damaged one must not end the window."""
        self.open(open_isolated(path), path, split, index)

    def open(self, cases: CaseSet, source: str, split: str | None = None, index: int = 0) -> None:
        """Show a case of newly opened data, by default the first one of the first split."""
        self.close()
        self._cases = cases
        self._framed = False
        browsing = self._state.browsing
        browsing.source, browsing.splits = source, tuple(cases.splits)
        self.enter(split or browsing.splits[0], index)

    def enter(self, split: str, index: int = 0) -> None:
        """Go to a split.  If its case cannot be read nothing is shown, rather than a case from elsewhere."""
        if self._cases is None:
            return
        if split not in self._cases.splits:
            raise ConfigError(f"no split {split!r}; choose one of: {', '.join(self._cases.splits)}")
        browsing = self._state.browsing
        self._leave()
        self.case = self._state.disagreement.experts = None
        self.survey = Survey(self._cases.splits[split])
        browsing.split, browsing.surveyed, browsing.index, browsing.key = split, 0, -1, ""
        try:
            self.show(index)
        finally:
            if self.case is None:
                self._layers.remove_all()

    def show(self, index: int) -> None:
        """Show a case of the split; an index outside it is brought back to its nearest end.

        If it cannot be read, the case before it stays.
        """
        if self._cases is None:
            return
        browsing = self._state.browsing
        cases = self._cases.splits[browsing.split]
        index = self._asked = min(max(index, 0), len(cases) - 1)
        case = cases[index]
        self._leave()
        self.case = case
        browsing.index, browsing.key = index, cases.keys[index]
        self._state.disagreement.experts = ExpertMeasures.of(case)
        self.redraw()

    def redraw(self) -> None:
        """Put the case's layers back, whichever are missing."""
        browsing = self._state.browsing
        if self.case is None:
            return
        with self._layers.by_us():
            self._layers.show_case(self.case, Origin(browsing.source, browsing.split, browsing.index))
            if not self._framed:  # once for each source: from then on the camera is the user's
                self._layers.viewer.reset_view()
                self._framed = True

    def step(self, by: int) -> None:
        """Go ``by`` cases on from the last one asked for, so that an unreadable one is passed and not hit again."""
        self.show(self._asked + by)

    def notice(self, layer: Any) -> None:
        """Look at a layer that somebody else added; `adopt` takes its file over.

        Not at once: napari is still adding the other layers of the file.
        """
        self._opened = self._layers.opened_from(layer) or self._opened

    def adopt(self) -> None:
        """Browse the file that napari's own menu opened with our reader, if there is one."""
        if self._opened is None:
            return
        origin, self._opened = self._opened, None
        source = origin["source"]
        cases = DemoSet() if source == DEMO else open_isolated(source)
        with self._layers.by_us():
            self._layers.adopt()
        self.open(cases, source, origin["split"], origin["index"])

    def close(self) -> None:
        """Let go of the open file; the case that is shown stays."""
        if self._cases is not None:
            self._cases.close()
        self._cases = self.survey = None
