"""Finished drawings on their way: kept, noted in the case book, and shown where their case is.  No Qt."""

from __future__ import annotations

from napari_ambiseg.browser import Browser
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.player import Player
from napari_ambiseg.results import Results
from napari_ambiseg.runs import Run, RunCache
from napari_ambiseg.state import IDLE, ViewerState


class Shelf:
    """Keeps each finished run, and shows again what was drawn for a case.

    Parameters
    ----------
    state : its placing part is set to the field of a run that is shown again
    browser : has the case
    runs : where they are kept
    casebook : gets the model's numbers of each case
    results, player : show the masks and the walk of a run
    """

    def __init__(
        self,
        state: ViewerState,
        browser: Browser,
        runs: RunCache,
        casebook: Casebook,
        results: Results,
        player: Player,
    ) -> None:
        self._state, self._browser, self._runs, self._casebook = state, browser, runs, casebook
        self._results, self._player = results, player

    def finish(self, run: Run) -> None:
        """Keep and show a run whose walk was watched until now."""
        self._keep(run, self._browser.key)
        self._results.show(run)

    def take(self, run: Run, key: str) -> None:
        """Keep a run that was drawn behind what is shown; show it where it belongs there.

        Parameters
        ----------
        key : identifier of its case, as its file has it
        """
        self._keep(run, key)
        if run.origin == self._browser.origin and self._results.run is None and self._state.sampling.status == IDLE:
            self._show(run)

    def play(self, run: Run) -> None:
        """Keep a run of the case that is shown, and play the walk of its largest mask from the beginning."""
        self._keep(run, self._browser.key)
        self._show(run)
        self._state.playback.sample = int(run.masks.sum(axis=(1, 2)).argmax())
        self._player.play()

    def arrive(self) -> None:
        """Another case is shown: so is what was drawn for it before."""
        origin = self._browser.origin
        if origin is not None and (run := self._runs.get(origin)) is not None:
            self._show(run)

    def _keep(self, run: Run, key: str) -> None:
        self._runs.put(run)
        self._casebook.take(run, key)

    def _show(self, run: Run) -> None:
        self._state.placing.field = run.field
        self._results.show(run)
        self._player.show(run)
