"""The case that is shown, with its masks and its walk, as everything that is written is made from.  No Qt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_ambiseg.browser import Browser
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.entries import FLAGS
from napari_ambiseg.player import Player
from napari_ambiseg.results import Results
from napari_ambiseg.runs import Frames, Run
from napari_ambiseg.state import ViewerState
from training.errors import ConfigError
from training.export import DrawnCase
from training.export.own_reading import OwnReading
from training.records import SampleSet, Trajectory


class ShownCase:
    """Gathers what is shown of the case.

    Parameters
    ----------
    state : knows flag, note, field and what is being drawn
    browser : has the whole slice
    results : has the masks
    player : has the states of the walk
    casebook : has the reader's own outline
    """

    def __init__(
        self, state: ViewerState, browser: Browser, results: Results, player: Player, casebook: Casebook
    ) -> None:
        self._state, self._browser, self._results, self._player = state, browser, results, player
        self._casebook = casebook

    @property
    def key(self) -> str:
        """Identifier of the case; "" where none is shown."""
        return "" if self._browser.case is None else self._browser.case.key

    @property
    def run(self) -> Run | None:
        """What is shown, if it is of the case that is shown."""
        run = self._results.run
        return run if run is not None and run.origin == self._browser.origin else None

    @property
    def frames(self) -> Frames | None:
        """The states of its walk, or of one that is not finished."""
        return self._player.frames() if self.run is None else self.run.frames

    @property
    def dicom(self) -> str | None:
        """The DICOM file that the slice is, which a segmentation refers to; None where it is none."""
        opened = self._browser.layer_set
        return None if opened is None else opened.plane.dicom or None

    def drawn(self) -> DrawnCase:
        """The case with its masks as drawn and as cleaned.

        Raises
        ------
        ConfigError
            If there are none yet.
        """
        run, case = self.run, self._browser.case
        if run is None or case is None:
            raise ConfigError("there are no samples of this case yet; generate some first")
        cleaning = self._results.cleaning
        whole, flag = run.field.is_whole(case.image.shape), self._state.reading.flag
        drawn = DrawnCase(
            case=case,
            samples=SampleSet(run.masks, run.seed, run.provenance),
            cleaned=None if cleaning.is_nothing else cleaning.apply(run.masks, run.x0_hat),
            cleaning=cleaning,
            geometry=self._browser.geometry,
            field=None if whole else run.field,
            reading=self._reading(),
            flag=FLAGS.get(flag, flag) if flag else "",
            note=self._state.reading.note,
        )
        return _with_walk(drawn, run.frames)

    def walked(self) -> DrawnCase:
        """The walk that is shown, be it whole or broken off; its masks are those of its last state.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if self.run is not None:
            return self.drawn()
        frames, case, place = self.frames, self._browser.case, self._state.placing.field
        if frames is None or not frames.times or case is None or place is None:
            raise ConfigError("there are no steps to show; generate samples first")
        masks = frames.x0_hat[:, len(frames.times) - 1] > 0
        whole = place.is_whole(case.image.shape)
        samples = SampleSet(masks, self._state.sampling.seed, {"model": self._state.sampling.model})
        return _with_walk(DrawnCase(case, samples, field=None if whole else place), frames)

    def _reading(self) -> OwnReading | None:
        """The reader's own outline once it is revealed; None before, and where nobody drew one."""
        origin, case = self._browser.origin, self._browser.case
        if origin is None or case is None:
            return None
        entry = self._casebook.of(origin, self._browser.key)
        if not (entry.revealed and entry.answered) or entry.mask is None or entry.mask.shape != case.image.shape:
            return None
        return OwnReading(entry.mask, entry.blind, entry.distances)


def _with_walk(drawn: DrawnCase, frames: Frames | None) -> DrawnCase:
    """The same with the states that came."""
    if frames is None or not frames.times:
        return drawn
    count = len(frames.times)
    states = (np.moveaxis(quantity[:, :count], 1, 0) for quantity in (frames.x_t, frames.x0_hat))
    trajectory = Trajectory(np.array(frames.times, np.float32), *states)
    return replace(drawn, trajectory=trajectory, steps=tuple(frames.steps[:count]), n_steps=frames.n_steps)
