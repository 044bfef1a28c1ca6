"""The one way by which anything of the case is written to a file that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from napari_ambiseg._qt.dock import Dock
from napari_ambiseg._qt.replacing import may_replace
from napari_ambiseg.notices import notifying
from napari_ambiseg.products import PRODUCTS, Options

#: What a form of file is called, by the end of its name; "" is a folder.
NAMES = {
    ".hdf5": "HDF5", ".h5": "HDF5", ".npz": "NumPy", ".nii": "NIfTI", ".nii.gz": "NIfTI", ".dcm": "DICOM SEG",
    ".csv": "CSV", ".html": "HTML", ".pdf": "PDF", ".svg": "SVG", ".png": "PNG", ".gif": "GIF", ".mp4": "MP4",
    "": "PNG pictures",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of file that may be chosen.

    Parameters
    ----------
    product : one of `napari_ambiseg.products.PRODUCTS`
    suffix : the end of its name, given to a name that has none that is known
    """

    product: str
    suffix: str

    @property
    def filter(self) -> str:
        """What the dialog shows."""
        title = PRODUCTS[self.product].title
        return f"{title}: {NAMES[self.suffix]} (*{self.suffix})" if self.suffix else f"{title}: {NAMES['']} (*)"

    def named(self, path: Path) -> Path:
        """The path with an end that says its form."""
        known = tuple(end for end in PRODUCTS[self.product].suffixes if end)
        if not self.suffix or path.name.lower().endswith(known):
            return path
        return path.with_name(path.name + self.suffix)


def ask_and_write(dock: Dock, title: str, kinds: Sequence[Kind], options: Options) -> None:
    """Ask where to, and begin to write; nothing is replaced without being asked.

    Parameters
    ----------
    dock : over which the dialogs open
    title : of the dialog
    kinds : what may be chosen there, the first one is suggested
    options : how pictures look
    """
    suggested = dock.controller.output.suggested(kinds[0].product) + kinds[0].suffix
    name, chosen = QFileDialog.getSaveFileName(
        dock,
        title,
        suggested,
        ";;".join(kind.filter for kind in kinds),
        options=QFileDialog.Option.DontConfirmOverwrite,  # asked below, for all files of a form that makes several
    )
    if name:
        kind = next((kind for kind in kinds if kind.filter == chosen), kinds[0])
        with notifying():
            write_to(dock, kind, Path(name), options)


def write_to(dock: Dock, kind: Kind, path: Path, options: Options) -> None:
    """Begin to write, unless the user does not want to replace what is there.

    Raises
    ------
    ConfigError
        As `napari_ambiseg.output.Output.write`.
    """
    path, output = kind.named(path), dock.controller.output
    if may_replace(dock, output.files(kind.product, path)):
        output.write(kind.product, path, options)
