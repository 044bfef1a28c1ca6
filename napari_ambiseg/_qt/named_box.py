"""A box of names to choose from, in which one may stand for the model's own choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox


class NamedBox(QComboBox):
    """Shows one of some names; each item carries its full name as data, None for the model's own.

    Parameters
    ----------
    tooltip : what is chosen here
    choose : called with the name that the user chose
    """

    def __init__(self, tooltip: str, choose: Callable[[str | None], None]) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setMinimumContentsLength(6)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._offered: list[tuple[str | None, str]] = []
        self.activated.connect(lambda _: choose(self.currentData()))

    def offer(self, shown: Mapping[str, str], tooltips: Mapping[str, str], own: str | None = None) -> None:
        """Offer these names.

        Parameters
        ----------
        shown : what stands in the list for each name
        tooltips : what each of them is
        own : what the model itself would take, offered first as "auto"; None where that is no choice
        """
        offered: list[tuple[str | None, str]] = list(shown.items())
        if own is not None:
            offered.insert(0, (None, f"auto: {own}"))
        if offered == self._offered:
            return
        self._offered = offered
        self.clear()
        for at, (name, text) in enumerate(offered):
            self.addItem(text, name)
            tooltip = "Left to the model: what it was made to draw with" if name is None else tooltips.get(name, name)
            self.setItemData(at, tooltip, Qt.ItemDataRole.ToolTipRole)

    def show_name(self, name: str | None) -> None:
        """Show what is chosen."""
        names = [name for name, _ in self._offered]
        self.setCurrentIndex(names.index(name) if name in names else 0)
