"""The list of window presets: which values of the image are black and which are white."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_ambiseg._qt.keys import KEYS
from napari_ambiseg.controller import Controller
from napari_ambiseg.windowing import PRESETS, missing

_TIP = f"Window: which values are black and white, for the eye alone; the model sees the image as it is stored. \
Key {KEYS['window'].key}: the next one."


class WindowBox(QComboBox):
    """Chooses a preset; what a slice has no Hounsfield units for is grey, and says so.

    Parameters
    ----------
    controller : of the viewer
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.setAccessibleName("Window")
        self.setMinimumContentsLength(8)  # the list itself is as wide as its words
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for name, preset in PRESETS.items():
            self.addItem(preset.title, name)
        self.activated.connect(lambda _: setattr(controller.state.display, "window", self.currentData()))

    def refresh(self) -> None:
        """Show which preset is chosen, and which can be had for the case that is shown."""
        case = self._controller.case
        model = self.model()
        assert isinstance(model, QStandardItemModel)  # noqa: S101 - Qt's own
        for at, name in enumerate(PRESETS):
            why = missing(name, case)
            model.item(at).setEnabled(not why)
            self.setItemData(at, f"Not possible: {why}" if why else PRESETS[name].title, Qt.ItemDataRole.ToolTipRole)
        chosen = self._controller.state.display.window
        self.setCurrentIndex(self.findData(chosen))
        why = missing(chosen, case) if case is not None else ""
        self.setToolTip(f"{_TIP} Shown as the model sees it now: {why}." if why else _TIP)
