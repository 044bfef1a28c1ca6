"""The section of the blind read: draw first, then see how far you are from the experts and the model."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_ambiseg._qt.keys import hint
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.controller import Controller
from napari_ambiseg.state import Reading
from training.export.own_reading import SAMPLES

_NOTHING = (
    "Your answer is that there is nothing to outline on this slice; what you painted is wiped, and can be taken back"
)
_TAKE_BACK = "Not nothing after all: what you painted before is there again"
_CELL = "<td align='right' style='padding-left: 10px'>{}</td>"


class ReadingBox(QWidget):
    """Begin, "nothing there", reveal; afterwards the distances.

    Parameters
    ----------
    controller : of the viewer
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.toggle = QPushButton()
        self.toggle.setToolTip(
            "Hides what experts and model say, and lets you paint the lesion, all of it: your outline is the border of "
            "what you painted. The same button reveals them"
        )
        self.toggle.clicked.connect(lambda _: controller.reader.toggle())
        self.nothing = QPushButton("Nothing there")
        self.nothing.clicked.connect(lambda _: self._say_or_take_back())
        self.keep = QCheckBox("Keep blind for the next cases")
        self.keep.setToolTip("Cases that you have not read yet open blind too, until this is switched off")
        self.keep.toggled.connect(self._set_keep)
        self.unfilled = text_label("What your paint encloses counts as not marked")
        self.unfilled.setStyleSheet("font-weight: 600;")
        self.fill = QPushButton(f"Fill{hint('fill')}")
        self.fill.setToolTip("Paints what is enclosed, too; Ctrl+Z over the image takes it back")
        self.fill.clicked.connect(lambda _: controller.reader.fill())
        self.told = text_label("What you drew, and how far it is from the others: 1 - IoU, 0 is the same outline")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.toggle, 1)
        row.addWidget(self.nothing, 1)
        column.addLayout(row)
        column.addWidget(self.keep)
        row = QHBoxLayout()
        row.addWidget(self.unfilled, 1)
        row.addWidget(self.fill)
        column.addLayout(row)
        column.addWidget(self.told)

    def refresh(self) -> None:
        """Show how far the read is."""
        reading, is_open = self._controller.state.reading, self._controller.case is not None
        self.toggle.setText(("Reveal" if reading.blind else "Begin a blind read") + hint("blind"))
        self.toggle.setEnabled(is_open)
        said = reading.blind and reading.nothing
        self.nothing.setText("Take it back" if said else "Nothing there")
        self.nothing.setToolTip(_TAKE_BACK if said else _NOTHING)
        self.nothing.setEnabled(reading.blind)
        self.keep.setChecked(reading.keep)
        self.unfilled.setText(self._warning(reading))
        self.unfilled.setVisible(bool(self.unfilled.text()))
        self.fill.setVisible(reading.blind and reading.unfilled > 0)
        self.told.setText(self._outcome(reading))
        self.told.setVisible(bool(self.told.text()))

    def _say_or_take_back(self) -> None:
        reader = self._controller.reader
        if self._controller.state.reading.nothing:
            reader.take_back()
        else:
            reader.say_nothing()

    def _set_keep(self, on: bool) -> None:
        self._controller.state.reading.keep = on

    def _outcome(self, reading: Reading) -> str:
        if reading.blind:
            if reading.nothing:
                return "Your answer: nothing there. Reveal to compare."
            drawn = (
                f"You painted {self._area(reading.area)}."
                if reading.area
                else "Paint the lesion, all of it, or say nothing there."
            )
            return f"{drawn} Experts and model are hidden."
        if not reading.distances:
            return ""
        own = self._area(reading.area) if reading.area else "nothing there"
        when = "made before you saw the experts" if reading.first else "you had seen the experts before"
        return f"<b>Your reading:</b> {own}; {when}.{self._table(reading)}{_standing(reading)}"

    def _warning(self, reading: Reading) -> str:
        """What is said of a ring, which is a small mask far from everybody's, and of holes that the brush left."""
        if not reading.unfilled or not (reading.blind or reading.distances):
            return ""
        is_ring = reading.unfilled > reading.area
        what, verb = ("You drew an outline; its inside", "is") if is_ring else ("Holes in what you painted", "are")
        left_out = "" if reading.blind else " Area and distances leave it out."
        return f"{what}, {self._area(reading.unfilled)}, {verb} not part of it.{left_out}"

    def _area(self, pixels: float) -> str:
        case = self._controller.case
        if case is None or case.spacing_mm is None:
            return f"{pixels:.0f} px"
        mm2 = pixels * case.spacing_mm[0] * case.spacing_mm[1]
        return f"{mm2:.0f} mm²" if mm2 >= 0.5 else "less than 1 mm²"

    def _cleaned(self) -> str:
        """What is said of samples that were compared after post-processing."""
        origin = self._controller.browser.origin
        entry = None if origin is None else self._controller.casebook.of(origin, self._controller.browser.key)
        compared = None if entry is None else entry.compared
        return ", cleaned" if compared is not None and compared.cleaning else ""

    def _table(self, reading: Reading) -> str:
        head = "".join(_CELL.format(f"<i>{text}</i>") for text in ("distance", "dice", "area"))
        lines = [f"<tr><td></td>{head}</tr>"]
        for one in reading.distances:
            name = f"Samples, mean{self._cleaned()}" if one.name == SAMPLES else f"Expert {one.name}"
            numbers = (f"{one.distance:.2f}", f"{one.dice:.2f}", self._area(one.area) if one.area else "none")
            lines.append(f"<tr><td>{name}</td>{''.join(map(_CELL.format, numbers))}</tr>")
        return f"<table>{''.join(lines)}</table>"


def _standing(reading: Reading) -> str:
    standing = reading.standing
    if standing is None:
        return ""
    others: Any = ", ".join(
        f"{one.name} {mean:.2f}" for one, mean in zip(reading.distances, standing.experts, strict=False)
    )
    return (
        f"Mean distance to the experts {standing.mean:.2f}: place {standing.rank} of {standing.of}, where 1 is nearest "
        f"to all others (experts among themselves: {others})."
    )
