"""The samples that are shown: post-processed, measured and outlined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.curves import RELATIVE_AREAS, ged_by_relative_area
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.marked import marked_window
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import SAMPLES
from napari_ambiseg.layers.samples import samples_layer
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.runs import Run
from napari_ambiseg.state import ViewerState
from training.metrics.diameter import largest_diameters
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, BoolArray


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples that can be looked at: of a finished run after post-processing, or still being drawn.

    Parameters
    ----------
    masks : (N, H, W) bool
    case : what the model saw
    place : where that lies in the viewer
    provenance : what made the masks; empty while they are being drawn
    """

    masks: BoolArray
    case: AnnotatedSlice
    place: Place
    provenance: Mapping[str, str | int | float | None]

    @cached_property
    def longest(self) -> NDArray[np.float64]:
        """(N,) largest diameters, in millimetres where the spacing is known; counted when first asked for."""
        return largest_diameters(self.masks, self.case.spacing_mm or (1.0, 1.0))


class Results:
    """Shows one run, and cleans it as the state's post-processing part says.

    The run itself stays as it was drawn; the wish to clean stays from case to case, and ends with their file.

    Parameters
    ----------
    state : the numbers go to its disagreement part
    layers : where the outlines are shown

    Attributes
    ----------
    run : what is shown, None where there is nothing
    masks : its masks after post-processing, (N, H, W) bool
    samples : the same, or the masks that are still being drawn; None where there are none
    """

    def __init__(self, state: ViewerState, layers: LayerBook) -> None:
        self.run: Run | None = None
        self.masks: BoolArray | None = None
        self.samples: Samples | None = None
        self._state, self._layers = state, layers
        self._stale = False
        self._measured: tuple[Run, SampleMeasures] | None = None
        self._cleaned: tuple[Run, Cleaning, BoolArray] | None = None  # by all but the relative area
        self._curve: tuple[BoolArray, NDArray[np.float64]] | None = None
        self._source = ""  # the last one that was open
        state.browsing.events.source.connect(self._on_source)
        state.postprocessing.events.cleaning.connect(self.redraw)
        state.postprocessing.events.show_before.connect(self.redraw)

    @property
    def takes_threshold(self) -> bool:
        """Whether the samples can be cut at another threshold than they were: their predicted clean masks are there."""
        return self.run is not None and self.run.x0_hat is not None

    @property
    def cleaning(self) -> Cleaning:
        """What is done to the samples that are shown: all that is wished, but for a threshold that they do not take."""
        wish = self._state.postprocessing.cleaning
        return wish if self.run is None else self.run.cleaning_of(wish)

    def show(self, run: Run) -> None:
        """Show a finished run at the next `update`."""
        self.run = run
        self.redraw()

    def preview(self, measures: SampleMeasures, masks: BoolArray, case: AnnotatedSlice, place: Place) -> None:
        """Show the numbers of masks that are still being drawn."""
        self.samples = Samples(masks, case, place, {})
        self._state.disagreement.raw = measures

    def forget(self) -> None:
        """Back to no samples."""
        self.run = self.masks = self.samples = self._measured = self._cleaned = self._curve = None
        self._stale = False
        self._layers.clear(SAMPLES)
        self._state.disagreement.raw = self._state.disagreement.processed = None

    def redraw(self) -> None:
        """Clean, measure and outline anew at the next `update`: post-processing has changed, or a layer is missing."""
        self._stale = True

    def update(self) -> None:
        """Draw what became stale."""
        if not self._stale or self.run is None:
            return
        self._stale = False
        run, cleaning, disagreement = self.run, self.cleaning, self._state.disagreement
        changed = not cleaning.is_nothing
        self.masks = self._but_relative_area(run, cleaning)
        if cleaning.relative_area:
            self.masks = Cleaning(relative_area=cleaning.relative_area).apply(self.masks)
        self.samples = Samples(self.masks, run.case, run.place, run.provenance)
        disagreement.raw = raw = self._raw(run)
        disagreement.processed = SampleMeasures.of(self.masks, run.case) if changed else raw
        ghost = run.masks if changed and self._state.postprocessing.show_before else None
        about = {**run.about, "cleaning": " ".join(cleaning.options())}
        self._layers.show(samples_layer(self.masks, ghost, run.place, about))

    def ged_by_relative_area(self) -> NDArray[np.float64] | None:
        """GED (V) at each of `curves.RELATIVE_AREAS` with the other cleaning as it is; None without samples."""
        if self.run is None:
            return None
        masks = self._but_relative_area(self.run, self.cleaning)
        if self._curve is None or self._curve[0] is not masks:
            self._curve = masks, ged_by_relative_area(masks, self.run.case.masks, RELATIVE_AREAS)
        return self._curve[1]

    def _on_source(self, source: str) -> None:
        """What was set for the samples of one file is not done unseen to those of another."""
        if self._source and source and source != self._source:
            self._state.postprocessing.cleaning = Cleaning()
        self._source = source or self._source

    def _raw(self, run: Run) -> SampleMeasures:
        """The numbers of a run as it was drawn, counted once."""
        if self._measured is None or self._measured[0] is not run:
            self._measured = run, SampleMeasures.of(run.masks, run.case)
        return self._measured[1]

    def _but_relative_area(self, run: Run, cleaning: Cleaning) -> BoolArray:
        """The masks before they are compared with the largest one, which comes last and whose slider moves most."""
        cleaning = replace(cleaning, relative_area=0.0)
        if cleaning.is_nothing:
            return run.masks
        if self._cleaned is None or self._cleaned[0] is not run or self._cleaned[1] != cleaning:
            masks = Cleaning(threshold=cleaning.threshold).apply(run.masks, run.x0_hat)
            self._cleaned = run, cleaning, _cleaned_within(masks, replace(cleaning, threshold=0.0))
        return self._cleaned[2]


def _cleaned_within(masks: BoolArray, cleaning: Cleaning) -> BoolArray:
    """What `Cleaning.apply` gives, in a fraction of the time: nothing happens far from what the masks mark.

    Around the rows and columns that any mask (N, H, W) marks one more is taken in, so that background which leads out
    of them still does.
    """
    if not masks.any():
        return masks
    rows, columns = (slice(max(at.start - 1, 0), at.stop + 1) for at in marked_window(masks))
    cleaned = np.zeros_like(masks)
    cleaned[:, rows, columns] = cleaning.apply(masks[:, rows, columns])
    return cleaned
