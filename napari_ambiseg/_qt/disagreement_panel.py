"""The dock of numbers: how the model's samples stand to the experts, while they are drawn and after."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_ambiseg._qt.copy_button import CopyButton
from napari_ambiseg._qt.dock import Dock, headline, text_line
from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.score_table import ScoreTable
from napari_ambiseg.layers.maps import EXPERT_VARIANCE, SAMPLE_VARIANCE, VOTES
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.notices import BLIND, NO_MAP_BESIDE
from napari_ambiseg.number_table import GED, OVERLAP, as_csv
from napari_ambiseg.state import IDLE


class DisagreementPanel(Dock):
    """Presence first, then GED with its terms, ranges and floors, overlaps, and the switches of the maps."""

    preferred = QSize(390, 430)
    watches = True

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.empty = headline(self, "How many of the samples are empty: the model thinks there may be nothing")
        self.experts = text_line(self, "How many of the experts outlined nothing, within what the model saw")
        self.hover = text_line(self, "How many samples and experts mark the pixel under the mouse")
        self._add_switches()
        self.ged_head = text_line(self, "Generalised energy distance (GED) between n samples and K experts; 0 is best")
        self.ged = ScoreTable(GED)
        self.column.addWidget(self.ged)
        self.overlap_head = text_line(
            self,
            "How much masks overlap, and how divided samples and experts are; point at a line to read what it means",
        )
        self.overlap_head.setText("<b>Overlap, presence, diversity</b>")
        self.overlap = ScoreTable(OVERLAP)
        self.column.addWidget(self.overlap)
        about = "All numbers of this dock in full precision, as comma-separated text for a spreadsheet"
        self.copy = CopyButton("Copy numbers", about, self._csv, self.viewer)
        self.column.addWidget(self.copy)
        self.column.addStretch(1)
        numbers, state = self.state.disagreement.events, self.state
        self.follow(
            numbers.experts, numbers.raw, numbers.processed, numbers.hover, state.display.events.map,
            state.browsing.events.key, state.sampling.events.status, state.reading.events.blind,
            state.comparing.events.shown,
        )  # fmt: skip

    def _add_switches(self) -> None:
        self._about: dict[QPushButton, str] = {}
        row = QHBoxLayout()
        row.setSpacing(6)
        self.variance = self._switch("Variance" + hint("variance"), "Where the samples disagree", SAMPLE_VARIANCE)
        self.expert_variance = self._switch("of experts", "Where the experts disagree", EXPERT_VARIANCE)
        self.votes = self._switch("Votes" + hint("votes"), "How many experts mark each pixel", VOTES)
        for button in (self.variance, self.expert_variance, self.votes):
            row.addWidget(button)
        self.column.addLayout(row)

    def _switch(self, text: str, what: str, name: str) -> QPushButton:
        scale = "0 to K, one flat colour for each count" if name == VOTES else "p (1 − p), from 0 to 0.25 in every case"
        button = QPushButton(text)
        button.setCheckable(True)
        self._about[button] = f"{what}, as a map over the image; {scale}"
        button.setAccessibleName(f"Map: {name}")
        button.clicked.connect(lambda: self.controller.overlays.toggle(name))
        return button

    def refresh(self) -> None:
        """Show the numbers of the open case."""
        numbers, blind = self.state.disagreement, self.state.reading.blind
        is_open = bool(self.state.browsing.key)
        drawn = numbers.raw
        cleaned = numbers.processed if numbers.processed is not drawn else None
        tells = is_open and not blind
        has_masks = numbers.experts is not None or drawn is not None
        for widget in (self.hover, self.variance, self.expert_variance, self.votes, self.copy):
            widget.setVisible(tells and has_masks)
        for widget in (self.ged_head, self.ged, self.overlap_head, self.overlap, self.experts):
            widget.setVisible(tells and numbers.experts is not None)
        if not tells:
            self.empty.setText(BLIND if blind else "No case is open")
            return
        self._show_presence(drawn, cleaned)
        self.hover.setText(numbers.hover or "Point at the image: who marks this pixel?")
        self._show_switches()
        self.ged.show_numbers(drawn, cleaned)
        self.overlap.show_numbers(drawn, cleaned)
        if numbers.experts is not None:
            of = "samples to experts" if drawn is None else f"{drawn.n} samples to {drawn.n_experts} experts"
            self.ged_head.setText(f"<b>Distance (GED)</b> of {of}")
            if drawn is None:
                self.ged.values[0]["ged_experts"].setText(f"{numbers.experts.disagreement:.3f}")
        self.copy.setEnabled(drawn is not None)

    def _show_presence(self, drawn: SampleMeasures | None, cleaned: SampleMeasures | None) -> None:
        experts, is_idle = self.state.disagreement.experts, self.state.sampling.status == IDLE
        if experts is not None:
            n_empty, count = experts.n_experts - experts.n_found, experts.n_experts
            if drawn is not None:
                n_empty, count = drawn.n_experts - drawn.n_found, drawn.n_experts
            self.experts.setText(f"Experts: empty in {n_empty} of {count}")
        if drawn is None:
            self.empty.setText("Model: no samples yet" if is_idle else "Model: drawing ...")
            return
        shown = cleaned or drawn
        self.empty.setText(f"{'Model' if is_idle else 'So far'}: empty in {shown.n_empty} of {shown.n}")
        if shown is not drawn:
            self.experts.setText(f"{self.experts.text()}; samples as drawn: in {drawn.n_empty} of {drawn.n}")

    def _show_switches(self) -> None:
        shown = self.state.display.map
        for button, name in (
            (self.variance, SAMPLE_VARIANCE),
            (self.expert_variance, EXPERT_VARIANCE),
            (self.votes, VOTES),
        ):
            button.setChecked(shown == name)
        has_experts, is_one = self.state.disagreement.experts is not None, not self.state.comparing.shown
        has_samples = self.controller.results.samples is not None
        self.variance.setEnabled(is_one and (has_samples or shown == SAMPLE_VARIANCE))
        self.expert_variance.setEnabled(is_one and has_experts)
        self.votes.setEnabled(is_one and has_experts)
        for button, about in self._about.items():
            button.setToolTip(about if is_one else f"{about}. {NO_MAP_BESIDE}")

    def _csv(self) -> str:
        numbers = self.state.disagreement
        if numbers.raw is None:
            return ""
        cleaned = numbers.processed if numbers.processed is not numbers.raw else None
        return as_csv(self.state.browsing.key, numbers.raw, cleaned)
