"""What every form of output has: the ends of its names, the files it makes, and how it is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from training.export.drawn_case import DrawnCase


class Form(ABC):
    """One form of file for a case with its drawn masks."""

    suffixes: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    keeps_trajectory: ClassVar[bool] = False

    def require(self) -> None:  # noqa: B027 - most forms need nothing
        """Refuse where a package is missing.

        Raises
        ------
        ConfigError
            With the command that installs it.
        """

    @abstractmethod
    def files(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        """The files that `write` would make or replace."""

    @abstractmethod
    def write(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        """Write, and tell the files that were made.

        Raises
        ------
        ConfigError
            If a file cannot be written, or a package is missing.
        """

    @classmethod
    def stem(cls, path: Path) -> str:
        """The file's name without the form's suffix."""
        longest = max((end for end in cls.suffixes if path.name.lower().endswith(end)), key=len, default="")
        return path.name[: len(path.name) - len(longest)]
