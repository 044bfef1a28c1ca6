"""Which map lies over the image, and what its colours mean."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.pair_matrix import described
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.layers.colours import pair_colours
from napari_ambiseg.layers.maps import (
    DIFFERENCE,
    EXPERT_VARIANCE,
    MAPS,
    NO_MAP,
    OF_EXPERTS,
    OF_SAMPLES,
    SAMPLE_SHARE,
    SAMPLE_VARIANCE,
    SCALES,
    VOTES,
)
from napari_ambiseg.notices import NO_MAP_BESIDE
from napari_ambiseg.state import Display

_TITLES = {
    NO_MAP: "no map",
    VOTES: "votes of the experts" + hint("votes"),
    EXPERT_VARIANCE: "variance of the experts",
    SAMPLE_SHARE: "share of the samples",
    SAMPLE_VARIANCE: "variance of the samples" + hint("variance"),
    DIFFERENCE: "difference of a pair",
}


class MapChooser(QWidget):
    """Sets the map of the state's display part.

    Parameters
    ----------
    display : that part
    """

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.box = QComboBox()
        self.box.setToolTip("The one map that lies over the image; every map has one fixed scale for all cases")
        self.box.setAccessibleName("Map over the image")
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(14)
        for name in MAPS:
            self.box.addItem(_TITLES[name], name)
            self.box.setItemData(self.box.count() - 1, SCALES[name], Qt.ItemDataRole.ToolTipRole)
        self.box.activated.connect(self._on_chosen)
        label = QLabel("Map")
        label.setMinimumWidth(58)
        label.setToolTip(self.box.toolTip())
        label.setBuddy(self.box)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(label)
        row.addWidget(self.box, 1)
        column.addLayout(row)
        self.scale = text_label("What the colours of the map mean")
        column.addWidget(self.scale)

    def show_map(self, *, has_experts: bool, has_samples: bool, has_place: bool) -> None:
        """Show which map is chosen; one that there is nothing to make of, or no place for, cannot be."""
        display = self._display
        self.box.setEnabled(has_place)
        model = self.box.model()
        for at, name in enumerate(MAPS):
            possible = has_experts if name in OF_EXPERTS else has_samples if name in OF_SAMPLES else True
            if isinstance(model, QStandardItemModel):
                model.item(at).setEnabled(possible)
        self.box.setCurrentIndex(MAPS.index(display.map))
        text = SCALES[display.map]
        if not has_place:
            text = NO_MAP_BESIDE
        elif display.map == DIFFERENCE and display.pair is not None:
            names = (*(f"only {name}" for name in display.pair), "both")
            colours = (*pair_colours(*display.pair), "#808080")
            chips = [
                f'<span style="background:{colour};color:black">&nbsp;{name}&nbsp;</span>'
                for name, colour in zip(names, colours, strict=True)
            ]
            text = f"{described(display.pair)}: {' '.join(chips)}"
        elif display.map in OF_SAMPLES and not has_samples:
            text = "Shown as soon as there are samples"
        self.scale.setText(text)

    def _on_chosen(self, index: int) -> None:
        self._display.map = self.box.itemData(index)
