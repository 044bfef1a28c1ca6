"""The dock of the experts: what the annotations alone say, before any model is loaded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel

from napari_ambiseg._qt.dock import Dock, headline, text_line
from napari_ambiseg._qt.expert_rows import ExpertRows
from napari_ambiseg._qt.map_chooser import MapChooser
from napari_ambiseg._qt.outline_bar import OutlineBar
from napari_ambiseg._qt.pair_matrix import PairMatrix, described
from napari_ambiseg._qt.plots import SpreadPlot
from napari_ambiseg.layers.maps import DIFFERENCE
from napari_ambiseg.measures import ExpertMeasures
from napari_ambiseg.notices import BLIND, NO_MAP_BESIDE
from training.export.colours import expert_letter
from training.metrics.glossary import SCORES

_AREA, _EQUIVALENT, _LONGEST = "area", "⌀ of area", "longest ⌀"
_NOTHING_OPEN = "Open the demo cases or a file; the experts' numbers need no model."
_UNANNOTATED = "Maps and distances of the samples come here when a model has drawn some."
_CLICK = "Click a cell to see where its two masks differ."
_NOTHING: NDArray[np.float64] = np.empty(0)


class ExpertsPanel(Dock):
    """Seen by k of K, sizes and outlines of each expert, maps, and the distances of all pairs."""

    preferred = QSize(390, 430)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.seen = headline(self, "How many of the experts outlined anything on this slice")
        self.spread = text_line(self, SCORES["ged_experts"].about)
        self.hover = text_line(self, "How many samples and experts mark the pixel under the mouse")
        display = self.state.display
        self.rows = ExpertRows()
        self.rows.switched.connect(self._on_switched)
        self.outlines = OutlineBar(display)
        self.map = MapChooser(display)
        self.column.addWidget(self.rows)
        self.column.addWidget(self.outlines)
        self.column.addWidget(self.map)
        self._add_spread()
        self.pairs_head = text_line(self, "0: the same outline; 1: no overlap at all")
        self.pairs = PairMatrix()
        self.pairs.chosen.connect(self.controller.overlays.show_pair)
        self.pairs.pointed.connect(self._name_pair)
        self.column.addWidget(self.pairs)
        self.pair = text_line(self, "Distance of the pair under the mouse, or of the one that the map shows")
        self.column.addStretch(1)
        numbers, chosen, browsing = self.state.disagreement.events, display.events, self.state.browsing.events
        self.follow(
            numbers.experts, numbers.raw, numbers.processed, numbers.hover, browsing.key,
            chosen.map, chosen.pair, chosen.hidden_experts, chosen.summary, chosen.agreement,
            chosen.staple,
            self.state.reading.events.blind, self.state.comparing.events.shown, self.viewer.events.theme,
        )  # fmt: skip

    def _add_spread(self) -> None:
        self.spread_head = QLabel("<b>Spread</b>")
        self.spread_head.setToolTip("Mask sizes of experts and samples beside each other, in one unit")
        self.what = QComboBox()
        self.what.setToolTip("Which size: area, diameter of the circle of that area, or longest straight line")
        self.what.setAccessibleName("Size whose spread is shown")
        self.what.addItems([_AREA, _EQUIVALENT, _LONGEST])
        self.what.activated.connect(self._mark_stale)
        row = QHBoxLayout()
        row.addWidget(self.spread_head)
        row.addWidget(self.what)
        row.addStretch(1)
        self.column.addLayout(row)
        self.areas = SpreadPlot(self.viewer)
        self.column.addWidget(self.areas)

    def refresh(self) -> None:
        """Show the numbers of the open case."""
        experts, blind = self.state.disagreement.experts, self.state.reading.blind
        is_open = bool(self.state.browsing.key)
        for widget in (self.rows, self.outlines, self.hover, self.spread_head, self.what, self.areas):
            widget.setVisible(experts is not None and not blind)
        if blind or experts is None:
            self.seen.setText(BLIND if blind else "Nobody annotated this slice" if is_open else "No case is open")
            self.spread.setText("" if blind else _UNANNOTATED if is_open else _NOTHING_OPEN)
        else:
            self._show_experts(experts)
        self.spread.setVisible(bool(self.spread.text()))
        if is_open and not blind:
            self._show_samples(experts)
        else:
            self._show_maps_and_pairs(maps=False, pairs=False)

    def _show_experts(self, experts: ExpertMeasures) -> None:
        self.seen.setText(f"Seen by {experts.n_found} of {experts.n_experts} experts")
        self.spread.setText(f"Mean distance between experts: {experts.disagreement:.2f}")
        self.hover.setText(self.state.disagreement.hover or "Point at the image: who marks this pixel?")
        self.rows.show_experts(experts, self.state.display.hidden_experts)
        self.outlines.show_outlines(experts.n_experts)
        self.outlines.show_estimate(self.controller.overlays.staple_estimate() if self.state.display.staple else None)
        sizes = {_AREA: experts.areas, _EQUIVALENT: experts.equivalent, _LONGEST: experts.longest}
        what = self.what.currentText()
        unit = experts.unit if what == _AREA else experts.length_unit
        self.spread_head.setText(f"<b>Spread</b> ({unit}) of")
        self.areas.show_spread(sizes[what], self._sample_sizes(what))

    def _sample_sizes(self, what: str) -> NDArray[np.float64]:
        numbers, samples = self.state.disagreement, self.controller.results.samples
        shown = numbers.processed or numbers.raw
        if shown is None or samples is None:
            return _NOTHING
        if what == _LONGEST:
            return samples.longest
        return shown.areas if what == _AREA else 2 * np.sqrt(shown.areas / np.pi)

    def _show_maps_and_pairs(self, *, maps: bool, pairs: bool) -> None:
        self.map.setVisible(maps)
        for widget in (self.pairs_head, self.pairs, self.pair):
            widget.setVisible(pairs)

    def _show_samples(self, experts: ExpertMeasures | None) -> None:
        """Maps and pairs, which take in the samples as soon as there are any."""
        numbers, display = self.state.disagreement, self.state.display
        shown = numbers.processed or numbers.raw
        self.map.show_map(
            has_experts=experts is not None,
            has_samples=self.controller.results.samples is not None,
            has_place=not self.state.comparing.shown,
        )
        distances = np.zeros((0, 0)) if experts is None else experts.distances
        n_experts = len(distances)
        if shown is not None and shown.pairs is not None:
            distances, n_experts = shown.distances, shown.n_experts
        letters = tuple(expert_letter(number) for number in range(1, n_experts + 1))
        names = letters + tuple(str(number) for number in range(1, len(distances) - n_experts + 1))
        self._show_maps_and_pairs(maps=bool(names), pairs=len(names) > 1)
        parts = (("experts", n_experts), ("samples", len(names) - n_experts))
        of = "of " + " and ".join(name for name, count in parts if count)
        self.pairs_head.setText(f"<b>Distances {of}</b> (1 − IoU)")
        self.pairs.show_distances(names, distances, display.pair if display.map == DIFFERENCE else None)
        self._name_pair(None)

    def _name_pair(self, pair: tuple[str, str] | None) -> None:
        """Say the distance of a pair, by default of the one that the map shows."""
        display, is_beside = self.state.display, bool(self.state.comparing.shown)
        chosen = display.pair if display.map == DIFFERENCE else None
        named = pair or chosen
        value = None if named is None else self.pairs.value(named)
        if named is None or value is None:
            self.pair.setText(NO_MAP_BESIDE if is_beside else _CLICK)
        else:
            is_shown = named == chosen and not is_beside
            self.pair.setText(f"{described(named)}: {value:.2f}{' (on the image)' if is_shown else ''}")

    def _on_switched(self, hidden: tuple[int, ...]) -> None:
        self.state.display.hidden_experts = hidden
