"""Nothing that is there is replaced without being asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtWidgets import QMessageBox, QWidget

_NAMED = 4  # files that are listed; the others are counted


def may_replace(parent: QWidget, files: Iterable[Path]) -> bool:
    """Ask whether the files that exist may be replaced; True at once where none does."""
    there = [path for path in files if path.is_file()]
    if not there:
        return True
    button = QMessageBox.StandardButton
    answer = QMessageBox.question(parent, "Replace?", question(there), button.Yes | button.No, button.No)
    return bool(answer == button.Yes)


def question(files: list[Path]) -> str:
    """What is asked about files that exist."""
    names = "\n".join(path.name for path in files[:_NAMED])
    more = f"\nand {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    what = "This file exists" if len(files) == 1 else f"{len(files)} files exist"
    return f"{what} in {files[0].absolute().parent}:\n{names}{more}\n\nReplace?"
