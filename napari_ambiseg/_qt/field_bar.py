"""The part of the sampler's dock that says where on the slice the model looks, and moves it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_ambiseg._qt.named_box import NamedBox
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.controller import Controller
from napari_ambiseg.field_remarks import remarks, where
from napari_ambiseg.notices import notifying
from training.data.window import LUNG, WINDOWS, titled

_STEP = 8  # pixels that an arrow key moves the field by; with Shift, one
_ARROWS = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}
_WINDOWS = {
    "as shown": "Black and white as the layer's own contrast limits had them when it was taken",
    LUNG: f"Hounsfield units from {WINDOWS[LUNG].low:g} (black) to {WINDOWS[LUNG].high:g} (white)",
    "slice": "From the smallest value of each slice to its largest",
}


class PlaceButton(QPushButton):
    """Down while the next click on the image places the field; with the focus, arrow keys move it.

    Parameters
    ----------
    controller : whose field is placed
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__("Place the &field")
        self._controller = controller
        self.setCheckable(True)
        self.setToolTip(
            "Then click on the image, or drag a box.  The arrow keys move the field by 8 pixels while this button has "
            "the focus, with Shift by 1; Esc gives it up"
        )
        self.clicked.connect(lambda checked: setattr(controller.state.placing, "choosing", bool(checked)))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Move the field."""
        if event.key() in _ARROWS:
            step = 1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
            rows, columns = _ARROWS[event.key()]
            self._controller.placer.move(step * rows, step * columns)
        elif event.key() == Qt.Key.Key_Escape and self._controller.state.placing.choosing:
            self._controller.state.placing.choosing = False
        else:
            super().keyPressEvent(event)


class FieldBar(QWidget):
    """Where the field is, what moves it, by which window the model sees it, and what to mind.

    Parameters
    ----------
    controller : of the viewer
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller, self._state = controller, controller.state
        self.where = text_label(
            "Which part of the slice the model looks at: its size, and where its first row and column are"
        )
        self.place = PlaceButton(controller)
        self.middle = QPushButton("About the experts")
        self.middle.setToolTip("Back to where the field is by itself: about what the experts marked, or in the middle")
        self.middle.clicked.connect(lambda _: controller.placer.reset())
        self.whole = QPushButton("Whole slice")
        self.whole.setToolTip("Let the model look at all of it: slower, and lesions look small to it")
        self.whole.clicked.connect(lambda _: controller.placer.take_whole())
        self.put_back = QPushButton("Put masks back")
        self.put_back.setToolTip(
            "Add a layer of labels on the whole image, of a volume on all of it: by how many of the samples each pixel "
            "is marked"
        )
        self.put_back.clicked.connect(lambda _: controller.put_masks_back())
        self.window = NamedBox("Which values the model sees as black and white", self._choose_window)
        self.window.setAccessibleName("Intensities")
        self._window_label = QLabel("&Intensities")
        self._window_label.setBuddy(self.window)
        self._window_label.setToolTip(self.window.toolTip())
        self.remarks = text_label("What to mind about this field")
        self.remarks.setStyleSheet("font-weight: 600;")

        buttons, choices, column = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        for button in (self.place, self.middle, self.whole):
            buttons.addWidget(button)
        choices.addWidget(self._window_label)
        choices.addWidget(self.window, 1)
        choices.addWidget(self.put_back, 1)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.where)
        column.addLayout(buttons)
        column.addLayout(choices)
        column.addWidget(self.remarks)
        self._told: tuple[Any, ...] = ()  # what the remarks are about: they look at every pixel

    def refresh(self) -> None:
        """Show the field as it is now."""
        placing, case = self._state.placing, self._controller.case
        if case is None or placing.field is None or self._state.reading.blind:  # it lies about the experts' marks
            self.hide()
            return
        self.where.setText(where(placing.field, placing.shape))
        large = max(placing.shape) > placing.size
        for button in (self.place, self.middle, self.whole):
            button.setVisible(large or placing.by_hand)
        self.middle.setText("About the experts" if case.n_found else "Middle of it")
        self.place.setChecked(placing.choosing)
        self.place.setText("Click, or drag ..." if placing.choosing else "Place the &field")
        for widget in (self.window, self._window_label):
            widget.setVisible(bool(placing.windows))
        self.window.offer({name: titled(name) for name in placing.windows}, _WINDOWS)
        self.window.show_name(placing.window)
        self.put_back.setVisible(large or bool(placing.windows))
        self.put_back.setEnabled(self._controller.results.run is not None)
        self._remark()
        self.setVisible(large or placing.by_hand or bool(placing.windows) or bool(self.remarks.text()))

    def _remark(self) -> None:
        placing, case = self._state.placing, self._controller.case
        about = (case, placing.field, placing.size)
        if case is None or placing.field is None or about == self._told:
            return
        self._told = about
        lines = remarks(case, placing.field, placing.size)
        self.remarks.setText("\n".join(lines))
        self.remarks.setVisible(bool(lines))

    def _choose_window(self, name: str | None) -> None:
        with notifying():
            self._controller.own.choose_window(name or "")
