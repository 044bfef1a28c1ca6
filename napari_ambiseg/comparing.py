"""Two runs of one case against each other: their pictures side by side, and their numbers.  No Qt."""

from __future__ import annotations

from collections.abc import Iterable

from napari_ambiseg.beside import Beside
from napari_ambiseg.browser import Browser
from napari_ambiseg.cleaning_text import after_cleaning
from napari_ambiseg.compared_runs import ComparedRuns
from napari_ambiseg.comparison_table import Row, comparison_rows
from napari_ambiseg.kept_runs import Letter
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.cells import expert_pictures, run_picture
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.notices import NOTHING_OPEN, REVEAL_FIRST, advise
from napari_ambiseg.results import Results
from napari_ambiseg.run_text import described, names_apart
from napari_ambiseg.runs import Run
from napari_ambiseg.state import EXPERTS_BESIDE, RUNS_BESIDE, ViewerState
from training.records import BoolArray


class Comparer:
    """Remembers the runs of each case, and shows two of them side by side.

    Parameters
    ----------
    state : its comparing part says what there is and what is shown
    layers : where the cells are shown
    browser : has the case
    results : has the run that is shown
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser, results: Results) -> None:
        self._state, self._comparing = state, state.comparing
        self._browser, self._results = browser, results
        self._beside = Beside(layers, browser.framing)
        self._runs = ComparedRuns()
        self._last: Run | None = None
        self._measured: dict[int, SampleMeasures] = {}
        self._stale, self._screen_pixel = False, 1.0
        state.postprocessing.events.cleaning.connect(self._forget_numbers)
        state.reading.events.blind.connect(self._on_blind)

    # -- what there is ----------------------------------------------------------------------------------------------

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of the case that is shown, the oldest first."""
        return self._runs.of(self._browser.origin)

    @property
    def first(self) -> Run | None:
        """Run A of the case that is shown; None where none is pinned."""
        return self._runs.first(self._browser.origin)

    @property
    def second(self) -> Run | None:
        """Run B: the one that was chosen, else the newest but A."""
        return self._runs.second(self._browser.origin)

    def rows(self) -> tuple[Row, ...]:
        """The numbers of A and B after the same post-processing."""
        if self._state.reading.blind:
            return ()
        first, second = (None if run is None else self._numbers(run) for run in (self.first, self.second))
        case = self._browser.case
        return comparison_rows(first, second, "px" if case is None or case.spacing_mm is None else "mm²")

    @property
    def cleaning(self) -> str:
        """Which post-processing the numbers and pictures of A and B are after; "" where they are as drawn."""
        wish = self._state.postprocessing.cleaning
        done = [run.cleaning_of(wish) for run in (self.first, self.second) if run is not None]
        return after_cleaning(done[0], done[-1]) if done else ""

    def remembered(self) -> dict[Origin, tuple[tuple[Run, Letter], ...]]:
        """The runs of every case, the oldest first, with the letters that the user gave them."""
        return self._runs.all()

    # -- what is asked for -----------------------------------------------------------------------------------------

    def pin(self) -> None:
        """Take the run that is shown as A."""
        self._note()
        origin, run = self._browser.origin, self._last
        if origin is None or run is None or run not in self.runs:
            advise("draw samples first: Generate in the sampler")
            return
        self._runs.pin(origin, run)
        self._tell()

    def choose_first(self, number: int) -> None:
        """Take a run of the case, by its number from 0, as A."""
        origin = self._browser.origin
        if origin is not None and 0 <= number < len(self.runs):
            self._runs.pin(origin, self.runs[number])
            self._tell()

    def choose_second(self, number: int) -> None:
        """Take a run of the case, by its number from 0, as B."""
        if 0 <= number < len(self.runs):
            self._runs.chosen = self.runs[number]
            self._tell()

    def recollect(self, runs: Iterable[tuple[Run, Letter]]) -> None:
        """Take in runs of the case that is shown, the oldest first, with the letters that they had."""
        origin = self._browser.origin
        if origin is None:
            return
        self._runs.recollect(origin, runs)
        self._tell()

    def show_runs(self) -> None:
        """A and B side by side."""
        if self.first is None or self.second is None:
            advise("pin a run as A and draw another one of the same case first: it becomes B")
        else:
            self._show(RUNS_BESIDE)

    def show_experts(self) -> None:
        """Every expert in a picture of their own."""
        if self._browser.case is None or not self._browser.case.n_experts:
            advise(f"{NOTHING_OPEN} that experts annotated")
        else:
            self._show(EXPERTS_BESIDE)

    def leave(self) -> None:
        """Back to one picture."""
        self._comparing.shown = ""
        self._beside.leave()

    # -- what happens ----------------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """Another case is shown: experts stay side by side, runs only where this case has two as well."""
        self._runs.chosen = None
        self._measured.clear()
        self._tell()
        if self._comparing.shown == RUNS_BESIDE and (self.first is None or self.second is None):
            self.leave()

    def update(self) -> None:
        """Take note of a run that is new, and draw what became stale."""
        self._note()
        if self._comparing.shown and not self._beside.on:
            self._comparing.shown = ""
        if self._comparing.shown and self._stale:
            self._draw()
        self._beside.update()
        if self._comparing.shown and not self._beside.on:
            self._comparing.shown = ""
        if self._comparing.shown == RUNS_BESIDE and self._screen_pixel != self._browser.framing.rounded_screen_pixel:
            self._draw()  # the experts' letters stand elsewhere now

    def _show(self, what: str) -> None:
        if self._state.reading.blind:
            advise(REVEAL_FIRST)
            return
        self._comparing.shown = what
        self._draw()

    def _draw(self) -> None:
        self._stale = False
        case, origin, place = self._browser.case, self._browser.origin, self._browser.place
        first, second = self.first, self.second
        if case is None or origin is None:
            self.leave()
        elif self._comparing.shown == EXPERTS_BESIDE and case.n_experts:
            self._beside.show(expert_pictures(case, origin, place))
        elif self._comparing.shown == RUNS_BESIDE and first is not None and second is not None:
            pairs = zip(names_apart(first, second), (first, second), strict=True)
            self._screen_pixel = self._beside.screen_pixel(2)
            self._beside.show(
                [
                    run_picture(name, case, origin, place, self._cleaned(run), run.place, self._screen_pixel)
                    for name, run in pairs
                ]
            )
        else:
            self.leave()

    def _note(self) -> None:
        """Keep the run that is shown, without its walk."""
        run = self._results.run
        origin = self._browser.origin
        if run is None or origin is None or run.origin != origin:
            return
        if self._last is not None and run.is_same(self._last):
            return
        self._last = self._runs.add(origin, run)
        self._tell()

    def _tell(self) -> None:
        comparing, runs = self._comparing, self.runs
        comparing.runs = tuple(f"{number}: {described(run)}" for number, run in enumerate(runs, start=1))
        comparing.first, comparing.second = (
            next((at for at, run in enumerate(runs) if run is chosen), -1) for chosen in (self.first, self.second)
        )
        self._redraw()

    def _redraw(self) -> None:
        self._stale = True
        self._comparing.revision += 1

    def _forget_numbers(self) -> None:
        self._measured.clear()
        self._redraw()

    def _on_blind(self, blind: bool) -> None:
        if blind:
            self.leave()
        self._redraw()

    def _numbers(self, run: Run) -> SampleMeasures:
        if id(run) not in self._measured:
            self._measured[id(run)] = SampleMeasures.of(self._cleaned(run), run.case)
        return self._measured[id(run)]

    def _cleaned(self, run: Run) -> BoolArray:
        return run.cleaning_of(self._state.postprocessing.cleaning).apply(run.masks, run.x0_hat)
