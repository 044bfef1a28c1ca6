"""Reading on layers of the user's own: begun, followed with the sliders, and given their masks back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_ambiseg.browser import Browser
from napari_ambiseg.counts import slice_counts_layer, volume_counts_layer
from napari_ambiseg.layer_case import LayerSet
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.scan import scan_layer
from napari_ambiseg.notices import REVEAL_FIRST, advise
from napari_ambiseg.runs import Run, RunCache
from napari_ambiseg.state import IDLE, ViewerState
from training.data.scan import read_scan
from training.errors import ConfigError
from training.postprocess import Cleaning


class OwnLayers:
    """Makes cases of what the user has selected in napari's layer list.

    Parameters
    ----------
    state : its browsing part says what is open
    layers : of the viewer
    browser : opens the cases
    runs : the drawings whose masks can be put back
    """

    def __init__(self, state: ViewerState, layers: LayerBook, browser: Browser, runs: RunCache) -> None:
        self._state, self._layers, self._browser, self._runs = state, layers, browser, runs
        self._moved = False  # whether the user moved a slider since `update` looked
        layers.viewer.dims.events.point.connect(self._on_slider)

    def use_selected(self) -> None:
        """Read on the selected image, with what its experts drew in the other selected layers.

        Raises
        ------
        DataFormatError
            If that is not one plain image with labels or shapes on its pixels, or none of its own at all.
        """
        selected = self._layers.viewer.layers.selection
        self.use([layer for layer in self._layers.viewer.layers if layer in selected])

    def use(self, chosen: Sequence[Any]) -> None:
        """The same for given layers of the viewer."""
        self._open(LayerSet.of(chosen, self._layers.viewer.dims))

    def open_scan(self, path: Path) -> None:
        """Show a scan without annotations as a layer of the user's own, and read on it.

        Raises
        ------
        DataFormatError
            If it cannot be read.
        ConfigError
            If a package for its format is missing.
        """
        from napari.layers import Layer

        layer = Layer.create(*scan_layer(read_scan(path)))
        viewer = self._layers.viewer
        viewer.layers.append(layer)
        viewer.layers.selection.active = layer
        if type(layer).__name__ == "Image":
            viewer.reset_view()
            self.use([layer])

    def choose_window(self, window: str) -> None:
        """Make the intensities of the open layer by another of the windows that it offers."""
        opened, index = self._browser.layer_set, self._state.browsing.index
        if opened is None or window == opened.window:
            return
        if window not in opened.windows:
            raise ConfigError(f"no window {window!r} for this layer; choose one of: {', '.join(opened.windows)}")
        self._open(opened.by(window), index)

    def put_back(self, shown: Run | None, cleaning: Cleaning) -> Any:
        """Add a layer of labels on the whole image: by how many of the samples each pixel is marked.

        On a volume, the other slices that were drawn in the same way are put back too, cleaned in the same way; how
        many were drawn in another way is told.

        Parameters
        ----------
        shown : the run that is shown
        cleaning : what is done to its samples

        Returns
        -------
        the new layer, which is the user's own

        Raises
        ------
        ConfigError
            If there are no masks, or they are not to be seen yet.
        """
        case, opened = self._browser.case, self._browser.layer_set
        if self._state.reading.blind:
            raise ConfigError(REVEAL_FIRST)
        if shown is None or case is None:
            raise ConfigError("there are no masks to put back; generate some first")
        if opened is None:
            data = slice_counts_layer(shown, cleaning, self._browser.place, case.image.shape)
        else:
            others = [
                run
                for run in self._runs.all()
                if run.origin.source == opened.source
                and run.origin != shown.origin
                and run.origin.index < opened.plane.count
            ]
            alike = [run for run in others if _is_alike(run, shown, cleaning)]
            data = volume_counts_layer([*alike, shown], cleaning, opened.plane, case.image.shape)
            if left_out := len(others) - len(alike):
                advise(
                    f"{left_out} of {len(others) + 1} slices were drawn in another way and are left out; draw them "
                    f"again with {shown.model}, {shown.n} samples, seed {shown.seed} and the same options"
                )
        from napari.layers import Layer

        layer = Layer.create(*data)
        self._layers.viewer.layers.append(layer)
        return layer

    def update(self) -> None:
        """Show the slice that the sliders have been moved to, unless samples are being drawn or a read is under way."""
        moved, self._moved = self._moved, False
        opened = self._browser.layer_set
        if not moved or opened is None or opened.plane.through is None:
            return
        if self._state.sampling.status != IDLE:
            self._moved = True  # looked at again when they are there
            return
        at = opened.plane.found(self._layers.viewer.dims)
        if at is not None and at != self._state.browsing.index:
            self._browser.show(at)

    def _open(self, cases: LayerSet, index: int | None = None) -> None:
        self._browser.open(cases, cases.source, index=cases.plane.start if index is None else index)

    def _on_slider(self) -> None:
        if not self._layers.ours:
            self._moved = True


def _is_alike(run: Run, shown: Run, cleaning: Cleaning) -> bool:
    """Whether the counts of both mean the same: drawn in one way, and cleaned in one way."""
    made, wanted = ((one.model, one.wish, one.n, one.seed) for one in (run, shown))
    return made == wanted and not (cleaning.threshold and run.x0_hat is None)
