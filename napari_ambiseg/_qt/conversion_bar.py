"""What stands under the "open" buttons while something has to be converted: the offer, the run, the result."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
)
from superqt import QElidingLabel

from napari_ambiseg._qt.copy_button import CopyButton
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg._qt.type_size import SMALL, set_type
from napari_ambiseg.commands import prepare_command
from napari_ambiseg.controller import Controller
from napari_ambiseg.converting import counted
from napari_ambiseg.duration import duration
from napari_ambiseg.notices import notifying
from napari_ambiseg.state import CANCELLING, CONVERTED, CONVERTING, COUNTING, NOTHING, OFFERED, Converting
from training.data.forms.interface import MAX_SIDE
from training.data.window import AUTO, SLICE, WINDOWS, titled

_DETAILS_HEIGHT = 110  # pixels; longer ones scroll


class ConversionBar(QFrame):
    """Says what a source is and where its conversion would go; converts, with a bar and a way out; tells the result.

    Not a dialog: the rest of the window stays usable all the while.

    Parameters
    ----------
    controller : of the viewer
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._state = controller.state.converting
        self.setFrameShape(QFrame.Shape.StyledPanel)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(4)
        self.headline = text_label(plain=True)
        self.headline.setStyleSheet("font-weight: 600;")
        self.about = text_label(plain=True)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setMaximumHeight(_DETAILS_HEIGHT)
        set_type(self.details, SMALL)
        self.bar = QProgressBar()
        self.bar.setToolTip("Slices read so far")
        self.bar.setStyleSheet("QProgressBar::chunk { background: #56B4E9; }")
        column.addWidget(self.headline)
        column.addWidget(self.about)
        self.problem = text_label(plain=True)
        self.problem.setStyleSheet("font-weight: 600;")
        column.addWidget(self.problem)
        column.addLayout(self._options_row())
        column.addLayout(self._target_row())
        column.addWidget(self.bar)
        column.addWidget(self.details)
        column.addLayout(self._buttons())

    def _options_row(self) -> QHBoxLayout:
        self.window_label = QLabel("Intensities")
        self.window_choice = QComboBox()
        self.window_choice.setEditable(True)
        self.window_choice.setMinimumContentsLength(8)  # the list itself is as wide as its words
        self.window_choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.window_choice.addItems([AUTO, *_TITLES.values(), SLICE])
        self.window_choice.setToolTip(
            "Which stored values become black and white: lung and wide are for CT, in HU; slice is each slice's own "
            "range; and two values may be written such as 0..4095"
        )
        self.window_choice.currentTextChanged.connect(self._choose_window)
        self.window_label.setBuddy(self.window_choice)
        self.size_choice = QSpinBox()
        self.size_choice.setMaximumWidth(110)  # or it takes the room of the window's values
        self.size_choice.setRange(0, MAX_SIDE)
        self.size_choice.setSpecialValueText("whole")
        self.size_choice.setSuffix(" px")
        self.size_choice.setAccessibleName("Size to cut to")
        self.size_choice.setToolTip("Cut the middle of each slice, so many pixels high and wide; 0 for whole slices")
        self.size_choice.valueChanged.connect(self._choose_size)
        row = QHBoxLayout()
        row.addWidget(self.window_label)
        row.addWidget(self.window_choice, 1)
        row.addWidget(self.size_choice)
        return row

    def _choose_window(self, text: str) -> None:
        self._state.window = _window_of(text)

    def _choose_size(self, side: int) -> None:
        self._state.size = side

    def _target_row(self) -> QHBoxLayout:
        self.target = QElidingLabel()
        self.target.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.browse = QPushButton("Browse ...")
        self.browse.setToolTip("Choose another place or name for the converted file")
        self.browse.clicked.connect(lambda _: self._choose_target())
        about = "The command line that converts the same, to the clipboard"
        self.copy = CopyButton("Copy command", about, self._command)
        row = QHBoxLayout()
        row.addWidget(self.target, 1)
        row.addWidget(self.browse)
        row.addWidget(self.copy)
        return row

    def _buttons(self) -> QHBoxLayout:
        self.convert = QPushButton("Convert")
        self.convert.setToolTip("Write the slices to this file, and open it")
        self.convert.clicked.connect(lambda _: self._convert())
        self.open = QPushButton(_OPEN_EARLIER[0])
        self.open.setToolTip(_OPEN_EARLIER[1])
        self.open.clicked.connect(lambda _: self._controller.converter.open_target())
        self.more = QPushButton("Details")
        self.more.setToolTip("What was left out or changed, and why")
        self.more.setCheckable(True)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip(_CANCEL[OFFERED])
        self.cancel.clicked.connect(lambda _: self._controller.converter.cancel())
        row = QHBoxLayout()
        for button in (self.convert, self.open, self.more, self.cancel):
            row.addWidget(button)
        return row

    def _command(self) -> str:
        state = self._state
        return prepare_command(state.source, state.target, state.layout, state.window, state.size)

    def refresh(self) -> None:
        """Show the state as it is now."""
        state = self._state
        offered, running = state.status in (COUNTING, OFFERED), state.status in (CONVERTING, CANCELLING)
        self.setVisible(state.status != NOTHING)
        if state.status == NOTHING:
            self.more.setChecked(False)
            return
        self.headline.setText(_headline(state))
        self.headline.setToolTip(state.source)
        self.about.setText(_about(state))
        self.about.setVisible(offered)
        self.problem.setText(state.problem)
        self.problem.setVisible(offered and bool(state.problem))
        for widget in (self.window_label, self.window_choice):
            widget.setVisible(offered and state.takes_window)
        self.size_choice.setVisible(offered)
        if _window_of(self.window_choice.currentText()) != state.window:
            self.window_choice.setCurrentText(_TITLES.get(state.window, state.window))
        edited = self.window_choice.lineEdit()
        if edited is not None and not edited.hasFocus():
            edited.setCursorPosition(0)  # of a text that is too long, its name is to be seen
        self.size_choice.setValue(state.size)
        self.target.setText(f"{'To' if offered or running else 'In'} {state.target}")
        self.target.setToolTip(f"The converted file: {state.target}")
        self.browse.setVisible(offered)
        self.bar.setVisible(running)
        if running:
            self._show_progress(state)
        if self.details.toPlainText() != state.details:
            self.details.setPlainText(state.details)
        self.details.setVisible(state.status == CONVERTED and self.more.isChecked())
        self.more.setVisible(state.status == CONVERTED and bool(state.details))
        self.convert.setVisible(offered)
        self.copy.setVisible(offered)
        self.convert.setText("Convert again" if state.target_exists else "Convert")
        self.open.setVisible((offered and state.target_exists) or (state.status == CONVERTED and state.unopened))
        text, tip = _OPEN_EARLIER if offered else _OPEN_NEW
        self.open.setText(text)
        self.open.setToolTip(tip)
        self.cancel.setText("Close" if state.status == CONVERTED else "Cancel")
        self.cancel.setToolTip(_CANCEL[state.status])
        self.cancel.setEnabled(state.status != CANCELLING)

    def _show_progress(self, state: Converting) -> None:
        self.bar.setUpdatesEnabled(False)  # or it repaints the whole window, canvas included, there and then
        self.bar.setRange(0, state.total)  # 0 to 0 moves to and fro: nobody can tell yet
        self.bar.setValue(state.done)
        self.bar.setFormat(_progress(state))
        self.bar.setUpdatesEnabled(True)

    def _convert(self) -> None:
        with notifying():
            self._controller.converter.start()

    def _choose_target(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Convert to", self._state.target, "HDF5 (*.hdf5 *.h5)")
        if path:
            self._controller.converter.write_to(Path(path))


_TITLES = {name: titled(name) for name in WINDOWS}
_OPEN_EARLIER = "Open the file made earlier", "Open the file that is there, as it is"
_OPEN_NEW = "Open", "Open the new file, and drop the samples of the case that is shown"
_CANCEL = {
    COUNTING: "Do not convert",
    OFFERED: "Do not convert",
    CONVERTING: "Stop converting; nothing of the unfinished file stays",
    CANCELLING: "Stopping ...",
    CONVERTED: "Put this message away; the file stays",
}


def _window_of(text: str) -> str:
    """The window's name, or its two values, that a text of the list stands for."""
    text = text.strip()
    return next((name for name, title in _TITLES.items() if title == text), text)


def _headline(state: Converting) -> str:
    if state.status == CONVERTED:
        return f"Converted: {state.result}"
    name = Path(state.source).name
    if state.status in (CONVERTING, CANCELLING):
        return f"Converting {name}"
    if state.status == COUNTING:
        return f"{name}: counting its slices ..."
    if state.problem:
        return f"{name}: not converted"
    if not state.slices:  # nobody waited for the count
        return f"{name}: convert?"
    return f"{name}: {counted(state.patients, 'patient')}, about {counted(state.slices, 'slice')}. Convert?"


def _about(state: Converting) -> str:
    return f"{state.summary[:1].upper()}{state.summary[1:]}"


def _progress(state: Converting) -> str:
    """How far it is: "120 of 207, 12 s left"."""
    if state.status == CANCELLING:
        return "cancelling ..."
    if not state.total:
        return "reading ..."
    text = f"{state.done:,} of {state.total:,}"
    return text if state.seconds_left is None else f"{text}, {duration(state.seconds_left)} left"
