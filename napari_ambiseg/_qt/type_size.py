"""Larger and smaller type, in proportion to the size that the user chose in napari's preferences."""

from __future__ import annotations

from typing import Any
from weakref import ref

from napari.settings import get_settings
from qtpy.compat import isalive
from qtpy.QtWidgets import QWidget

HEADLINE, BUTTON, SMALL = 1.75, 1.35, 0.9
_BOLD = 600


def set_type(widget: QWidget, factor: float, *, bold: bool = False) -> None:
    """Give a widget type ``factor`` times as large as napari's, now and whenever the user changes that.

    A style sheet has no relative sizes; so it is written anew.
    """
    appearance, held = get_settings().appearance, ref(widget)
    weight = f" font-weight: {_BOLD};" if bold else ""

    def write(_: Any = None) -> None:
        widget = held()
        if widget is None or not isalive(widget):
            appearance.events.font_size.disconnect(write)
        else:
            widget.setStyleSheet(f"font-size: {factor * appearance.font_size:.3g}pt;{weight}")

    write()
    appearance.events.font_size.connect(write)
