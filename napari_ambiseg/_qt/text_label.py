"""A label whose text wraps and can be selected, and which never widens its dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel


def text_label(tooltip: str = "", text: str = "", *, plain: bool = False) -> QLabel:
    """Make such a label.

    Parameters
    ----------
    plain : whether the text is shown as it is, whatever it looks like: a file's name may look like markup
    """
    label = QLabel(text)
    label.setWordWrap(True)
    label.setMinimumWidth(1)  # a long path in it must not widen the dock
    label.setToolTip(tooltip)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if plain:
        label.setTextFormat(Qt.TextFormat.PlainText)
    return label
