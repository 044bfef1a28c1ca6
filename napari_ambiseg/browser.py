"""The open data of one viewer: which file, which split, which case is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari_ambiseg.casebook import Casebook
from napari_ambiseg.framing import Framing
from napari_ambiseg.layer_case import LayerSet, about
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.case import image_layer
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import KEY, Origin
from napari_ambiseg.measures import ExpertMeasures
from napari_ambiseg.ranking import Ranking
from napari_ambiseg.sample_data import DEMO, DemoSet
from napari_ambiseg.state import ViewerState
from napari_ambiseg.survey import CaseSet, Survey, require_case, require_split
from training.data.reading import open_isolated
from training.errors import ConfigError
from training.export.geometry import Geometry
from training.records import AnnotatedSlice


class Browser:
    """Opens data and shows its cases, one at a time; errors are raised, for whoever asked to tell.

    Parameters
    ----------
    state : gets what is open, and the experts' numbers of the case that is shown
    layers : where it is shown
    casebook : has flags, notes and the model's numbers, by which cases are listed
    leave : called before a case makes way for another
    arrive : called when another case is shown

    Attributes
    ----------
    case : the case that is shown, None where there is none
    place : where its pixels lie
    survey : the numbers of all cases of the split, as far as they are known
    ranking : which of them are listed, and in which order
    """

    def __init__(
        self,
        state: ViewerState,
        layers: LayerBook,
        casebook: Casebook,
        leave: Callable[[], None],
        arrive: Callable[[], None],
    ) -> None:
        self.case: AnnotatedSlice | None = None
        self.place = Place()
        self.survey: Survey | None = None
        self.ranking = Ranking(state.listing, casebook, state.reading)
        self._state, self._layers, self._leave, self._arrive = state, layers, leave, arrive
        self._cases: CaseSet | None = None
        self._origin, self._key = Origin("", "", -1), ""
        self._asked = -1  # index of the last case that was asked for, readable or not
        self.framing = Framing(layers)
        self._opened: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """Identifier of the case that is shown, as its file has it; "" where there is none."""
        return "" if self.case is None else self._key

    @property
    def origin(self) -> Origin | None:
        """Where the case that is shown comes from."""
        return None if self.case is None else self._origin

    def open_hdf5(self, path: str) -> None:
        """Show the first case of an HDF5 file, which another process reads: a damaged one must not end the window.

        Raises
        ------
        ConfigError, DataFormatError, DeviceError
            If it cannot be read; what is open stays, but where the file can be read and its first case cannot.
        """
        self.open(open_isolated(path), path)

    def open(
        self,
        cases: CaseSet,
        source: str,
        split: str | None = None,
        index: int = 0,
        left: Callable[[], None] | None = None,
    ) -> None:
        """Show a case of newly opened data, by default the first one of the first split.

        Parameters
        ----------
        left : called when the case before has made way, and before the new one is shown

        Raises
        ------
        ConfigError
            If there is no such split, or no such case in it: what was open stays, and ``cases`` are closed.
        """
        split = next(iter(cases.splits)) if split is None else split
        try:
            require_case(cases, split, index)
        except ConfigError:
            cases.close()
            raise
        self.close()
        self._cases = cases
        self.framing.begin()
        browsing = self._state.browsing
        browsing.source, browsing.splits = source, tuple(cases.splits)
        self.enter(split, index, left)

    def enter(self, split: str, index: int = 0, left: Callable[[], None] | None = None) -> None:
        """Go to a split.  If its case cannot be read nothing is shown, rather than a case from elsewhere.

        Parameters
        ----------
        left : as in `open`

        Raises
        ------
        ConfigError
            If there is no such split: what is shown stays.
        DataFormatError
            If the case cannot be read.
        """
        if self._cases is None:
            return
        require_split(self._cases, split)
        browsing = self._state.browsing
        self._leave()
        self.case = self._state.disagreement.experts = None
        self.survey = Survey(self._cases.splits[split])
        browsing.split, browsing.surveyed, browsing.index, browsing.key = split, 0, -1, ""
        self.ranking.follow(self.survey, browsing.source, split)
        if left is not None:
            left()
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
        place = self.place_of(case, index)
        if place.ndim != self.place.ndim:  # what is left would lend its axes to the new ones
            self._layers.remove_all()
        self.case, self.place = case, place
        self._origin, self._key = Origin(browsing.source, browsing.split, index), cases.keys[index]
        browsing.index, browsing.key = index, self._key
        self._state.disagreement.experts = ExpertMeasures.of(case) if case.n_experts else None
        self.redraw()
        self._arrive()

    def redraw(self) -> None:
        """Show the image of the case, in a new layer if that is missing."""
        if self.case is None or (origin := self.origin) is None:
            return
        with self._layers.by_us():
            layer = self._layers.show(image_layer(self.case, origin, self.place))
            if isinstance(self._cases, LayerSet):  # whose layer the user has framed already
                layer.metadata[KEY] |= about(self._cases)
                self._go_to_depth()
            else:
                self.framing.show(self.place, self.case.image.shape)

    def step(self, by: int) -> None:
        """Go ``by`` cases on, in the order in which they are listed.

        It starts from the last one asked for, so that an unreadable one is passed and not hit again.
        """
        self.show(self.ranking.step(self._asked, by))

    def read(self, index: int) -> AnnotatedSlice:
        """A case of the open split, without showing it; errors of the file are raised."""
        if self._cases is None:
            raise ConfigError("no data are open; open the demo cases or a file first")
        return self._cases.splits[self._state.browsing.split][index]

    def place_of(self, case: AnnotatedSlice, index: int) -> Place:
        """Where a case of the open split lies."""
        return self._cases.place(index) if isinstance(self._cases, LayerSet) else Place.of(case)

    @property
    def layer_set(self) -> LayerSet | None:
        """The open data where they are layers of the user's own."""
        return self._cases if isinstance(self._cases, LayerSet) else None

    @property
    def geometry(self) -> Geometry | None:
        """Where the case that is shown lies in the patient; None where only its spacing is known."""
        return None if self.layer_set is None or self.case is None else self.layer_set.geometry(self._origin.index)

    def _go_to_depth(self) -> None:
        """Move the sliders to the slice, where it is one of a volume."""
        dims, place = self._layers.viewer.dims, self.place
        hidden = dims.ndim - place.ndim
        for axis, at in enumerate(place.world((0, 0)), start=hidden):
            if axis - hidden not in place.axes:
                dims.set_point(axis, at)

    def advance(self, budget_s: float) -> None:
        """Go on with the survey for some seconds, and list what it learnt."""
        if self.survey is not None and not self.survey.done:
            surveyed = self.survey.advance(budget_s)
            self.ranking.update()
            self._state.browsing.surveyed = surveyed

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
        cases = open_cases(origin["source"])
        with self._layers.by_us():
            self._layers.adopt()
        opened = Origin(origin["source"], origin["split"], origin["index"])
        if opened.source != DEMO or opened != self.origin:  # a file may have changed; the demo cases never do
            self.open(cases, opened.source, opened.split, opened.index)

    def close(self) -> None:
        """Let go of the open file; the case that is shown stays."""
        if self._cases is not None:
            self._cases.close()
        self._cases = self.survey = None
        self.ranking.follow(None, "", "")


def open_cases(source: str) -> CaseSet:
    """The cases of a file, which another process reads, or of the demo set.

    Raises
    ------
    DataFormatError, DeviceError
        As `training.data.reading.open_isolated`.
    """
    return DemoSet() if source == DEMO else open_isolated(source)
