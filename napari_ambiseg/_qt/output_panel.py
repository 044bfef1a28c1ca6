"""The dock that writes masks, numbers, pictures and films of the case that is shown, and the session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)
from superqt import QElidingLabel

from napari_ambiseg._qt.dock import Dock, text_line
from napari_ambiseg._qt.save_dialog import NAMES, Kind, ask_and_write
from napari_ambiseg._qt.session_box import SessionBox
from napari_ambiseg.products import FIGURE, MASKS, MOVIE, NUMBERS, PAGE, PRODUCTS, READINGS
from napari_ambiseg.state import SPEEDS
from training.export import FORMS

_ABOUT = {
    NUMBERS: "all scores of this case (.csv)",
    PAGE: "one page to read or send (.html)",
    READINGS: "of all cases of this session (.csv)",
}


class OutputPanel(Dock):
    """A row for each thing that can be written, what is being written, and the session."""

    preferred = QSize(390, 420)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._told = ("", "")
        self.about = text_line(self, "What would be written")
        self.column.addWidget(self._progress_row())
        self.message = text_line(self, "What was written last, or why not")
        self.column.addLayout(self._rows())
        self.session = SessionBox(self)
        self.column.addWidget(self.session)
        self.column.addStretch(1)
        state = self.state
        numbers, browsing, sampling = state.disagreement.events, state.browsing.events, state.sampling.events
        self.follow(numbers.raw, numbers.processed, browsing.key, sampling.status, state.reading.events.blind)
        self.follow(self.controller.casebook.changed)
        self.follow(state.output.events, state.sessions.events, state.playback.events.times)
        self.follow(state.postprocessing.events.cleaning, state.playback.events.frames_per_second)

    def _rows(self) -> QGridLayout:
        """Button and choice of form for masks, numbers, figure and page."""
        rows = QGridLayout()
        rows.setColumnStretch(1, 1)
        self.buttons: dict[str, QPushButton] = {}
        self.forms: dict[str, QComboBox] = {}
        for row, product in enumerate((MASKS, NUMBERS, FIGURE, PAGE)):
            rows.addWidget(self._button(product), row, 0)
            if len(PRODUCTS[product].suffixes) > 1:
                rows.addWidget(self._choice(product), row, 1, 1, 2 if product == MASKS else 1)
            else:
                rows.addWidget(self._only(product), row, 1, 1, 2)
        self.dpi = QSpinBox()
        self.dpi.setRange(50, 1200)
        self.dpi.setValue(300)
        self.dpi.setSuffix(" dpi")
        self.dpi.setToolTip("Dots per inch of a PNG figure; PDF and SVG are sharp at any size")
        self.dpi.setAccessibleName("dots per inch of the figure")
        rows.addWidget(self.dpi, 2, 2)
        self._add_movie(rows)
        rows.addWidget(self._button(READINGS), 6, 0)
        rows.addWidget(self._only(READINGS), 6, 1, 1, 2)
        return rows

    def _button(self, product: str) -> QPushButton:
        button = QPushButton(f"{PRODUCTS[product].title} ...")
        button.clicked.connect(lambda _: self._save(product))
        self.buttons[product] = button
        return button

    def _only(self, product: str) -> QElidingLabel:
        """What a product is that has one form alone."""
        label = QElidingLabel(_ABOUT[product])
        label.setToolTip(PRODUCTS[product].tip)
        return label

    def _choice(self, product: str) -> QComboBox:
        """The forms of a product."""
        choice = _narrow(QComboBox())
        summaries = {suffix: form.summary for form in FORMS for suffix in form.suffixes} if product == MASKS else {}
        for suffix in PRODUCTS[product].suffixes:
            choice.addItem(f"{NAMES[suffix]} ({suffix})" if suffix else NAMES[""], suffix)
            tip = summaries.get(suffix, "" if suffix else "a folder with a picture for each step")
            choice.setItemData(choice.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        choice.setToolTip(f"In which form to write: {PRODUCTS[product].tip}")
        choice.setAccessibleName(f"form of the {PRODUCTS[product].title.lower()}")
        self.forms[product] = choice
        return choice

    def _add_movie(self, rows: QGridLayout) -> None:
        output, playback = self.state.output, self.state.playback
        self.which = _narrow(QComboBox())
        for text, shown in (("all samples", False), ("shown sample", True)):
            self.which.addItem(text, shown)
        self.which.setToolTip("Of a movie: all samples side by side, or the one that the trajectory shows")
        self.which.setAccessibleName("samples of the movie")
        self.which.activated.connect(lambda _: setattr(output, "shown_sample", self.which.currentData()))
        self.part = _narrow(QComboBox())
        for text, closeup in (("close-up", True), ("whole field", False)):
            self.part.addItem(text, closeup)
        self.part.setToolTip("Of a movie: the square around what experts and samples marked, or all the model saw")
        self.part.setAccessibleName("part of the image in the movie")
        self.part.activated.connect(lambda _: setattr(output, "closeup", self.part.currentData()))
        self.pace = QComboBox()
        for speed in SPEEDS:
            self.pace.addItem(f"{speed:g} /s", speed)
        self.pace.setToolTip("States that a movie shows in a second, and the trajectory when it plays")
        self.pace.setAccessibleName("states per second of the movie")
        self.pace.activated.connect(lambda _: setattr(playback, "frames_per_second", self.pace.currentData()))
        rows.addWidget(self._button(MOVIE), 4, 0)
        rows.addWidget(self._choice(MOVIE), 4, 1)
        rows.addWidget(self.pace, 4, 2)
        choices = QHBoxLayout()
        choices.addWidget(self.which, 1)
        choices.addWidget(self.part, 1)
        rows.addLayout(choices, 5, 1, 1, 2)

    def _progress_row(self) -> QWidget:
        self.progress_row = QWidget()
        row = QHBoxLayout(self.progress_row)
        row.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        self.bar.setToolTip("How much is written")
        self.stop = QPushButton("Cancel")
        self.stop.setToolTip("Leave off; nothing of the file stays")
        self.stop.clicked.connect(lambda _: self.controller.output.cancel())
        self.folder = QPushButton("Show in folder")
        self.folder.setToolTip("Open the folder with the file that was written last")
        self.folder.clicked.connect(lambda _: self._show_folder())
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        row.addWidget(self.folder)
        return self.progress_row

    def refresh(self) -> None:
        """Show what can be written, and how far it is."""
        state, output = self.state.output, self.controller.output
        self.about.setText(self._about())
        for product, button in self.buttons.items():
            problem = output.problem(product) or ("Something is being written." if state.writing else "")
            button.setEnabled(not problem)
            button.setToolTip(problem or PRODUCTS[product].tip)
        self.progress_row.setVisible(bool(state.writing or state.written))
        for widget in (self.bar, self.stop):
            widget.setVisible(bool(state.writing))
        self.bar.setUpdatesEnabled(False)  # or it repaints the whole window there and then
        self.bar.setRange(0, 100 if state.progress else 0)
        self.bar.setValue(round(100 * state.progress))
        self.bar.setUpdatesEnabled(True)
        self.folder.setVisible(bool(state.written and not state.writing))
        self.which.setCurrentIndex(self.which.findData(state.shown_sample))
        self.part.setCurrentIndex(self.part.findData(state.closeup))
        self.pace.setCurrentIndex(self.pace.findData(self.state.playback.frames_per_second))
        self.message.setText(state.message)
        self.message.setVisible(bool(state.message))
        self.session.refresh()
        told, self._told = self._told, (state.writing, state.message)
        if self._told != told and any(self._told):  # what was asked for may stand far below
            self.verticalScrollBar().setValue(0)

    def _about(self) -> str:
        if problem := self.controller.output.problem(MASKS):
            return problem
        numbers, key = self.state.disagreement.raw, self.state.browsing.key
        count = 0 if numbers is None else numbers.n
        cleaned = "" if self.state.postprocessing.cleaning.is_nothing else ", as drawn and post-processed"
        return f"{count} masks of {key}{cleaned}."

    def _save(self, product: str) -> None:
        kind = Kind(product, self._suffix(product))
        title = f"Write {PRODUCTS[product].title.lower()}"
        ask_and_write(self, title, [kind], self.controller.output.options(self.dpi.value()))

    def _suffix(self, product: str) -> str:
        """The end of the name that goes with the chosen form."""
        suffix: str = self.forms[product].currentData() if product in self.forms else PRODUCTS[product].suffixes[0]
        return suffix

    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self.state.output.written).parent)))


def _narrow(choice: QComboBox) -> QComboBox:
    """A long entry must not widen the dock."""
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    choice.setMinimumContentsLength(6)
    return choice
