"""Which outlines and which map lie on the image: keeps the layers as the state's display part says."""

from __future__ import annotations

from napari_ambiseg.browser import Browser
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.colours import expert_number, pair_colours
from napari_ambiseg.layers.experts import (
    Outline,
    agreement_outline,
    expert_outlines,
    experts_layer,
    own_outline,
    staple_outline,
    summary_outlines,
)
from napari_ambiseg.layers.maps import (
    DIFFERENCE,
    EXPERT_VARIANCE,
    NO_MAP,
    SAMPLE_SHARE,
    SAMPLE_VARIANCE,
    VOTES,
    difference_map,
    share_map,
    variance_map,
    votes_map,
)
from napari_ambiseg.layers.roles import MAP, LayerData
from napari_ambiseg.notices import ONE_PICTURE_FIRST, advise
from napari_ambiseg.results import Results, Samples
from napari_ambiseg.runs import Run
from napari_ambiseg.state import ViewerState
from training.metrics.staple import StapleEstimate, is_available, staple
from training.records import AnnotatedSlice, BoolArray

_SCREEN_WIDTH = 3.0  # pixels of the screen, of an outline at most


class Overlays:
    """Shows the experts' outlines and the one map.

    During a blind read it shows neither: the layers themselves are empty then, not only out of sight.

    Parameters
    ----------
    state : its display part says what is shown; it is not called overlays, as the image's own window is in it too
    layers : where
    browser : has the case
    results : has the samples
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser, results: Results) -> None:
        self._state, self._layers, self._browser, self._results = state, layers, browser, results
        self._outlines_stale = self._map_stale = False
        self._own: BoolArray | None = None
        self._beside: Run | None = None  # whose samples the labels stand beside
        self._coming: Run | None = None  # whose they are to stand beside
        self._screen_pixel = 0.0  # size of one, in pixels of the slice, for which the outlines were drawn
        self._estimate: tuple[AnnotatedSlice, StapleEstimate] | None = None
        events = state.display.events
        for signal in (
            events.hidden_experts, events.summary, events.agreement, events.staple, events.outline_width,
            state.reading.events.blind,
        ):  # fmt: skip
            signal.connect(self._redraw_outlines)
        numbers = state.disagreement.events
        for signal in (events.map, events.pair, numbers.raw, numbers.processed, state.reading.events.blind):
            signal.connect(self._redraw_map)

    def redraw(self) -> None:
        """Show outlines and map anew at the next `update`."""
        self._outlines_stale = self._map_stale = True

    def toggle(self, name: str) -> None:
        """Show a map, or none if it is the one that is shown."""
        display = self._state.display
        if self._has_place():
            display.map = NO_MAP if display.map == name else name

    def show_own(self, mask: BoolArray | None) -> None:
        """Outline a mask (H, W) of the reader's own among the experts'; None is none."""
        if mask is not self._own:
            self._own = mask
            self._redraw_outlines()

    def show_variance(self) -> None:
        """Switch the variance on or off: the samples' where there are any, else the experts'."""
        display = self._state.display
        if not self._has_place():
            return
        if display.map in (SAMPLE_VARIANCE, EXPERT_VARIANCE):
            display.map = NO_MAP
        else:
            display.map = EXPERT_VARIANCE if self._results.samples is None else SAMPLE_VARIANCE

    def show_pair(self, pair: tuple[str, str]) -> None:
        """Show where two masks differ, or no longer where these two are shown already."""
        display = self._state.display
        if not self._has_place():
            return
        if display.pair == pair and display.map == DIFFERENCE:
            display.map, display.pair = NO_MAP, None
        else:
            display.pair, display.map = pair, DIFFERENCE

    def _has_place(self) -> bool:
        """Whether there is one picture for a map to lie on; says so where there are several."""
        if self._state.comparing.shown:
            advise(ONE_PICTURE_FIRST)
        return not self._state.comparing.shown

    def staple_estimate(self) -> StapleEstimate | None:
        """The estimate by STAPLE of this case, made when first asked for; None where it cannot be had."""
        case = self._browser.case
        if case is None or not len(case.masks) or not is_available():
            return None
        if self._estimate is None or self._estimate[0] is not case:
            self._estimate = case, staple(case.masks)
        return self._estimate[1]

    def _redraw_outlines(self) -> None:
        self._outlines_stale = True

    def _redraw_map(self) -> None:
        self._map_stale = True

    def update(self) -> None:
        """Draw what became stale."""
        case = self._browser.case
        if case is None:
            return
        screen_pixel = self._browser.framing.rounded_screen_pixel
        is_seen = not self._state.comparing.shown  # side by side has another zoom, and outlines of its own
        run = self._results.run
        beside = run if run is not None and run.origin == self._browser.origin else None
        # A beat after they came: their own outlines and numbers are work enough for one.
        samples_moved = beside is self._coming and beside is not self._beside
        self._coming = beside
        has_moved = is_seen and (screen_pixel != self._screen_pixel or samples_moved)
        if self._outlines_stale or has_moved:
            self._outlines_stale, self._screen_pixel, self._beside = False, screen_pixel, beside
            self._show_outlines(case)
        if self._map_stale:
            self._map_stale = False
            self._show_map(case)

    def _show_outlines(self, case: AnnotatedSlice) -> None:
        shown = [] if self._state.reading.blind else self._outlines(case)
        samples = None if self._beside is None else self._beside.marked_in(case.image.shape)
        self._layers.show(experts_layer(shown, case.key, self._browser.place, self._screen_pixel, samples))

    def _outlines(self, case: AnnotatedSlice) -> list[Outline]:
        display = self._state.display
        width = min(display.outline_width, _SCREEN_WIDTH * self._screen_pixel)  # a broad one hides what it marks
        own = [] if self._own is None or self._own.shape != case.image.shape else [own_outline(self._own, width)]
        if not len(case.masks):
            return own
        shown = summary_outlines(case.masks, width) if display.summary else []
        if not display.summary:
            shown = expert_outlines(case, display.hidden_experts, width)
        # The broader ones lie below: where they coincide with an expert's, both are seen.
        if display.agreement:
            shown.insert(0, agreement_outline(case.masks, min(display.agreement, len(case.masks)), width))
        if display.staple and (estimate := self.staple_estimate()) is not None:
            shown.insert(0, staple_outline(estimate.mask, width))
        return [*shown, *own]

    def _show_map(self, case: AnnotatedSlice) -> None:
        data = None if self._state.reading.blind else self._map(case)
        if data is None:
            self._layers.clear(MAP)
        else:
            before = self._layers.find(MAP)
            was = None if before is None else before.name
            layer = self._layers.show(data)
            if layer is not None and layer.name != was:
                layer.colorbar.visible = self._state.display.map != DIFFERENCE  # its values are no quantity
        self._layers.set_visible(MAP, data is not None)

    def _map(self, case: AnnotatedSlice) -> LayerData | None:
        """The map that is asked for; None where there is none, or nothing to make it of."""
        name, place = self._state.display.map, self._browser.place
        samples = self._results.samples
        if name in (VOTES, EXPERT_VARIANCE):
            if not len(case.masks):
                return None
            return votes_map(case.masks, place) if name == VOTES else variance_map(case.masks, name, place, {})
        if name == DIFFERENCE:
            return self._difference(case)
        if name == NO_MAP or samples is None:
            return None
        if name == SAMPLE_SHARE:
            return share_map(samples.masks, samples.place, samples.provenance)
        return variance_map(samples.masks, SAMPLE_VARIANCE, samples.place, samples.provenance)

    def _difference(self, case: AnnotatedSlice) -> LayerData | None:
        """Of the chosen pair; None where this case or these samples have no such masks."""
        pair, samples = self._state.display.pair, self._results.samples
        if pair is None:
            return None
        of_samples = any(name.isdecimal() for name in pair)
        if of_samples and samples is None:
            return None
        seen = samples if of_samples and samples else Samples(case.masks[:0], case, self._browser.place, {})
        first, second = (_mask_of(name, seen) for name in pair)
        if first is None or second is None:
            return None
        return difference_map(first, second, pair, pair_colours(*pair), seen.place)


def _mask_of(name: str, samples: Samples) -> BoolArray | None:
    """Mask of an expert by letter, or of a sample by number; None where there is no such one."""
    masks = samples.masks if name.isdecimal() else samples.case.masks
    number = int(name) if name.isdecimal() else expert_number(name)
    return None if number > len(masks) else masks[number - 1]
